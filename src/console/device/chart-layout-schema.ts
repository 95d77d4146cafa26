import { z } from 'zod'

const causesSchema = z.array(z.object({ event: z.string(), guard: z.string().nullable() })).readonly()
const pointsSchema = z.array(z.object({ x: z.number(), y: z.number() })).readonly()
const linesSchema = z.array(z.string()).readonly()
const rectangle = { x: z.number(), y: z.number(), width: z.number(), height: z.number() }
/** Schema of a statechart layout: the positions of its states, arrows and labels. */
export const chartLayoutSchema = z.object({
  name: z.string(),
  width: z.number(),
  height: z.number(),
  nodes: z
    .array(
      z.object({
        id: z.string(),
        key: z.string(),
        description: z.string(),
        kind: z.enum(['region', 'compound', 'atomic']),
        parent: z.string().nullable(),
        initial: z.boolean(),
        inside: causesSchema,
        lines: linesSchema,
        ...rectangle,
      }),
    )
    .readonly(),
  edges: z
    .array(
      z.object({
        id: z.string(),
        from: z.string(),
        to: z.string(),
        causes: causesSchema,
        points: pointsSchema,
        label: z.object({ ...rectangle, lines: linesSchema }),
      }),
    )
    .readonly(),
  starts: z
    .array(
      z.object({ parent: z.string(), to: z.string(), x: z.number(), y: z.number(), points: pointsSchema }),
    )
    .readonly(),
})
