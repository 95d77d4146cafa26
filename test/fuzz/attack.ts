import { isDeepStrictEqual } from 'node:util'
import { errorTable, type ErrorCode, LicensingError } from '../../src/core/errors.ts'

/** Something that reads what strangers send or type. */
export interface Target {
  readonly name: string
  /** Inputs that are right: what is tried is made from these. */
  readonly seeds: readonly string[]
  /** Reads one. What it gives is a value; what is no good is refused with an error of the project, or with null. */
  readonly read: (text: string) => unknown
  /** What it may be refused with: codes, or beginnings of them that end with `*`. */
  readonly refusals: readonly string[]
  /** Writes what was read: reading that again must give the same. */
  readonly write?: (value: never) => string
  /** Inputs are secrets: nothing of them may be in what is said. */
  readonly secret?: boolean
}

/** Longest that reading one input may take, in milliseconds: a thousand times what it takes. */
const MAX_READ_MS = 3_000

const matchesRefusal = (code: string, refusals: readonly string[]): boolean =>
  refusals.some((one) => (one.endsWith('*') ? code.startsWith(one.slice(0, -1)) : code === one))

/** A stretch of a secret that was said: long enough to be no accident. */
function hasLeak(said: string, input: string): boolean {
  for (let at = 0; at + 16 <= input.length; at += 4)
    if (/^[A-Za-z0-9_+/=-]{16}$/.test(input.slice(at, at + 16)) && said.includes(input.slice(at, at + 16)))
      return true
  return false
}

/** Lets a target read an input. @returns what was not as it must be; null when all was */
export async function attack(target: Target, input: string): Promise<string | null> {
  const begun = performance.now()
  let value: unknown
  try {
    value = await target.read(input)
  } catch (error) {
    if (!(error instanceof LicensingError))
      return `threw what is no error of the project: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
    const { code, message } = error
    if (!Object.hasOwn(errorTable, code)) return `refused with ${code}, which the table does not know`
    if (!matchesRefusal(code satisfies ErrorCode, target.refusals)) return `refused with ${code}: ${message}`
    if (message.length > 2_000) return `said ${message.length} characters`

    if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(message))
      return `said control characters: ${JSON.stringify(message)}`
    if (target.secret && hasLeak(JSON.stringify(error), input)) return `told a part of the secret: ${message}`
    return null
  } finally {
    if (performance.now() - begun > MAX_READ_MS) console.error(`${target.name}: an input took long`)
  }
  if (performance.now() - begun > MAX_READ_MS) return 'took too long'
  if (target.write && value !== null && value !== undefined) {
    const again = await target.read(target.write(value as never))
    if (!isDeepStrictEqual(again, value))
      return `is read differently when it is written again: ${JSON.stringify(value)} ${JSON.stringify(again)}`
  }
  return null
}
