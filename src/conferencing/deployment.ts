import { LicensingError } from '../core/errors.ts'
import { type ConferencingSettings, EXTENDED_PORTS, type Size, SIZES } from './settings.ts'

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

type SystemTags = NonNullable<ConferencingSettings['deployment']>

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
