// New inputs for every reader of the project, for as long as somebody wants: npm run fuzz -- --minutes 10
// What breaks one is kept in test/fuzz/corpus, and tried in every run of the tests from then on.
import { readOptions, runTests } from './run-tests.mjs'

const { target, seed, minutes } = readOptions({
  target: { type: 'string' },
  seed: { type: 'string', default: String(Date.now()) },
  minutes: { type: 'string', default: '1' },
})
process.stdout.write(`seed ${seed}\n`)
runTests('test/fuzz', {
  FUZZ_SEED: seed,
  FUZZ_SECONDS: String(minutes * 60),
  FUZZ_REQUESTS: String(Math.round(minutes * 10_000)),
  ...(target !== undefined && { FUZZ_TARGET: target }),
})
