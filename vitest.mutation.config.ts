import { defineConfig } from 'vitest/config'

/** The tests that judge mutants now: scripts/mutate.mjs says which. */
const include = (process.env.MUTATION_TESTS ?? '').split(' ').filter(Boolean)

/** A mutant is judged by hundreds of encrypted files, which are opened cheaply. */
const alias = [
  {
    find: /^\.\/age-work-factor\.ts$/,
    replacement: `${import.meta.dirname}/test/support/age-work-factor.ts`,
  },
]

export default defineConfig({
  test: { include, alias, testTimeout: 60_000, hookTimeout: 60_000, pool: 'forks' },
})
