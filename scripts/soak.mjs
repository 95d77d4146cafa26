// An authority and three boxes in use for as long as somebody wants, under chaos: npm run soak -- --minutes 60
// Every minute it says what memory and how many files each has; it ends with 1 where one grows or a count is wrong.
import { readOptions, runTests } from './run-tests.mjs'

const { minutes } = readOptions({ minutes: { type: 'string', default: '10' } })
runTests(
  'test/resilience/soak.heavy.long.test.ts',
  { SOAK_MINUTES: String(minutes) },
  '--disableConsoleIntercept=true',
)
