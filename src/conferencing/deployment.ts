import { LicensingError } from '../core/errors.ts'
import { type ConferencingSettings, EXTENDED_PORTS, type Size, PORTS_BY_SIZE } from './settings.ts'

/** Deployment: size and data centers of a system (planning guide, "System Licenses"). */
export interface System {
  readonly size: Size
  /** True for a large deployment that is extended to 4000 ports. */
  readonly extended: boolean
  /** Other data centers of the system, if this is its primary data center. */
  readonly dataCenters: readonly string[]
  /** Primary data center that this one has joined, and that holds the licenses. Null otherwise. */
  readonly primary: string | null
}

export const getPorts = ({ size, extended }: Pick<System, 'size' | 'extended'>): number =>
  extended ? EXTENDED_PORTS : PORTS_BY_SIZE[size]

type SystemTags = NonNullable<ConferencingSettings['deployment']>

/**
 * Returns the licenses that a system needs: none for a single data center, one for extended capacity, and one of its size
 * for each data center of a multi-data-center system (R-SYS-1…3).
 */
export function getRequiredLicenses(system: System, tags: SystemTags): Record<string, number> {
  const needed: Record<string, number> = {}
  if (system.primary !== null) return needed
  if (system.extended) needed[tags.extendedTag] = 1
  const tag = tags.dataCenterTags[system.size]
  if (system.dataCenters.length > 0 && tag !== undefined) needed[tag] = system.dataCenters.length + 1
  return needed
}

const notAllowedError = (message: string, remedy?: string) =>
  new LicensingError('SYSTEM_NOT_ALLOWED', message, { ...(remedy !== undefined && { remedy }) })

const requirePrimary = (system: System): void => {
  if (system.primary !== null)
    throw notAllowedError(
      `This data center has joined ${system.primary}, which holds the licenses.`,
      'Make the change at the primary data center, or leave the system first.',
    )
}

function requirePorts(system: System, next: System, inUse: number): void {
  if (getPorts(next) >= getPorts(system) || inUse <= getPorts(next)) return
  throw new LicensingError(
    'PORTS_IN_USE',
    `${inUse} ports are in use; the system would have ${getPorts(next)}.`,
  )
}

/** Changes the size. @throws LicensingError SYSTEM_NOT_ALLOWED, PORTS_IN_USE */
export function resize(system: System, size: Size, tags: SystemTags, portsInUse: number): System {
  requirePrimary(system)
  const next = { ...system, size }
  if (system.extended && size !== 'large')
    throw notAllowedError(
      'The system is extended, and only a large system can be extended.',
      'Reduce the system first with `system reduce`.',
    )
  requireDataCenters(next, tags)
  requirePorts(system, next, portsInUse)
  return next
}

/** Extends a system from 2000 to 4000 ports (R-SYS-2). @throws LicensingError SYSTEM_NOT_ALLOWED */
export function extend(system: System): System {
  requirePrimary(system)
  if (system.size !== 'large')
    throw notAllowedError(
      `Only a large system can be extended; this system is ${system.size}.`,
      'Change the size first with `system size large`.',
    )
  return { ...system, extended: true }
}

/** Reduces a system from 4000 to 2000 ports. @throws LicensingError SYSTEM_NOT_ALLOWED, PORTS_IN_USE */
export function reduce(system: System, portsInUse: number): System {
  requirePrimary(system)
  const next = { ...system, extended: false }
  requirePorts(system, next, portsInUse)
  return next
}

function requireDataCenters(system: System, tags: SystemTags): void {
  if (system.dataCenters.length === 0 || tags.dataCenterTags[system.size] !== undefined) return
  throw notAllowedError(
    `A ${system.size} system cannot have several data centers: there is no license for that.`,
  )
}

/** Adds a data center to this primary one. @throws LicensingError SYSTEM_NOT_ALLOWED */
export function addDataCenter(system: System, dataCenter: string, tags: SystemTags): System {
  requirePrimary(system)
  if (system.dataCenters.includes(dataCenter)) return system
  const next = { ...system, dataCenters: [...system.dataCenters, dataCenter] }
  requireDataCenters(next, tags)
  return next
}

/** Joins this data center to the system of another one. @throws LicensingError SYSTEM_NOT_ALLOWED */
export function joinDataCenter(system: System, primary: string): System {
  if (system.primary === primary) return system
  requirePrimary(system)
  if (system.dataCenters.length > 0)
    throw notAllowedError(
      'This data center is the primary data center of a system.',
      'Remove the other data centers from the system first.',
    )
  return { ...system, primary }
}

/** Removes a data center from this system, or this one from the system it joined. @throws LicensingError SYSTEM_NOT_ALLOWED */
export function removeDataCenter(system: System, dataCenter: string | undefined): System {
  if (dataCenter === undefined) {
    if (system.primary === null)
      throw notAllowedError('This data center has not joined another one.', 'Name the data center to remove.')
    return { ...system, primary: null }
  }
  requirePrimary(system)
  if (!system.dataCenters.includes(dataCenter))
    throw notAllowedError(
      `There is no data center ${JSON.stringify(dataCenter)} in this system.`,
      'See `system show`.',
    )
  return { ...system, dataCenters: system.dataCenters.filter((name) => name !== dataCenter) }
}
