// Runs an authority and three devices with injected faults for some minutes: npm run soak -- --minutes 60
// Prints the memory and open files of each process every minute. Exits with 1 if one grows or a count is wrong.
import { readOptions, runTests } from './run-tests.mjs'

const { minutes } = readOptions({ minutes: { type: 'string', default: '10' } })
runTests(
  'test/resilience/soak.heavy.long.test.ts',
  { SOAK_MINUTES: String(minutes) },
  '--disableConsoleIntercept=true',
)
