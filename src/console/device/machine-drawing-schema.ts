import { z } from 'zod'
import type { MachineDrawing } from '../../diagrams/inside-layout.types.ts'
import { LICENSE_STATES } from '../../../machines/state-names.ts'

const pointSchema = z.tuple([z.number(), z.number()]).readonly()
const boxFields = { x: z.number(), y: z.number(), width: z.number(), height: z.number() }
const causesSchema = z
  .array(
    z.object({
      event: z.string(),
      guard: z.string().nullable(),
      label: z.string(),
      description: z.string(),
    }),
  )
  .readonly()
const insideSchema = z.object({
  width: z.number(),
  height: z.number(),
  nodes: z.array(z.object({ id: z.string(), isFrame: z.boolean(), ...boxFields })).readonly(),
  edges: z
    .array(
      z.object({
        id: z.string(),
        from: z.string(),
        to: z.string(),
        isFromParent: z.boolean(),
        causes: causesSchema,
        points: z.array(pointSchema).readonly(),
        label: z.object({ at: pointSchema, text: z.array(z.string()).readonly() }),
      }),
    )
    .readonly(),
})

/** Schema of the drawing of a machine, which a support bundle brings for a program of another version. */
export const machineDrawingSchema: z.ZodType<MachineDrawing> = z.object({
  machine: z.string(),
  states: z.record(z.string(), z.object({ label: z.string(), description: z.string() })),
  moves: z
    .array(z.object({ from: z.enum(LICENSE_STATES), to: z.enum(LICENSE_STATES), causes: causesSchema }))
    .readonly(),
  regionMoves: z
    .array(
      z.object({
        region: z.string(),
        line: z.string(),
        from: z.string(),
        to: z.string(),
        causes: causesSchema,
      }),
    )
    .readonly(),
  insides: z.record(z.string(), insideSchema),
  events: z.record(z.string(), z.string()),
  notices: z.record(z.string(), z.object({ severity: z.number(), text: z.string() })),
})
