import { type ActorScope, createActor, type ExecutableActionsFrom, initialTransition } from 'xstate'
import type { Context, Periods } from './agent-context.ts'
import type { Instant } from './time.ts'
import { nextTermAt, type TermNews } from './reservation.ts'
import { smartAgent } from './agent-machine.ts'
import type { Command, Event } from './agent-machine.types.ts'
import { type ConnectionState, LICENSE_STATES, type LicenseState } from './state-names.ts'

/** Where the chart stands: its value, and the facts. All of it is plain JSON. */
export interface Position {
  readonly value: ChartValue
  readonly context: Context
}

/** The value of the parallel chart: one entry an axis, nested where a state has children. */
export interface ChartValue {
  readonly registration: AxisValue
  readonly license: AxisValue
  readonly link: ConnectionState
}
export type AxisValue = string | { readonly [state: string]: AxisValue }

/** The outcome of one event: the next position, and what is to be done once it is on disk. */
export interface Step {
  readonly position: Position
  readonly commands: readonly Command[]
}

type Snapshot = ReturnType<typeof smartAgent.resolveState>
type Action = ExecutableActionsFrom<typeof smartAgent>

/** The snapshots of positions that came from a step: resolving one anew costs as much as the step that follows. */
const snapshots = new WeakMap<Position, Snapshot>()

const nothing = () => undefined
const actor = createActor(smartAgent, { input: { at: 0 } })
/**
 * Where the chart takes its steps. XState's own `transition()` makes an actor for each event, and with it a first snapshot that
 * nobody asked for: as much work as the event itself. The chart has no children and emits nothing, so that one serves them all.
 */
const scope: Omit<ActorScope<Snapshot, Event>, 'actionExecutor'> = {
  self: actor,
  system: actor.system,
  id: '',
  sessionId: '',
  logger: nothing,
  defer: nothing,
  emit: nothing,
  stopChild: nothing,
}

/** The first position of a box that was just installed. */
export function begin(at: Instant, periods?: Periods): Step {
  const [snapshot, actions] = initialTransition(smartAgent, { at, ...(periods && { periods }) })
  return { position: positionOf(snapshot), commands: commandsOf(actions) }
}

/** One event, purely: the same position and event give the same step, always. */
export function step(position: Position, event: Event): Step {
  const actions: Action[] = []
  const snapshot = smartAgent.transition(resolve(position), event, {
    ...scope,
    actionExecutor: (action) => {
      actions.push(action as Action)
    },
  })
  return { position: positionOf(snapshot), commands: commandsOf(actions) }
}

/** The position as an XState snapshot, for whoever wants its tags, nodes or `can()`. */
export const resolve = (position: Position): Snapshot =>
  snapshots.get(position) ??
  smartAgent.resolveState({ value: position.value as never, context: position.context })

/** Whether the event would change anything where the chart stands. */
export const can = (position: Position, event: Event): boolean => resolve(position).can(event)

function positionOf(snapshot: Snapshot): Position {
  const position = { value: snapshot.value as ChartValue, context: snapshot.context }
  snapshots.set(position, snapshot)
  return position
}

/** The chart's named actions that are commands; assignments were applied by XState itself. */
function commandsOf(actions: readonly Action[]): Command[] {
  return actions.flatMap(({ type, params }): Command[] => {
    switch (type) {
      case 'request':
      case 'forget':
      case 'notice':
        return [{ type, params } as Command]
      case 'noticeInvalidTags':
        return (params as { tags: string[] }).tags.map((tag) => ({
          type: 'notice',
          params: { notice: 'INVALID_TAG', detail: tag },
        }))
      case 'noticeTerms':
        return (params as { news: TermNews[] }).news.map(({ tag, count, endsAt, ended }) => ({
          type: 'notice',
          params: {
            notice: ended ? 'RESERVATION_TERM_ENDED' : 'RESERVATION_TERM_WARNING',
            detail: `${count} of ${tag}, ${new Date(endsAt).toISOString()}`,
          },
        }))
      case 'noticeWarnings':
        return (params as { seconds: number[] }).seconds.map((seconds) => ({
          type: 'notice',
          params: { notice: 'EVAL_EXPIRED_WARNING', detail: daysLeft(seconds) },
        }))
      default:
        return []
    }
  })
}

function daysLeft(seconds: number): string {
  const days = Math.round(seconds / 86_400)
  return days === 1 ? '1 day is left' : `${days} days are left`
}

/** The states of the license axis that carry the tag: words, and for a word whose inside differs, its states. */
const FULL: ReadonlySet<string> = new Set(
  Object.values(smartAgent.root.states.license?.states ?? {}).flatMap((word) =>
    [word, ...Object.values(word.states)]
      .filter(({ tags }) => tags.includes('full'))
      .map(({ path }) => path.slice(1).join('.')),
  ),
)

const top = (axis: AxisValue): string => (typeof axis === 'string' ? axis : (Object.keys(axis)[0] ?? ''))

/**
 * The one word for where a box stands: a total function of the chart's value, whose range is the seven
 * words of the Status document. The license axis holds them as its own states.
 */
export function stateWord(value: ChartValue): LicenseState {
  const word = top(value.license)
  const state = LICENSE_STATES.find((one) => one === word)
  if (state === undefined) throw new RangeError(`the chart has no state ${word}`)
  return state
}

/** An axis as a path of names: `registering.retrying`. */
export function axisPath(axis: AxisValue): string {
  if (typeof axis === 'string') return axis
  const [name, inner] = Object.entries(axis)[0] ?? ['', '']
  return inner === '' ? name : `${name}.${axisPath(inner)}`
}

/**
 * Whether everything may be used, or licence management only: a tag on the states of the license axis, looked up
 * without resolving the chart, since a product asks at every turn.
 */
export const fullyFunctional = ({ value }: Position): boolean =>
  FULL.has(stateWord(value)) || FULL.has(axisPath(value.license))

/**
 * The next instant at which a TICK would change something: what the runtime may sleep until.
 * The evaluation is not among them: it is counted in use, by the beat.
 */
export function nextDueAt({ context, value }: Position): Instant | null {
  const license = axisPath(value.license)
  const registration = axisPath(value.registration)
  const resting = license.endsWith('.current')
  const { current } = context.reservation
  const candidates = [
    context.registration?.expiresAt,
    registration.endsWith('.retrying') ? context.registering?.nextAttemptAt : null,
    registration === 'registered.current' || registration === 'registered.renewal-retrying'
      ? context.renewal.nextAt
      : null,
    resting || license.endsWith('.retrying') || license.endsWith('.refused')
      ? context.authorization.nextAttemptAt
      : null,
    resting ? context.usage.reportAt : null,
    license.startsWith('auth-expired') ? null : context.authorization.deadlineAt,
    current?.stage === 'installed' ? nextTermAt(current.grant, context.periods.termWarnings) : null,
  ].filter((at): at is Instant => typeof at === 'number')
  return candidates.length === 0 ? null : Math.min(...candidates)
}
