/** Lets the oldest give way until no more than so many are left: a Map keeps the order in which they came. */
export function evictOldest(map: Map<string, unknown>, maxSize: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= maxSize) return
    map.delete(oldest)
  }
}
