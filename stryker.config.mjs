export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'vitest.mutation.config.ts' },
  coverageAnalysis: 'perTest',
  // Most are texts that people read; a state or a code by a wrong name does not compile.
  mutator: { excludedMutations: ['StringLiteral'] },
  reporters: ['progress-append-only'],
  concurrency: 2,
  timeoutMS: 6_000,
  tempDirName: '.stryker',
  ignorePatterns: ['docs/screenshots', '.stryker*'],
}
