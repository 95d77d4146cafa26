/** Listed transition: states before and after by region, event, and the commands by region. */
export interface ListedTransition<Axis extends string> {
  readonly from: Readonly<Record<Axis, string>>
  readonly to: Readonly<Record<Axis, string>>
  /** Name of the event in the list. */
  readonly event: string
  readonly does: readonly { readonly axis: Axis; readonly words: string }[]
}

/** Returns each transition of each region once, whatever the other regions do. */
export function formatTransitions<Axis extends string>(
  axes: readonly Axis[],
  steps: readonly ListedTransition<Axis>[],
): string {
  const linesOf = (axis: Axis) => {
    const lines = steps.flatMap(({ from, to, event, does }) => {
      const words = does.filter((one) => one.axis === axis).map((one) => one.words)
      const done = words.length === 0 ? '' : `: ${words.join(', ')}`
      return from[axis] === to[axis] && words.length === 0
        ? []
        : [`${from[axis]}, ${event} → ${to[axis]}${done}`]
    })
    return [...new Set(lines)].toSorted().join('\n')
  }
  return axes.map((axis) => `${axis}\n${linesOf(axis)}\n`).join('\n')
}
