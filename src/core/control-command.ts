import type { z } from 'zod'
import { ENGLISH } from './english.ts'
import { LicensingError } from './errors.ts'

/** Command of an agent, called over its control socket or with its data directory open. */
export interface ControlCommand<Target> {
  /** True for a command that never connects to the authority. Other commands run due work first. */
  readonly reads: boolean
  /** @throws LicensingError INVALID_ARGUMENT, or an error of the command itself */
  call(target: Target, params: unknown): unknown
}

/** Defines a command that validates its parameters with a schema. */
export const defineCommand = <Target, Params>(
  reads: boolean,
  schema: z.ZodType<Params>,
  run: (target: Target, params: Params) => unknown,
): ControlCommand<Target> => ({
  reads,
  call: (target, params) => {
    const parsed = schema.safeParse(params ?? {}, ENGLISH)
    if (parsed.success) return run(target, parsed.data)
    const [issue] = parsed.error.issues
    const where = issue?.path.join('.') ?? ''
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `${where || 'The request'}: ${issue?.message ?? 'not valid'}.`,
    )
  },
})
