import { LicensingError } from './errors.ts'

/** Parses the numbers of a version: `4.0MR2` is 4, 0, 2. @throws LicensingError INVALID_ARGUMENT */
function parseNumbers(version: string): number[] {
  const numbers = version.match(/\d+/g) ?? []
  if (/^\d/.test(version) && numbers.every(({ length }) => length <= 6)) return numbers.map(Number)
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The version ${JSON.stringify(version)} does not begin with a number, or has a number of more than six digits.`,
  )
}

/** Compares two versions number by number. Null if one of them is not a version. */
function compareVersions(from: string, to: string): { sign: number; at: number } | null {
  let numbers: [number[], number[]]
  try {
    numbers = [parseNumbers(from), parseNumbers(to)]
  } catch {
    return null
  }
  const [a, b] = numbers
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const sign = Math.sign((b[at] ?? 0) - (a[at] ?? 0))
    if (sign !== 0) return { sign, at }
  }
  return { sign: 0, at: 0 }
}

/** Checks whether a version is higher than another. False if one of them is not a version. */
export const isHigherVersion = (version: string, than: string): boolean =>
  compareVersions(than, version)?.sign === 1

/** Returns the first number of a version. Null if the text is not a version. */
export function parseMajorVersion(version: string): number | null {
  try {
    return parseNumbers(version)[0] ?? null
  } catch {
    return null
  }
}

/**
 * Classifies an upgrade as major or minor.
 *
 * @throws LicensingError VERSION_NOT_HIGHER, INVALID_ARGUMENT
 */
export function classifyUpgrade(from: string, to: string): 'major' | 'minor' {
  parseNumbers(to)
  const found = compareVersions(parseMajorVersion(from) === null ? '0' : from, to)
  if (found?.sign === 1) return found.at === 0 ? 'major' : 'minor'
  throw new LicensingError('VERSION_NOT_HIGHER', `The version ${to} is not higher than ${from}.`)
}
