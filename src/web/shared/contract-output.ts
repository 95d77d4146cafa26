import type { z } from 'zod'

/** Type of the answer of a procedure. It stands apart, because tests without a browser use it. */
export type Output<P, N extends keyof P> = P[N] extends { schema: { response: infer O extends z.ZodType } }
  ? z.output<O>
  : never
