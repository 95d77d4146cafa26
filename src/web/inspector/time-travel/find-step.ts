/** Returns the id of the change that is a number of steps away. Between two changes, a step leads to the nearest. */
export function findChange(
  ids: readonly number[],
  id: number,
  to: 'first' | 'last' | number,
): number | undefined {
  if (to === 'first') return ids[0]
  if (to === 'last') return ids.at(-1)
  const later = ids.findIndex((other) => other > id)
  const next = later === -1 ? ids.length : later
  const isBetween = !ids.includes(id)
  const index = to > 0 ? next + to - 1 : next - 1 + to + (isBetween ? 1 : 0)
  return ids[Math.min(Math.max(index, 0), ids.length - 1)]
}

/** Returns the id of the event that is a number of steps away. */
export const findEvent = (
  { firstId, lastId }: { firstId: number; lastId: number },
  id: number,
  to: 'first' | 'last' | number,
): number =>
  to === 'first' ? firstId : to === 'last' ? lastId : Math.min(Math.max(id + to, firstId), lastId)
