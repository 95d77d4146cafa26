import type { ChartCause, ChartState } from './chart-layout.ts'

/** A state of a chart, as XState describes it. */
export interface MachineState {
  readonly id: string
  readonly key: string
  readonly path: readonly string[]
  readonly description?: string | undefined
  readonly states: Readonly<Record<string, MachineState>>
  readonly initial?: { readonly target: readonly { readonly id: string }[] | undefined } | undefined
  readonly transitions: Map<string, readonly Transition[]>
  readonly always?: readonly Transition[] | undefined
}
interface Transition {
  readonly target?: readonly MachineState[] | undefined
  readonly guard?: unknown
}

/** A cause and where it leads; null for nowhere else. */
export interface Way extends ChartCause {
  readonly to: string | null
}

export const idOf = ({ path }: MachineState): string => path.join('.')
export const childrenOf = ({ states }: MachineState): MachineState[] => Object.values(states)
/** A state and everything in it, outermost first. */
export const allOf = (state: MachineState): MachineState[] => [state, ...childrenOf(state).flatMap(allOf)]
const sameWay = (one: Way) => (other: Way) =>
  one.event === other.event && one.guard === other.guard && one.to === other.to

/**
 * What each state of an axis does. What a state does as the box round it does, or as all states beside it do, is
 * said once, of the box: three arrows that mean the same are one.
 */
export function waysOf(axis: MachineState): Map<string, Way[]> {
  const ways = new Map<string, Way[]>()
  const collect = (state: MachineState, above: readonly Way[]): Way[] => {
    const own = [...state.transitions, ['always', state.always ?? []] as const].flatMap(([event, taken]) =>
      taken.map(({ target, guard }): Way => {
        const [to] = target ?? []
        return { event, guard: typeof guard === 'string' ? guard : null, to: to ? idOf(to) : null }
      }),
    )
    const children = childrenOf(state).map((child) => collect(child, [...above, ...own]))
    const [first = [], ...others] = children
    const shared =
      others.length === 0
        ? []
        : first.filter((way) => way.to !== null && others.every((list) => list.some(sameWay(way))))
    childrenOf(state).forEach((child) => {
      ways.set(
        idOf(child),
        (ways.get(idOf(child)) ?? []).filter((way) => !shared.some(sameWay(way))),
      )
    })
    const all = [...own, ...shared].filter((way) => way.to === null || !above.some(sameWay(way)))
    ways.set(idOf(state), all)
    return all
  }
  collect(axis, [])
  return ways
}

/** The state of a box that is entered first. */
export const firstOf = (state: MachineState): MachineState | undefined => {
  const id = state.initial?.target?.[0]?.id
  return childrenOf(state).find((child) => child.id === id)
}

/** The states of a chart, outermost first: what there is to say of them without drawing it. */
export function chartStates(machine: { readonly root: unknown }): ChartState[] {
  return childrenOf(machine.root as MachineState).flatMap((axis) => statesOf(axis, waysOf(axis)))
}

/** The states of an axis, its own box first. */
export function statesOf(axis: MachineState, ways: ReadonlyMap<string, readonly Way[]>): ChartState[] {
  const list = (state: MachineState, parent: MachineState | null): ChartState[] => [
    {
      id: idOf(state),
      key: state.key,
      description: state.description ?? '',
      kind: parent === null ? 'axis' : childrenOf(state).length > 0 ? 'compound' : 'atomic',
      parent: parent ? idOf(parent) : null,
      initial: parent !== null && firstOf(parent) === state,
      inside: (ways.get(idOf(state)) ?? [])
        .filter(({ to }) => to === null)
        .map(({ event, guard }) => ({ event, guard })),
    },
    ...childrenOf(state).flatMap((child) => list(child, state)),
  ]
  return list(axis, null)
}
