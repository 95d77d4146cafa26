import {
  toRegionPath,
  type ConnectionState,
  isCovered,
  getGrant,
  getReservation,
  type Failure,
  isFullyFunctional,
  type ReservationStage,
  type Instant,
  type AgentSnapshot,
  getLicenseState,
  type LicenseState,
  findShortfalls,
  describeShortfalls,
} from '../../machines/index.ts'
import { toIsoString } from '../core/time.ts'
import type { ProductProfile } from '../core/profile.ts'
import type { StoredSettings, TransportSettings } from '../transports/transport.ts'
import type { Product } from './persisted-state.ts'

/** Outcome of the last attempt of a request. Null before the first. */
export type AttemptOutcome = { at: string; outcome: 'succeeded' | 'failed'; reason: Failure | null } | null

/**
 * Status document, as printed by `status --json` and returned by `agent.status()`. Times are ISO 8601 UTC. The product
 * module adds its own part.
 */
export interface Status {
  product: { pid: string; serial: string; version: string }
  state: LicenseState
  functionality: 'full' | 'license-management-only'
  functionalityReason: string | null
  registration: {
    status: 'unregistered' | 'registering' | 'retrying' | 'registered' | 'failed' | 'expired' | 'reserved'
    smartAccount: string | null
    virtualAccount: string | null
    instanceId: string | null
    exportControlled: boolean
    registeredAt: string | null
    lastRenewal: AttemptOutcome
    nextRenewalAt: string | null
    expiresAt: string | null
    nextAttemptAt: string | null
    failure: (Failure & { at: string }) | null
  }
  authorization: {
    status:
      | 'none'
      | 'evaluation'
      | 'evaluation-expired'
      | 'waiting'
      | 'authorized'
      | 'out-of-compliance'
      | 'expired'
      | 'reserved'
      | 'not-authorized'
    since: string
    lastAttempt: AttemptOutcome
    nextAttemptAt: string | null
    deadlineAt: string | null
  }
  evaluation: { running: boolean; expired: boolean; remainingSeconds: number }
  entitlements: {
    tag: string
    name: string | null
    description: string | null
    count: number
    status: EntitlementStatus
  }[]
  reservation: {
    status: 'none' | 'requested' | 'installed' | 'returning'
    requestCode: string | null
    /** Confirmation code of the newest update. */
    confirmationCode: string | null
    /** Return code of the reservation that is being returned, or else of the last returned one. */
    returnCode: string | null
    /** Returned reservations, newest last. Their codes may still have to be entered at the authority. */
    returned: { instanceId: string; returnCode: string; returnedAt: string }[]
    /** Reserved licenses. A tag has several rows if its licenses have different end dates. */
    entitlements: { tag: string; name: string; count: number; endsAt: string | null }[]
  }
  transport: {
    kind: TransportSettings['kind'] | null
    url: string | null
    via: string | null
    username: string | null
    link: ConnectionState
    lastFailure: (Failure & { at: string }) | null
  }
  authority: { id: string; role: 'manager' | 'satellite'; test: boolean } | null
  clock: { trusted: boolean; reason: string | null }
}

/** Reads the Status document of an agent. */
export type StatusReader = () => Status

/** Compliance status of one entitlement tag. */
export type EntitlementStatus =
  | 'evaluation'
  | 'evaluation-expired'
  | 'waiting'
  | 'in-compliance'
  | 'out-of-compliance'
  | 'invalid-tag'
  | 'authorization-expired'
  | 'not-in-use'
  | 'reserved-in-compliance'
  | 'not-authorized'

const AUTHORIZATION_STATUSES = {
  evaluation: 'evaluation',
  unregistered: 'evaluation-expired',
  registered: 'waiting',
  authorized: 'authorized',
  'out-of-compliance': 'out-of-compliance',
  'auth-expired': 'expired',
  reserved: 'reserved',
} as const satisfies Record<LicenseState, Status['authorization']['status']>

/** Converts the path of the registration region to the registration status. */
function toRegistrationStatus(path: string, reservation: ReservationStage): Status['registration']['status'] {
  if (reservation === 'installed' || reservation === 'returning') return 'reserved'
  if (path === 'unregistered.failed') return 'failed'
  if (path === 'unregistered.expired') return 'expired'
  if (path === 'registering.requesting') return 'registering'
  if (path === 'registering.retrying') return 'retrying'
  return path.startsWith('registered') || path === 'deregistering' ? 'registered' : 'unregistered'
}

/** Returns the available functionality, and the reason if it is restricted (R-EVAL-4). */
export function getFunctionality(
  snapshot: AgentSnapshot,
  now: Instant,
): Pick<Status, 'functionality' | 'functionalityReason'> {
  // The end of a term takes effect immediately, not only after the next tick.
  if (
    isFullyFunctional(snapshot) &&
    (getLicenseState(snapshot.value) !== 'reserved' || isCovered(snapshot, now))
  )
    return { functionality: 'full', functionalityReason: null }
  return {
    functionality: 'license-management-only',
    functionalityReason:
      snapshot.value.reservation === 'returning'
        ? 'The reservation is being returned.'
        : getLicenseState(snapshot.value) === 'reserved'
          ? `The reservation does not cover the usage: ${describeShortfalls(snapshot.context, now)}.`
          : isDiverged(snapshot)
            ? 'Another copy of this device has continued its registration, and the evaluation period is used up.'
            : 'The evaluation period is used up and the device is not registered.',
  }
}

/** Checks whether the authority has found another copy of this device. */
const isDiverged = ({ value }: AgentSnapshot): boolean =>
  toRegionPath(value.license).startsWith('registered.diverged')

/** Checks whether the product is licensed: authorized or reserved, and no longer in evaluation (R-EVAL-5). */
export const isLicensed = (snapshot: AgentSnapshot): boolean =>
  !['evaluation', 'unregistered', 'registered'].includes(getLicenseState(snapshot.value))

const getEarlier = (a: Instant | null, b: Instant | null): Instant | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b)

const toDatedDocument = <T extends { at: Instant }>(value: T | null) =>
  value && { ...value, at: toIsoString(value.at) }

/** Builds the Status document from the machine snapshot and the device's settings. */
export function describeStatus(
  snapshot: AgentSnapshot,
  device: {
    product: Product
    profile: ProductProfile
    transport: StoredSettings | null
    authority: Status['authority']
    clock: Status['clock']
    now: Instant
  },
): Status {
  const { context, value } = snapshot
  const { registration, renewal, authorization, evaluation } = context
  const state = getLicenseState(value)
  const path = toRegionPath(value.registration)
  const grant = getGrant(snapshot)
  const functionality = getFunctionality(snapshot, device.now)
  const retrying = path.endsWith('.retrying') ? context.registering?.nextAttemptAt : null
  return {
    product: {
      pid: device.product.pid,
      serial: device.product.serial,
      version: device.product.version,
    },
    state,
    ...functionality,
    registration: {
      status: toRegistrationStatus(path, value.reservation),
      smartAccount: registration?.smartAccount ?? grant?.smartAccount ?? null,
      virtualAccount: registration?.virtualAccount ?? grant?.virtualAccount ?? null,
      instanceId: registration?.instanceId ?? grant?.reservationId ?? null,
      exportControlled: registration?.exportControlled ?? false,
      registeredAt: toIsoString(registration?.registeredAt ?? grant?.reservedAt ?? null),
      lastRenewal: toDatedDocument(renewal.last),
      nextRenewalAt: toIsoString(renewal.nextAt),
      expiresAt: toIsoString(registration?.expiresAt ?? null),
      nextAttemptAt: toIsoString(retrying ?? null),
      failure: toDatedDocument(context.registrationFailure),
    },
    authorization: {
      status:
        isDiverged(snapshot) || (state === 'reserved' && functionality.functionality !== 'full')
          ? 'not-authorized'
          : AUTHORIZATION_STATUSES[state],
      since: toIsoString(authorization.since),
      lastAttempt: toDatedDocument(authorization.last),
      // A scheduled usage report is an authorization attempt too.
      nextAttemptAt: toIsoString(getEarlier(authorization.nextAttemptAt, context.usage.reportAt)),
      deadlineAt: toIsoString(authorization.deadlineAt),
    },
    evaluation: {
      running: evaluation.running,
      expired: evaluation.remainingSeconds === 0,
      remainingSeconds: evaluation.remainingSeconds,
    },
    entitlements: describeEntitlements(snapshot, device.profile, device.now),
    reservation: describeReservation(snapshot, device.now),
    transport: {
      kind: device.transport?.kind ?? null,
      url: device.transport?.url ?? null,
      via: device.transport?.kind === 'proxy' ? device.transport.via : null,
      username: device.transport?.kind === 'proxy' ? device.transport.username : null,
      link: value.connection,
      lastFailure: value.connection === 'down' ? toDatedDocument(context.lastFailure) : null,
    },
    authority: device.authority,
    clock: device.clock,
  }
}

const MAX_RETURNED_RESERVATIONS = 20

function describeReservation(snapshot: AgentSnapshot, now: Instant): Status['reservation'] {
  const { returned } = snapshot.context.reservation
  const current = getReservation(snapshot)
  const grant = getGrant(snapshot)
  return {
    status: current.stage,
    requestCode: current.stage === 'none' ? null : current.requestCode,
    confirmationCode: grant?.confirmationCode ?? null,
    returnCode:
      current.stage === 'returning'
        ? current.returnCode
        : current.stage === 'installed'
          ? null
          : (returned.at(-1)?.returnCode ?? null),
    returned: returned.slice(-MAX_RETURNED_RESERVATIONS).map(({ reservationId, returnCode, at }) => ({
      instanceId: reservationId,
      returnCode,
      returnedAt: toIsoString(at),
    })),
    entitlements: (current.stage === 'installed' ? current.grant.licenses : [])
      .filter(({ endsAt }) => endsAt === null || now < endsAt)
      .map(({ tag, name, count, endsAt }) => ({ tag, name, count, endsAt: toIsoString(endsAt) })),
  }
}

/** Lists all tags in use, authorized or reserved. The name comes from the authority, and is null before its answer. */
function describeEntitlements(
  snapshot: AgentSnapshot,
  profile: ProductProfile,
  now: Instant,
): Status['entitlements'] {
  const { context, value } = snapshot
  const { counts, reported } = context.usage
  const answered = new Map(
    context.authorization.entitlements.map((entitlement) => [entitlement.tag, entitlement]),
  )
  const state = getLicenseState(value)
  const grant = getGrant(snapshot)
  const shortfalls = new Set(findShortfalls(context, now))
  const getEntitlementStatus = (tag: string, count: number): EntitlementStatus => {
    if (state === 'evaluation') return count > 0 ? 'evaluation' : 'not-in-use'
    if (state === 'unregistered') return count > 0 ? 'evaluation-expired' : 'not-in-use'
    if (state === 'reserved') {
      if (count === 0) return 'not-in-use'
      const granted = value.reservation === 'installed' && !shortfalls.has(tag)
      return granted ? 'reserved-in-compliance' : 'not-authorized'
    }
    if (count !== (reported?.[tag] ?? 0) && !isDiverged(snapshot)) return 'waiting'
    if (count === 0) return 'not-in-use'
    if (isDiverged(snapshot)) return 'not-authorized'
    if (state === 'auth-expired') return 'authorization-expired'
    return answered.get(tag)?.status ?? 'waiting'
  }
  const tagOrder = profile.tags.map(({ tag }) => tag)
  const reserved = new Map(grant?.licenses.map(({ tag, name }) => [tag, name]))
  const descriptions = new Map(profile.tags.map(({ tag, description }) => [tag, description]))
  return [...new Set([...Object.keys(counts), ...answered.keys(), ...reserved.keys()])]
    .sort((a, b) => tagOrder.indexOf(a) - tagOrder.indexOf(b))
    .map((tag) => ({
      tag,
      name: answered.get(tag)?.name ?? reserved.get(tag) ?? null,
      description:
        answered.get(tag)?.description ?? (reserved.has(tag) ? (descriptions.get(tag) ?? null) : null),
      count: counts[tag] ?? 0,
      status: getEntitlementStatus(tag, counts[tag] ?? 0),
    }))
}
