// Fuzzes all parsers of the project for some minutes: npm run fuzz -- --minutes 10
// A failing input is stored in test/fuzz/corpus, and every later test run includes it.
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
