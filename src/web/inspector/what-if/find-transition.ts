import type { InspectionSource } from '../source.ts'

/** Finds the last transition that is not later than an instant, by halving the ids. Null without one. */
export async function findTransitionAt(
  source: Pick<InspectionSource, 'history'>,
  instant: number,
): Promise<number | null> {
  const newest = await source.history({ limit: 1 })
  const last = newest.history.at(-1)
  if (!last) return null
  let low = last.id - newest.total
  let high = last.id
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const { history } = await source.history({ before: middle + 1, limit: 1 })
    const row = history.at(-1)
    if (row && Date.parse(row.at) <= instant) low = middle
    else high = middle - 1
  }
  return low > last.id - newest.total ? low : null
}
