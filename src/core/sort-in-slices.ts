import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Yields rows in order, in slices, so that a long list stops no other work. Runs of rows are sorted in a turn of the event
 * loop each, and then merged.
 */
export async function* sortInSlices<T>(
  rows: readonly T[],
  compare: (a: T, b: T) => number,
  { rowsPerSlice, rowsPerTurn }: { rowsPerSlice: number; rowsPerTurn: number },
): AsyncGenerator<T[]> {
  const runs: T[][] = []
  for (let from = 0; from < rows.length; from += rowsPerTurn) {
    await nextTurn()
    // Reversed, so that the next row of a run is its last one.
    runs.push(
      rows
        .slice(from, from + rowsPerTurn)
        .sort(compare)
        .reverse(),
    )
  }
  while (runs.length > 0) {
    await nextTurn()
    const slice: T[] = []
    while (slice.length < rowsPerSlice && runs.length > 0) slice.push(...takeFirst(runs, compare))
    yield slice
  }
}

/** Takes the first row of reversed runs, and removes a run that is empty then. */
function takeFirst<T>(runs: T[][], compare: (a: T, b: T) => number): T[] {
  let first = 0
  for (const [index, run] of runs.entries()) {
    const [row, least] = [run.at(-1), runs[first]?.at(-1)]
    if (row !== undefined && least !== undefined && compare(row, least) < 0) first = index
  }
  const taken = runs[first]?.splice(-1) ?? []
  if (runs[first]?.length === 0) runs.splice(first, 1)
  return taken
}
