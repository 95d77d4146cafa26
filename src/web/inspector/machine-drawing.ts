import drawing from '../../diagrams/machine-drawing.json'
import type { MachineDrawing } from '../../diagrams/inside-layout.types.ts'

/** Words of the machine and layouts of its insides, as `npm run docs` has written them. */
export const machineDrawing = drawing as unknown as MachineDrawing
