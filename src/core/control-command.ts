import type { z } from 'zod'
import { ENGLISH } from './english.ts'
import { LicensingError } from './errors.ts'

/** A command that others ask of an agent, over its control socket or with its data directory opened. */
export interface ControlCommand<Target> {
  /** A reader never connects to the authority. The other commands run what is due first. */
  readonly reads: boolean
  /** @throws LicensingError INVALID_ARGUMENT, and what the command itself throws */
  call(target: Target, params: unknown): unknown
}

/** Defines a command whose parameters are checked where they come in. */
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
      `${where || 'The request'}: ${issue?.message ?? 'not of its form'}.`,
    )
  },
})
