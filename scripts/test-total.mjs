// Prints the total of a test run from the runner's own JSON report, and fails when nothing ran.
import { readFileSync } from 'node:fs'

const { numPassedTests, numFailedTests, success } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
console.log(`${numPassedTests} passed, ${numFailedTests} failed`)
process.exit(success && numPassedTests > 0 && numFailedTests === 0 ? 0 : 1)
