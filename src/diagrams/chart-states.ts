import type { ChartCause, ChartState } from './chart-layout.ts'

/** A state of a chart, as XState describes it. */
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

/** A cause and where it leads; null for nowhere else. */
export interface Transition extends ChartCause {
  readonly to: string | null
}

export const getStateId = ({ path }: MachineState): string => path.join('.')
export const getChildren = ({ states }: MachineState): MachineState[] => Object.values(states)
/** A state and everything in it, outermost first. */
export const descendants = (state: MachineState): MachineState[] => [
  state,
  ...getChildren(state).flatMap(descendants),
]
const isSameTransition = (one: Transition) => (other: Transition) =>
  one.event === other.event && one.guard === other.guard && one.to === other.to

/**
 * What each state of an axis does. What a state does as the box round it does, or as all states beside it do, is
 * said once, of the box: three arrows that mean the same are one.
 */
export function collectTransitions(region: MachineState): Map<string, Transition[]> {
  const transitions = new Map<string, Transition[]>()
  const collect = (state: MachineState, above: readonly Transition[]): Transition[] => {
    const own = [...state.transitions, ['always', state.always ?? []] as const].flatMap(([event, taken]) =>
      taken.map(({ target, guard }): Transition => {
        const [to] = target ?? []
        return { event, guard: typeof guard === 'string' ? guard : null, to: to ? getStateId(to) : null }
      }),
    )
    const children = getChildren(state).map((child) => collect(child, [...above, ...own]))
    const [first = [], ...others] = children
    const shared =
      others.length === 0
        ? []
        : first.filter((way) => way.to !== null && others.every((list) => list.some(isSameTransition(way))))
    getChildren(state).forEach((child) => {
      transitions.set(
        getStateId(child),
        (transitions.get(getStateId(child)) ?? []).filter((way) => !shared.some(isSameTransition(way))),
      )
    })
    const all = [...own, ...shared].filter((way) => way.to === null || !above.some(isSameTransition(way)))
    transitions.set(getStateId(state), all)
    return all
  }
  collect(region, [])
  return transitions
}

/** The state of a box that is entered first. */
export const initialState = (state: MachineState): MachineState | undefined => {
  const id = state.initial?.target?.[0]?.id
  return getChildren(state).find((child) => child.id === id)
}

/** The states of a chart, outermost first: what there is to say of them without drawing it. */
export function listChartStates(machine: { readonly root: unknown }): ChartState[] {
  return getChildren(machine.root as MachineState).flatMap((region) =>
    collectStates(region, collectTransitions(region)),
  )
}

/** The states of an axis, its own box first. */
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
      initial: parent !== null && initialState(parent) === state,
      inside: (transitions.get(getStateId(state)) ?? [])
        .filter(({ to }) => to === null)
        .map(({ event, guard }) => ({ event, guard })),
    },
    ...getChildren(state).flatMap((child) => list(child, state)),
  ]
  return list(region, null)
}
