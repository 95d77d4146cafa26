import { initialTransition as initialMachineTransition } from 'xstate'
import type { Context, InstalledAuthorization, Periods } from './agent-context.ts'
import type { Instant } from './time.ts'
import { DEADLINES } from './agent-deadlines.ts'
import { agentMachine } from './agent-machine.ts'
import type {
  Command,
  DeadlineName,
  Event,
  NoticeEvent,
  RequestKind,
  StateMeta,
} from './agent-machine.types.ts'
import { findShortfalls } from './reservation.ts'
import { type MachineAction, type MachineSnapshot, runMacrostep } from './run-macrostep.ts'
import {
  type ConnectionState,
  LICENSE_STATES,
  type LicenseState,
  type ReservationStage,
} from './state-names.ts'

/** Snapshot of the agent machine: state value and context, as plain JSON. */
export interface AgentSnapshot {
  readonly value: AgentStateValue
  readonly context: Context
}

/** State value of the parallel machine: one entry per region, nested where a state has children. */
export interface AgentStateValue {
  readonly registration: RegionValue
  readonly license: RegionValue
  readonly reservation: ReservationStage
  readonly connection: ConnectionState
}
export type RegionValue = string | { readonly [state: string]: RegionValue }

/** Result of one event: the next snapshot, and the commands to execute once the snapshot is on disk. */
export interface TransitionResult {
  readonly snapshot: AgentSnapshot
  readonly commands: readonly Command[]
}

/** Cache of XState snapshots by agent snapshot, because resolving a snapshot costs as much as a transition. */
const machineSnapshots = new WeakMap<AgentSnapshot, MachineSnapshot>()

/** Returns the initial snapshot of a newly installed device, and the commands to execute. */
export function initialTransition(at: Instant, periods?: Periods): TransitionResult {
  const [snapshot, actions] = initialMachineTransition(agentMachine, { at, ...(periods && { periods }) })
  return { snapshot: toAgentSnapshot(snapshot), commands: toCommands(actions) }
}

/** Applies an event. The function is pure: equal snapshots and events give equal results. */
export function transition(snapshot: AgentSnapshot, event: Event): TransitionResult {
  const [next, actions] = runMacrostep(toMachineSnapshot(snapshot), event)
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

/** Converts executed actions to commands. XState has already applied the assignments and handled raised events. */
function toCommands(actions: readonly MachineAction[]): Command[] {
  return actions.flatMap((action): Command[] => {
    switch (action.type as string) {
      case 'request':
      case 'discardSecrets':
        return [{ type: action.type, params: action.params } as Command]
      case 'xstate.emit': {
        const { type, ...params } = (action.params as { event: NoticeEvent }).event
        return [{ type, params }]
      }
      default:
        return []
    }
  })
}

/** Paths of the states of the license region that have the tag `full`, or are inside a state that has it. */
const FULLY_FUNCTIONAL_STATES: ReadonlySet<string> = new Set(
  listFullyFunctionalPaths(Object.values(agentMachine.root.states.license?.states ?? {}), false),
)

function listFullyFunctionalPaths(
  states: readonly (typeof agentMachine.root)[],
  isInside: boolean,
): string[] {
  return states.flatMap((state) => {
    const isFull = isInside || state.tags.includes('full')
    const inner = listFullyFunctionalPaths(Object.values(state.states), isFull)
    return isFull ? [state.path.slice(1).join('.'), ...inner] : inner
  })
}

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
export const isFullyFunctional = ({ value }: Pick<AgentSnapshot, 'value'>): boolean =>
  FULLY_FUNCTIONAL_STATES.has(getLicenseState(value)) ||
  FULLY_FUNCTIONAL_STATES.has(toRegionPath(value.license))

/** Metadata of the active states, by state ID such as `smart-agent.license.evaluation`. Outermost states come first. */
export const getActiveMeta = (snapshot: AgentSnapshot): Record<string, StateMeta | undefined> =>
  toMachineSnapshot(snapshot).getMeta()

/** Returns the deadlines that the active states wait for. */
export const listAwaited = (snapshot: AgentSnapshot): DeadlineName[] => [
  ...new Set(Object.values(getActiveMeta(snapshot)).flatMap((meta) => meta?.awaits ?? [])),
]

/** Returns the kinds of the requests whose outcomes the active states await. */
export const listPendingRequests = (snapshot: AgentSnapshot): RequestKind[] =>
  Object.values(getActiveMeta(snapshot)).flatMap((meta) => meta?.request ?? [])

/**
 * Returns the next instant at which a `clock.tick` would change the state, so that the runtime can sleep until then.
 * The end of the evaluation is not included, because each tick counts the evaluation in seconds of use.
 */
export function nextDeadline(snapshot: AgentSnapshot): Instant | null {
  const instants = listAwaited(snapshot)
    .map((name) => (name === 'evaluationEnd' ? null : DEADLINES[name].read(snapshot.context)))
    .filter((at) => at !== null)
  return instants.length === 0 ? null : Math.min(...instants)
}

/** Current reservation of a device: its stage, and the data that the stage has. */
export type Reservation =
  | { readonly stage: 'none' }
  | { readonly stage: 'requested'; readonly requestCode: string; readonly requestedAt: Instant }
  | { readonly stage: 'installed'; readonly requestCode: string; readonly grant: InstalledAuthorization }
  | {
      readonly stage: 'returning'
      readonly requestCode: string
      readonly grant: InstalledAuthorization
      readonly returnCode: string
    }

/**
 * Returns the current reservation.
 *
 * @throws RangeError for a snapshot whose context lacks the data of the stage
 */
export function getReservation({ value, context }: AgentSnapshot): Reservation {
  const stage = value.reservation
  if (stage === 'none') return { stage }
  const { requestCode, requestedAt, grant, returnCode } = context.reservation.current ?? {}
  if (requestCode !== undefined && requestedAt !== undefined) {
    if (stage === 'requested') return { stage, requestCode, requestedAt }
    if (grant && stage === 'installed') return { stage, requestCode, grant }
    if (grant && returnCode && stage === 'returning') return { stage, requestCode, grant, returnCode }
  }
  throw new RangeError(`the data of the reservation that is ${stage} is missing`)
}

/** Returns the installed reservation, including one that is being returned. Null without one. */
export const getGrant = ({ context }: { readonly context: Context }): InstalledAuthorization | null =>
  context.reservation.current?.grant ?? null

/** Checks whether an installed reservation covers the usage. A reservation that is being returned covers nothing. */
export const isCovered = (snapshot: AgentSnapshot, at: Instant): boolean =>
  snapshot.value.reservation === 'installed' && findShortfalls(snapshot.context, at).length === 0
