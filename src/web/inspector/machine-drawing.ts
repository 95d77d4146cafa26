import drawing from '../../inspection/machine-drawing.json'
import type { MachineDrawing } from '../../diagrams/inside-layout.types.ts'

const own = drawing as unknown as MachineDrawing

/**
 * Words of the machine and layouts of its insides: of this program, or of the program that wrote the bundle on this page. The
 * overview is the same for all versions, because it has the states of the Status document.
 */
export let machineDrawing = own

/** Returns true if the bundle on this page comes from a program with another machine. */
export const isOtherMachine = (): boolean => machineDrawing.machine !== own.machine

/** Draws the machine of a bundle from now on. Call it before the inspector is shown. */
export function setMachineDrawing(other: MachineDrawing): void {
  machineDrawing = other
}
