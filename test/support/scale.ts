/**
 * Returns how much of its work a heavy test does: a sample in its own tier, the whole in the release tier. Files of heavy tests
 * are called `*.heavy.long.test.ts` or `*.heavy.system.test.ts`.
 */
export const scaled = <T>(sample: T, whole: T): T => (process.env.TEST_SCALE === 'whole' ? whole : sample)

/** Returns every n-th of the rows, beginning with the first. */
export const everyNth = <T>(n: number, rows: readonly T[]): T[] => rows.filter((_, i) => i % n === 0)
