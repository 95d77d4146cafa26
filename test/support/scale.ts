import { describe, it, type SuiteAPI, type TestAPI } from 'vitest'

/**
 * Returns the amount of work for a heavy test: `sample` in its own tier, `whole` in the release tier. Heavy test files are named
 * `*.heavy.long.test.ts` or `*.heavy.system.test.ts`.
 */
export const selectScale = <T>(sample: T, whole: T): T =>
  process.env.TEST_SCALE === 'whole' ? whole : sample

/** Returns every n-th of the rows, beginning with the first. */
export const pickEveryNth = <T>(n: number, rows: readonly T[]): T[] => rows.filter((_, i) => i % n === 0)

/**
 * Returns `describe` and `it` for a heavy file of independent tests. The tier of the file runs every n-th test of a suite,
 * beginning with the first. The release tier runs all of them.
 */
export function createSampledTests(n: number): { describe: SuiteAPI; it: TestAPI } {
  if (selectScale(false, true)) return { describe, it }
  let count = 0
  const sampledDescribe = (name: string, body: () => void) =>
    describe(name, () => {
      count = 0
      body()
    })
  const sampledIt = (...words: Parameters<typeof it>) => {
    if (count++ % n === 0) it(...words)
  }
  const each =
    (rows: readonly unknown[]) =>
    (...words: Parameters<typeof it>) => {
      const first = (n - (count % n)) % n
      count += rows.length
      const kept = pickEveryNth(n, rows.slice(first))
      if (kept.length > 0) (it.each(kept) as typeof it)(...words)
    }
  return {
    describe: Object.assign(sampledDescribe, { each: describe.each }) as unknown as SuiteAPI,
    it: Object.assign(sampledIt, { each }) as unknown as TestAPI,
  }
}

/** Defines a test of a heavy file that only the release tier runs. */
export const itInRelease = (name: string, body: () => Promise<void>, timeoutMs?: number): void => {
  if (selectScale(false, true)) it(name, body, timeoutMs)
}
