/** Groups the items of a list by a key, in the order of the list. Node 20 has no `Map.groupBy`. */
export function groupBy<T, K>(list: Iterable<T>, getKey: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of list) {
    const key = getKey(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}
