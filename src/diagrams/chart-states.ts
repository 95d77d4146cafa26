import type { ChartCause, ChartState } from './chart-layout.ts'

/** State node of a machine, as XState defines it. */
export interface MachineState {
  readonly id: string
  readonly key: string
  readonly path: readonly string[]
  readonly description?: string | undefined
  readonly states: Readonly<Record<string, MachineState>>
  readonly initial?: { readonly target: readonly { readonly id: string }[] | undefined } | undefined
  readonly transitions: Map<string, readonly StateTransition[]>
  readonly always?: readonly StateTransition[] | undefined
}
interface StateTransition {
  readonly target?: readonly MachineState[] | undefined
  readonly guard?: unknown
}

/** Transition with its cause and target. The target is null for an internal transition. */
export interface Transition extends ChartCause {
  readonly to: string | null
}

export const getStateId = ({ path }: MachineState): string => path.join('.')
export const getChildren = ({ states }: MachineState): MachineState[] => Object.values(states)
/** Returns a state with its descendants, outermost first. */
export const listDescendants = (state: MachineState): MachineState[] => [
  state,
  ...getChildren(state).flatMap(listDescendants),
]
const isSameTransition = (one: Transition) => (other: Transition) =>
  one.event === other.event && one.guard === other.guard && one.to === other.to

/**
 * Collects the transitions of each state in a region. A transition that all siblings share is listed once, for the parent,
 * so that the diagram has one arrow for it. Transitions of an ancestor are not repeated for its descendants.
 */
export function collectTransitions(region: MachineState): Map<string, Transition[]> {
  const transitions = new Map<string, Transition[]>()
  const collect = (state: MachineState, inherited: readonly Transition[]): Transition[] => {
    const own = [...state.transitions, ['always', state.always ?? []] as const].flatMap(
      ([event, candidates]) =>
        candidates.map(({ target, guard }): Transition => {
          const [to] = target ?? []
          return { event, guard: typeof guard === 'string' ? guard : null, to: to ? getStateId(to) : null }
        }),
    )
    const children = getChildren(state).map((child) => collect(child, [...inherited, ...own]))
    const [first = [], ...others] = children
    const shared =
      others.length === 0
        ? []
        : first.filter(
            (transition) =>
              transition.to !== null && others.every((list) => list.some(isSameTransition(transition))),
          )
    getChildren(state).forEach((child) => {
      transitions.set(
        getStateId(child),
        (transitions.get(getStateId(child)) ?? []).filter(
          (transition) => !shared.some(isSameTransition(transition)),
        ),
      )
    })
    const all = [...own, ...shared].filter(
      (transition) => transition.to === null || !inherited.some(isSameTransition(transition)),
    )
    transitions.set(getStateId(state), all)
    return all
  }
  collect(region, [])
  return transitions
}

/** Returns the initial child state. */
export const getInitialState = (state: MachineState): MachineState | undefined => {
  const id = state.initial?.target?.[0]?.id
  return getChildren(state).find((child) => child.id === id)
}

/** Lists the states of a machine, outermost first, without a layout. */
export function listChartStates(machine: { readonly root: unknown }): ChartState[] {
  return getChildren(machine.root as MachineState).flatMap((region) =>
    collectStates(region, collectTransitions(region)),
  )
}

/** Lists the states of a region, starting with the region itself. */
export function collectStates(
  region: MachineState,
  transitions: ReadonlyMap<string, readonly Transition[]>,
): ChartState[] {
  const list = (state: MachineState, parent: MachineState | null): ChartState[] => [
    {
      id: getStateId(state),
      key: state.key,
      description: state.description ?? '',
      kind: parent === null ? 'region' : getChildren(state).length > 0 ? 'compound' : 'atomic',
      parent: parent ? getStateId(parent) : null,
      initial: parent !== null && getInitialState(parent) === state,
      inside: (transitions.get(getStateId(state)) ?? [])
        .filter(({ to }) => to === null)
        .map(({ event, guard }) => ({ event, guard })),
    },
    ...getChildren(state).flatMap((child) => list(child, state)),
  ]
  return list(region, null)
}
