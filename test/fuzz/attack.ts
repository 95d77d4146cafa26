import { isDeepStrictEqual } from 'node:util'
import { errorTable, type ErrorCode, LicensingError } from '../../src/core/errors.ts'

/** A parser of untrusted input, with valid inputs to mutate. */
export interface Target {
  readonly name: string
  /** Valid inputs. The fuzzer mutates them. */
  readonly seeds: readonly string[]
  /** Parses an input. Invalid input gives null or throws a LicensingError. */
  readonly read: (text: string) => unknown
  /** Error codes that are allowed. A final `*` stands for any ending. */
  readonly refusals: readonly string[]
  /** Formats a parsed value. Parsing the result must give an equal value. */
  readonly write?: (value: never) => string
  /** True if inputs are secrets, which may not appear in an error. */
  readonly secret?: boolean
}

/** Maximum time to parse one input: about a thousand times the usual time. */
const MAX_READ_MS = 3_000

const matchesRefusal = (code: string, refusals: readonly string[]): boolean =>
  refusals.some((refusal) =>
    refusal.endsWith('*') ? code.startsWith(refusal.slice(0, -1)) : code === refusal,
  )

/** Returns whether a text contains 16 consecutive characters of a secret. */
function hasLeak(text: string, input: string): boolean {
  for (let at = 0; at + 16 <= input.length; at += 4)
    if (/^[A-Za-z0-9_+/=-]{16}$/.test(input.slice(at, at + 16)) && text.includes(input.slice(at, at + 16)))
      return true
  return false
}

/** Passes an input to a target. @returns a description of the failure, or null */
export async function attack(target: Target, input: string): Promise<string | null> {
  const begun = performance.now()
  let value: unknown
  try {
    value = await target.read(input)
  } catch (error) {
    if (!(error instanceof LicensingError))
      return `threw an error that is not a LicensingError: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
    const { code, message } = error
    if (!Object.hasOwn(errorTable, code)) return `failed with ${code}, which is not in the error table`
    if (!matchesRefusal(code satisfies ErrorCode, target.refusals))
      return `failed with ${code}, which is not allowed: ${message}`
    if (message.length > 2_000) return `the error message has ${message.length} characters`

    if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(message))
      return `the error message has control characters: ${JSON.stringify(message)}`
    if (target.secret && hasLeak(JSON.stringify(error), input))
      return `the error contains a part of the secret: ${message}`
    return null
  } finally {
    if (performance.now() - begun > MAX_READ_MS) console.error(`${target.name}: an input took too long`)
  }
  if (performance.now() - begun > MAX_READ_MS) return 'took too long'
  if (target.write && value !== null && value !== undefined) {
    const again = await target.read(target.write(value as never))
    if (!isDeepStrictEqual(again, value))
      return `a formatted value is parsed as another value: ${JSON.stringify(value)} ${JSON.stringify(again)}`
  }
  return null
}
