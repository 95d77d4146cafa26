/** Deletes the oldest entries until at most `maxSize` are left. A Map keeps insertion order. */
export function evictOldest(map: Map<string, unknown>, maxSize: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= maxSize) return
    map.delete(oldest)
  }
}
