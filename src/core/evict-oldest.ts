/** Lets the oldest give way until no more than so many are left: a Map keeps the order in which they came. */
export function dropOldest(map: Map<string, unknown>, most: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= most) return
    map.delete(oldest)
  }
}
