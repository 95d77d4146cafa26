import type { StateChange, StateChanges } from '../source.ts'
import { formatCount, formatPlural } from '../../../inspection/utc-time.ts'

/** Events between two state changes, which the list folds. */
export interface Fold {
  readonly kind: 'fold'
  /** Id of the state change before the events. 0 at the beginning. */
  readonly after: number
  /** Id of the state change after the events. 0 for the events since the last change. */
  readonly before: number
  readonly events: number
  readonly text: string
}
export type ListItem = Fold | { readonly kind: 'change'; readonly change: StateChange }

/** Converts state changes to the list of time travel, newest first, with the events between them folded. */
export function foldChanges({ changes, events }: StateChanges): ListItem[] {
  const items = changes.flatMap((change, i): ListItem[] => {
    const between = change.since.events
    const after = changes[i - 1]?.id ?? 0
    const fold = between > 0 ? [createFold(after, change.id, between, change.since)] : []
    return [...fold, { kind: 'change', change }]
  })
  const listed = changes.reduce((sum, { since }) => sum + since.events + 1, 0)
  const rest = events - listed
  if (rest > 0) items.push(createFold(changes.at(-1)?.id ?? 0, 0, rest, null))
  return items.reverse()
}

const createFold = (
  after: number,
  before: number,
  events: number,
  attempts: { readonly answered: number; readonly unanswered: number } | null,
): Fold => ({ kind: 'fold', after, before, events, text: describeFold(events, attempts) })

/** Describes folded events, as in `791 more: 512 attempts without answer, 3 answered`. */
export function describeFold(
  events: number,
  attempts: { readonly answered: number; readonly unanswered: number } | null,
): string {
  const { answered = 0, unanswered = 0 } = attempts ?? {}
  const parts = [
    unanswered > 0 && formatPlural(unanswered, 'attempt without answer', 'attempts without answer'),
    answered > 0 && `${formatCount(answered)} answered`,
  ].filter((part) => part !== false)
  const count = `${formatCount(events)} more`
  return parts.length === 0 ? count : `${count}: ${parts.join(', ')}`
}

/** Returns the state change that was in force at an instant: the last one that is not later. */
export function findChangeAt(changes: readonly StateChange[], at: number): StateChange | undefined {
  return changes.findLast((change) => Date.parse(change.at) <= at) ?? changes[0]
}
