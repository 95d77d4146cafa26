/** A step as it is listed: where it was and came to on each axis, by what, and what is to be done on which of them. */
export interface ListedTransition<Axis extends string> {
  readonly from: Readonly<Record<Axis, string>>
  readonly to: Readonly<Record<Axis, string>>
  /** The event, as a person would name it. */
  readonly event: string
  readonly does: readonly { readonly axis: Axis; readonly words: string }[]
}

/** Every way that a step goes on each axis: once, whatever the other axes do meanwhile. */
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
