import { defineConfig } from 'vitest/config'

/** The tests that judge mutants now: scripts/mutate.mjs says which. */
const include = (process.env.MUTATION_TESTS ?? '').split(' ').filter(Boolean)

export default defineConfig({
  test: { include, testTimeout: 60_000, hookTimeout: 60_000, pool: 'forks' },
})
