import { defineConfig } from 'vitest/config'

/** Test files for the current mutants, set by scripts/mutate.mjs. */
const include = (process.env.MUTATION_TESTS ?? '').split(' ').filter(Boolean)

/** Lowers the cost of file encryption, because each mutant opens hundreds of encrypted files. */
const alias = [
  {
    find: /^\.\/age-work-factor\.ts$/,
    replacement: `${import.meta.dirname}/test/support/age-work-factor.ts`,
  },
]

export default defineConfig({
  test: { include, alias, testTimeout: 60_000, hookTimeout: 60_000, pool: 'forks' },
})
