import {
  type ActorScope,
  createActor,
  type ExecutableActionsFrom,
  initialTransition as initialMachineTransition,
} from 'xstate'
import type { Context, Periods } from './agent-context.ts'
import type { Instant } from './time.ts'
import { nextTermDeadline, type TermNotice } from './reservation.ts'
import { agentMachine } from './agent-machine.ts'
import type { Command, Event } from './agent-machine.types.ts'
import { type ConnectionState, LICENSE_STATES, type LicenseState } from './state-names.ts'

/** Where the chart stands: its value, and the facts. All of it is plain JSON. */
export interface AgentSnapshot {
  readonly value: AgentStateValue
  readonly context: Context
}

/** The value of the parallel chart: one entry an axis, nested where a state has children. */
export interface AgentStateValue {
  readonly registration: RegionValue
  readonly license: RegionValue
  readonly link: ConnectionState
}
export type RegionValue = string | { readonly [state: string]: RegionValue }

/** The outcome of one event: the next position, and what is to be done once it is on disk. */
export interface TransitionResult {
  readonly snapshot: AgentSnapshot
  readonly commands: readonly Command[]
}

type MachineSnapshot = ReturnType<typeof agentMachine.resolveState>
type Action = ExecutableActionsFrom<typeof agentMachine>

/** The snapshots of positions that came from a step: resolving one anew costs as much as the step that follows. */
const machineSnapshots = new WeakMap<AgentSnapshot, MachineSnapshot>()

const noop = () => undefined
const actor = createActor(agentMachine, { input: { at: 0 } })
/**
 * Where the chart takes its steps. XState's own `transition()` makes an actor for each event, and with it a first snapshot that
 * nobody asked for: as much work as the event itself. The chart has no children and emits nothing, so that one serves them all.
 */
const actorScope: Omit<ActorScope<MachineSnapshot, Event>, 'actionExecutor'> = {
  self: actor,
  system: actor.system,
  id: '',
  sessionId: '',
  logger: noop,
  defer: noop,
  emit: noop,
  stopChild: noop,
}

/** The first position of a box that was just installed. */
export function initialTransition(at: Instant, periods?: Periods): TransitionResult {
  const [snapshot, actions] = initialMachineTransition(agentMachine, { at, ...(periods && { periods }) })
  return { snapshot: toAgentSnapshot(snapshot), commands: toCommands(actions) }
}

/** One event, purely: the same position and event give the same step, always. */
export function transition(snapshot: AgentSnapshot, event: Event): TransitionResult {
  const actions: Action[] = []
  const next = agentMachine.transition(toMachineSnapshot(snapshot), event, {
    ...actorScope,
    actionExecutor: (action) => {
      actions.push(action as Action)
    },
  })
  return { snapshot: toAgentSnapshot(next), commands: toCommands(actions) }
}

/** The position as an XState snapshot, for whoever wants its tags, nodes or `can()`. */
export const toMachineSnapshot = (snapshot: AgentSnapshot): MachineSnapshot =>
  machineSnapshots.get(snapshot) ??
  agentMachine.resolveState({ value: snapshot.value as never, context: snapshot.context })

/** Whether the event would change anything where the chart stands. */
export const canHandle = (snapshot: AgentSnapshot, event: Event): boolean =>
  toMachineSnapshot(snapshot).can(event)

function toAgentSnapshot(snapshot: MachineSnapshot): AgentSnapshot {
  const agentSnapshot = { value: snapshot.value as AgentStateValue, context: snapshot.context }
  machineSnapshots.set(agentSnapshot, snapshot)
  return agentSnapshot
}

/** The chart's named actions that are commands; assignments were applied by XState itself. */
function toCommands(actions: readonly Action[]): Command[] {
  return actions.flatMap(({ type, params }): Command[] => {
    switch (type) {
      case 'request':
      case 'discardSecrets':
      case 'notice':
        return [{ type, params } as Command]
      case 'notifyInvalidTags':
        return (params as { tags: string[] }).tags.map((tag) => ({
          type: 'notice',
          params: { notice: 'INVALID_TAG', detail: tag },
        }))
      case 'notifyTermExpiry':
        return (params as { notices: TermNotice[] }).notices.map(({ tag, count, endsAt, ended }) => ({
          type: 'notice',
          params: {
            notice: ended ? 'RESERVATION_TERM_ENDED' : 'RESERVATION_TERM_WARNING',
            detail: `${count} of ${tag}, ${new Date(endsAt).toISOString()}`,
          },
        }))
      case 'notifyEvaluationWarnings':
        return (params as { seconds: number[] }).seconds.map((seconds) => ({
          type: 'notice',
          params: { notice: 'EVAL_EXPIRED_WARNING', detail: formatDaysLeft(seconds) },
        }))
      default:
        return []
    }
  })
}

function formatDaysLeft(seconds: number): string {
  const days = Math.round(seconds / 86_400)
  return days === 1 ? '1 day is left' : `${days} days are left`
}

/** The states of the license axis that carry the tag: words, and for a word whose inside differs, its states. */
const FULLY_FUNCTIONAL_STATES: ReadonlySet<string> = new Set(
  Object.values(agentMachine.root.states.license?.states ?? {}).flatMap((word) =>
    [word, ...Object.values(word.states)]
      .filter(({ tags }) => tags.includes('full'))
      .map(({ path }) => path.slice(1).join('.')),
  ),
)

const getTopState = (region: RegionValue): string =>
  typeof region === 'string' ? region : (Object.keys(region)[0] ?? '')

/**
 * The one word for where a box stands: a total function of the chart's value, whose range is the seven
 * words of the Status document. The license axis holds them as its own states.
 */
export function getLicenseState(value: AgentStateValue): LicenseState {
  const name = getTopState(value.license)
  const state = LICENSE_STATES.find((one) => one === name)
  if (state === undefined) throw new RangeError(`the chart has no state ${name}`)
  return state
}

/** An axis as a path of names: `registering.retrying`. */
export function toRegionPath(region: RegionValue): string {
  if (typeof region === 'string') return region
  const [name, inner] = Object.entries(region)[0] ?? ['', '']
  return inner === '' ? name : `${name}.${toRegionPath(inner)}`
}

/**
 * Whether everything may be used, or license management only: a tag on the states of the license axis, looked up
 * without resolving the chart, since a product asks at every turn.
 */
export const isFullyFunctional = ({ value }: AgentSnapshot): boolean =>
  FULLY_FUNCTIONAL_STATES.has(getLicenseState(value)) ||
  FULLY_FUNCTIONAL_STATES.has(toRegionPath(value.license))

/**
 * The next instant at which a TICK would change something: what the runtime may sleep until.
 * The evaluation is not among them: it is counted in use, by the beat.
 */
export function nextDeadline({ context, value }: AgentSnapshot): Instant | null {
  const license = toRegionPath(value.license)
  const registration = toRegionPath(value.registration)
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
    current?.stage === 'installed' ? nextTermDeadline(current.grant, context.periods.termWarnings) : null,
  ].filter((at): at is Instant => typeof at === 'number')
  return candidates.length === 0 ? null : Math.min(...candidates)
}
