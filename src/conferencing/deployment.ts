import { LicensingError } from '../core/errors.ts'
import { EXTENDED_PORTS, type ProductProfile, SIZES, type Size } from '../core/profile.ts'

/** A deployment: its size, and the data centers that are one system with it (guide, "System Licenses"). */
export interface System {
  readonly size: Size
  /** A large deployment extended to 4000 ports. */
  readonly extended: boolean
  /** The other data centers of a multi-data-center system, where this is the primary one. */
  readonly dataCenters: readonly string[]
  /** The primary data center, where this one has joined another: that holds the licences. */
  readonly primary: string | null
}

export const portsOf = ({ size, extended }: Pick<System, 'size' | 'extended'>): number =>
  extended ? EXTENDED_PORTS : SIZES[size]

type SystemTags = NonNullable<ProductProfile['system']>

/**
 * The licences a system needs: none for one data center of its own size, one for extended capacity, one of its size for each
 * data center of several (R-SYS-1…3).
 */
export function licensesOf(system: System, tags: SystemTags): Record<string, number> {
  const needed: Record<string, number> = {}
  if (system.primary !== null) return needed
  if (system.extended) needed[tags.extendedTag] = 1
  const tag = tags.dataCenterTags[system.size]
  if (system.dataCenters.length > 0 && tag !== undefined) needed[tag] = system.dataCenters.length + 1
  return needed
}

const refused = (message: string, remedy?: string) =>
  new LicensingError('SYSTEM_NOT_ALLOWED', message, { ...(remedy !== undefined && { remedy }) })

const requireOwn = (system: System): void => {
  if (system.primary !== null)
    throw refused(
      `This data center has joined ${system.primary}, which holds the licences.`,
      'Do it at the primary data center, or leave the system first.',
    )
}

function requirePorts(system: System, next: System, inUse: number): void {
  if (portsOf(next) >= portsOf(system) || inUse <= portsOf(next)) return
  throw new LicensingError(
    'PORTS_IN_USE',
    `${inUse} ports are in use; the system would have ${portsOf(next)}.`,
  )
}

/** Another size. @throws LicensingError SYSTEM_NOT_ALLOWED, PORTS_IN_USE */
export function resized(system: System, size: Size, tags: SystemTags, portsInUse: number): System {
  requireOwn(system)
  const next = { ...system, size }
  if (system.extended && size !== 'large')
    throw refused('The system is extended: only a large one can be.', 'Reduce it first with `system reduce`.')
  requireDataCenters(next, tags)
  requirePorts(system, next, portsInUse)
  return next
}

/** From 2000 to 4000 ports (R-SYS-2). @throws LicensingError SYSTEM_NOT_ALLOWED */
export function extended(system: System): System {
  requireOwn(system)
  if (system.size !== 'large')
    throw refused(
      `Only a large system is extended; this one is ${system.size}.`,
      'Make it large first with `system size large`.',
    )
  return { ...system, extended: true }
}

/** Back from 4000 to 2000 ports. @throws LicensingError SYSTEM_NOT_ALLOWED, PORTS_IN_USE */
export function reduced(system: System, portsInUse: number): System {
  requireOwn(system)
  const next = { ...system, extended: false }
  requirePorts(system, next, portsInUse)
  return next
}

function requireDataCenters(system: System, tags: SystemTags): void {
  if (system.dataCenters.length === 0 || tags.dataCenterTags[system.size] !== undefined) return
  throw refused(`A ${system.size} system cannot have several data centers: there is no licence for that.`)
}

/** Another data center joins this one, the primary. @throws LicensingError SYSTEM_NOT_ALLOWED */
export function joinedBy(system: System, dataCenter: string, tags: SystemTags): System {
  requireOwn(system)
  if (system.dataCenters.includes(dataCenter)) return system
  const next = { ...system, dataCenters: [...system.dataCenters, dataCenter] }
  requireDataCenters(next, tags)
  return next
}

/** This data center joins another one's system, giving up its own. @throws LicensingError SYSTEM_NOT_ALLOWED */
export function joining(system: System, primary: string): System {
  if (system.primary === primary) return system
  requireOwn(system)
  if (system.dataCenters.length > 0)
    throw refused('This data center is the primary one of a system.', 'Let the others leave it first.')
  return { ...system, primary }
}

/** A data center leaves this one's system, or this one leaves the one it joined. @throws LicensingError SYSTEM_NOT_ALLOWED */
export function left(system: System, dataCenter: string | undefined): System {
  if (dataCenter === undefined) {
    if (system.primary === null)
      throw refused('This data center has joined no other.', 'Name the one that leaves.')
    return { ...system, primary: null }
  }
  requireOwn(system)
  if (!system.dataCenters.includes(dataCenter))
    throw refused(
      `There is no data center ${JSON.stringify(dataCenter)} in this system.`,
      'See `system show`.',
    )
  return { ...system, dataCenters: system.dataCenters.filter((name) => name !== dataCenter) }
}

/** The numbers of a version, from the left: `4.0MR2` is 4, 0, 2. @throws LicensingError INVALID_ARGUMENT */
function numbersOf(version: string): number[] {
  const numbers = version.match(/\d+/g) ?? []
  if (/^\d/.test(version) && numbers.every(({ length }) => length <= 6)) return numbers.map(Number)
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The version ${JSON.stringify(version)} does not begin with a number, or has one of more than six digits.`,
  )
}

/** The versions' numbers, compared from the left; null where one of them is no version. */
function compare(from: string, to: string): { sign: number; at: number } | null {
  let numbers: [number[], number[]]
  try {
    numbers = [numbersOf(from), numbersOf(to)]
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

/** Whether a version is higher than another; false where one of them is no version. */
export const isHigher = (version: string, than: string): boolean => compare(than, version)?.sign === 1

/** The first number of a version; null where it is none. */
export function majorOf(version: string): number | null {
  try {
    return numbersOf(version)[0] ?? null
  } catch {
    return null
  }
}

/**
 * What an upgrade is: to another major version, or within one.
 *
 * @throws LicensingError VERSION_NOT_HIGHER, INVALID_ARGUMENT
 */
export function upgradeKind(from: string, to: string): 'major' | 'minor' {
  numbersOf(to)
  const found = compare(majorOf(from) === null ? '0' : from, to)
  if (found?.sign === 1) return found.at === 0 ? 'major' : 'minor'
  throw new LicensingError('VERSION_NOT_HIGHER', `The version ${to} is not higher than ${from}.`)
}
