import { z } from 'zod'
import { defaultPeriods, getGrant, type Periods, type AgentSnapshot } from '../../machines/index.ts'
import { type ProductProfile, profileSchema } from '../core/profile.ts'
import { LicensingError } from '../core/errors.ts'
import { findDroppedTags, type ProfileChoice, requireTagsKept } from '../core/stored-profile.ts'
import { parseState, serializeState } from './persisted-state.ts'
import type { AgentStore } from './store.ts'

const PROFILE_KEY = 'profile'

/** Reads the stored product profile. Null in a new directory. @throws LicensingError STORE_UNREADABLE */
export const readProfile = (store: AgentStore): ProductProfile | null =>
  store.read(PROFILE_KEY, profileSchema)

/** Returns the periods of a product, with defaults for those that it does not set. */
export function resolvePeriods({ periods }: ProductProfile): Periods {
  const own = Object.fromEntries(Object.entries(periods).filter(([, value]) => value !== undefined))
  return { ...defaultPeriods, ...own }
}

/**
 * Stores a new or replaced profile, in a transaction of the store.
 *
 * @param onlyIfUnregistered true to refuse a replacement on a registered or reserved device
 * @throws LicensingError PROFILE_TAG_IN_USE, PROFILE_IN_USE
 */
export function storeProfile(store: AgentStore, choice: ProfileChoice, onlyIfUnregistered = false): void {
  if (choice.kind === 'stored') return
  if (choice.kind === 'replaced') {
    const facts = store.readText('facts')
    const snapshot = facts === null ? null : parseState(facts)
    if (onlyIfUnregistered && snapshot) requireUnregistered(snapshot)
    const declared = store.read('declared', countsSchema) ?? {}
    requireTagsKept(choice, findTagsInUse(snapshot, declared))
    const dropped = new Set(findDroppedTags(choice.before, choice.profile))
    if (snapshot) store.write('facts', serializeState(applyReplacement(snapshot, choice, dropped)))
    store.write('declared', omitTags(declared, dropped))
  }
  store.write(PROFILE_KEY, choice.profile)
}

/** @throws LicensingError PROFILE_IN_USE */
function requireUnregistered({ context }: AgentSnapshot): void {
  const { registration, registering, reservation } = context
  if (registration === null && registering === null && reservation.current === null) return
  throw new LicensingError('PROFILE_IN_USE', 'The device is registered, or has a reservation.')
}

const countsSchema = z.record(z.string(), z.number())

function findTagsInUse(snapshot: AgentSnapshot | null, declared: Record<string, number>): Set<string> {
  const usage = snapshot?.context.usage
  const counts = [...Object.entries(usage?.counts ?? {}), ...Object.entries(declared)]
  const reserved = (snapshot && getGrant(snapshot))?.licenses ?? []
  return new Set([
    ...counts.filter(([, count]) => count > 0).map(([tag]) => tag),
    ...reserved.map(({ tag }) => tag),
  ])
}

const omitTags = (
  counts: Readonly<Record<string, number>>,
  tags: ReadonlySet<string>,
): Record<string, number> => Object.fromEntries(Object.entries(counts).filter(([tag]) => !tags.has(tag)))

/** Applies a replaced profile. A shorter evaluation period reduces the remaining time. A longer one adds none. */
function applyReplacement(
  snapshot: AgentSnapshot,
  { before, profile }: Extract<ProfileChoice, { kind: 'replaced' }>,
  dropped: ReadonlySet<string>,
): AgentSnapshot {
  const { evaluation, usage } = snapshot.context
  const used = Math.max(0, resolvePeriods(before).evaluationSeconds - evaluation.remainingSeconds)
  const left = Math.max(0, resolvePeriods(profile).evaluationSeconds - used)
  const remainingSeconds = Math.min(evaluation.remainingSeconds, left)
  return {
    ...snapshot,
    context: {
      ...snapshot.context,
      evaluation: { ...evaluation, remainingSeconds },
      usage: { ...usage, counts: omitTags(usage.counts, dropped) },
    },
  }
}
