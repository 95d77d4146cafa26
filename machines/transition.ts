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

/** Snapshot of the agent machine: state value and context, as plain JSON. */
export interface AgentSnapshot {
  readonly value: AgentStateValue
  readonly context: Context
}

/** State value of the parallel machine: one entry per region, nested where a state has children. */
export interface AgentStateValue {
  readonly registration: RegionValue
  readonly license: RegionValue
  readonly link: ConnectionState
}
export type RegionValue = string | { readonly [state: string]: RegionValue }

/** Result of one event: the next snapshot, and the commands to execute once the snapshot is on disk. */
export interface TransitionResult {
  readonly snapshot: AgentSnapshot
  readonly commands: readonly Command[]
}

type MachineSnapshot = ReturnType<typeof agentMachine.resolveState>
type Action = ExecutableActionsFrom<typeof agentMachine>

/** Cache of XState snapshots by agent snapshot, because resolving a snapshot costs as much as a transition. */
const machineSnapshots = new WeakMap<AgentSnapshot, MachineSnapshot>()

const noop = () => undefined
const actor = createActor(agentMachine, { input: { at: 0 } })
/**
 * Actor scope shared by all transitions. XState's `transition()` creates an actor with an initial snapshot for each
 * event, which costs as much as the event. The machine has no children and emits nothing, so one scope is enough.
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

/** Returns the initial snapshot of a newly installed device, and the commands to execute. */
export function initialTransition(at: Instant, periods?: Periods): TransitionResult {
  const [snapshot, actions] = initialMachineTransition(agentMachine, { at, ...(periods && { periods }) })
  return { snapshot: toAgentSnapshot(snapshot), commands: toCommands(actions) }
}

/** Applies an event. The function is pure: equal snapshots and events give equal results. */
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

/** Converts an agent snapshot to an XState snapshot, which has tags, nodes and `can()`. */
export const toMachineSnapshot = (snapshot: AgentSnapshot): MachineSnapshot =>
  machineSnapshots.get(snapshot) ??
  agentMachine.resolveState({ value: snapshot.value as never, context: snapshot.context })

/** Checks whether the machine handles the event in its current state. */
export const canHandle = (snapshot: AgentSnapshot, event: Event): boolean =>
  toMachineSnapshot(snapshot).can(event)

function toAgentSnapshot(snapshot: MachineSnapshot): AgentSnapshot {
  const agentSnapshot = { value: snapshot.value as AgentStateValue, context: snapshot.context }
  machineSnapshots.set(agentSnapshot, snapshot)
  return agentSnapshot
}

/** Converts named actions to commands. XState has already applied the assignments. */
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

/** Paths of license states, and of their child states, that have the tag `full`. */
const FULLY_FUNCTIONAL_STATES: ReadonlySet<string> = new Set(
  Object.values(agentMachine.root.states.license?.states ?? {}).flatMap((state) =>
    [state, ...Object.values(state.states)]
      .filter(({ tags }) => tags.includes('full'))
      .map(({ path }) => path.slice(1).join('.')),
  ),
)

const getTopState = (region: RegionValue): string =>
  typeof region === 'string' ? region : (Object.keys(region)[0] ?? '')

/**
 * Returns the license state of the Status document, which is the top state of the license region.
 *
 * @throws RangeError for a state value that the machine does not have
 */
export function getLicenseState(value: AgentStateValue): LicenseState {
  const name = getTopState(value.license)
  const state = LICENSE_STATES.find((licenseState) => licenseState === name)
  if (state === undefined) throw new RangeError(`unknown license state ${name}`)
  return state
}

/** Converts a region's value to a path, such as `registering.retrying`. */
export function toRegionPath(region: RegionValue): string {
  if (typeof region === 'string') return region
  const [name, inner] = Object.entries(region)[0] ?? ['', '']
  return inner === '' ? name : `${name}.${toRegionPath(inner)}`
}

/**
 * Checks whether all features may be used. If not, only license management works. The check does not resolve an XState
 * snapshot, because products call it often.
 */
export const isFullyFunctional = ({ value }: AgentSnapshot): boolean =>
  FULLY_FUNCTIONAL_STATES.has(getLicenseState(value)) ||
  FULLY_FUNCTIONAL_STATES.has(toRegionPath(value.license))

/**
 * Returns the next instant at which a `tick` would change the state, so that the runtime can sleep until then. The end
 * of the evaluation is not included, because each tick counts the evaluation in seconds of use.
 */
export function nextDeadline({ context, value }: AgentSnapshot): Instant | null {
  const license = toRegionPath(value.license)
  const registration = toRegionPath(value.registration)
  const isCurrent = license.endsWith('.current')
  const { current } = context.reservation
  const candidates = [
    context.registration?.expiresAt,
    registration.endsWith('.retrying') ? context.registering?.nextAttemptAt : null,
    registration === 'registered.current' || registration === 'registered.renewal-retrying'
      ? context.renewal.nextAt
      : null,
    isCurrent || license.endsWith('.retrying') || license.endsWith('.refused')
      ? context.authorization.nextAttemptAt
      : null,
    isCurrent ? context.usage.reportAt : null,
    license.startsWith('auth-expired') ? null : context.authorization.deadlineAt,
    current?.stage === 'installed' ? nextTermDeadline(current.grant, context.periods.termWarnings) : null,
  ].filter((at): at is Instant => typeof at === 'number')
  return candidates.length === 0 ? null : Math.min(...candidates)
}
