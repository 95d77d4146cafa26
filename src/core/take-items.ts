/** Yields slices until a number of items, without those to skip. */
export async function* takeItems<T>(
  slices: AsyncIterable<readonly T[]>,
  limit = Infinity,
  skip = 0,
): AsyncGenerator<readonly T[]> {
  let left = limit
  let skipped = 0
  for await (const slice of slices) {
    const from = Math.min(slice.length, skip - skipped)
    skipped += from
    const taken = slice.slice(from, from + left)
    left -= taken.length
    if (taken.length > 0) yield taken
    if (left <= 0) return
  }
}
