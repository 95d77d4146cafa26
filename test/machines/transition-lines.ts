/** Listed transition: states before and after by region, event, and the commands by region. */
export interface ListedTransition<Region extends string> {
  readonly from: Readonly<Record<Region, string>>
  readonly to: Readonly<Record<Region, string>>
  /** Name of the event in the list. */
  readonly event: string
  readonly effects: readonly { readonly region: Region; readonly text: string }[]
}

/** Returns each transition of each region once, whatever the other regions do. */
export function formatTransitions<Region extends string>(
  regions: readonly Region[],
  steps: readonly ListedTransition<Region>[],
): string {
  const linesOf = (region: Region) => {
    const lines = steps.flatMap(({ from, to, event, effects }) => {
      const texts = effects.filter((effect) => effect.region === region).map(({ text }) => text)
      const done = texts.length === 0 ? '' : `: ${texts.join(', ')}`
      return from[region] === to[region] && texts.length === 0
        ? []
        : [`${from[region]}, ${event} → ${to[region]}${done}`]
    })
    return [...new Set(lines)].toSorted().join('\n')
  }
  return regions.map((region) => `${region}\n${linesOf(region)}\n`).join('\n')
}
