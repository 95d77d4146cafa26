// An authority and three boxes in use for as long as somebody wants, under chaos: npm run soak -- --minutes 60
// Every minute it says what memory and how many files each has; it ends with 1 where one grows or a count is wrong.
import { parseArgs } from 'node:util'
import { minutesOf, runTests } from './run-tests.mjs'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
const minutes = minutesOf(values.minutes)
runTests('test/harm/soak.test.ts', { SOAK_MINUTES: String(minutes) }, '--disableConsoleIntercept=true')
