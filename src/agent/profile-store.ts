import { z } from 'zod'
import { defaultPeriods, type Periods, type Position } from '../../machines/index.ts'
import { type ProductProfile, profileSchema } from '../core/profile.ts'
import { droppedTags, type ProfileChoice, requireTagsKept } from '../core/stored-profile.ts'
import { readFacts, writeFacts } from './persisted-state.ts'
import type { AgentStore } from './store.ts'

const NAME = 'profile'

/** The stored product profile; null in a directory that has none yet. @throws LicensingError STORE_UNREADABLE */
export const readProfile = (store: AgentStore): ProductProfile | null => store.read(NAME, profileSchema)

/** The periods of a product: its own, and the field's where it sets none. */
export function periodsOf({ periods }: ProductProfile): Periods {
  const own = Object.fromEntries(Object.entries(periods).filter(([, value]) => value !== undefined))
  return { ...defaultPeriods, ...own }
}

/**
 * Stores a profile that is new here, within a transaction of the store.
 *
 * @throws LicensingError PROFILE_TAG_IN_USE
 */
export function storeProfile(store: AgentStore, choice: ProfileChoice): void {
  if (choice.kind === 'stored') return
  if (choice.kind === 'replaced') {
    const facts = store.readText('facts')
    const position = facts === null ? null : readFacts(facts)
    const declared = store.read('declared', countsSchema) ?? {}
    requireTagsKept(choice, tagsInUse(position, declared))
    const dropped = new Set(droppedTags(choice.before, choice.profile))
    if (position) store.write('facts', writeFacts(adjust(position, choice, dropped)))
    store.write('declared', without(declared, dropped))
  }
  store.write(NAME, choice.profile)
}

const countsSchema = z.record(z.string(), z.number())

function tagsInUse(position: Position | null, declared: Record<string, number>): Set<string> {
  const { usage, reservation } = position?.context ?? {}
  const counts = [...Object.entries(usage?.counts ?? {}), ...Object.entries(declared)]
  const { current } = reservation ?? {}
  const reserved = current && current.stage !== 'requested' ? current.grant.licenses : []
  return new Set([
    ...counts.filter(([, count]) => count > 0).map(([tag]) => tag),
    ...reserved.map(({ tag }) => tag),
  ])
}

const without = (
  counts: Readonly<Record<string, number>>,
  tags: ReadonlySet<string>,
): Record<string, number> => Object.fromEntries(Object.entries(counts).filter(([tag]) => !tags.has(tag)))

/** What was used of an evaluation stays used: a shorter period cuts what is left, and a longer one adds nothing. */
function adjust(
  position: Position,
  { before, profile }: Extract<ProfileChoice, { kind: 'replaced' }>,
  dropped: ReadonlySet<string>,
): Position {
  const { evaluation, usage } = position.context
  const used = Math.max(0, periodsOf(before).evaluationSeconds - evaluation.remainingSeconds)
  const left = Math.max(0, periodsOf(profile).evaluationSeconds - used)
  const remainingSeconds = Math.min(evaluation.remainingSeconds, left)
  return {
    ...position,
    context: {
      ...position.context,
      evaluation: { ...evaluation, remainingSeconds },
      usage: { ...usage, counts: without(usage.counts, dropped) },
    },
  }
}
