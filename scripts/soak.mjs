// An authority and three boxes in use for as long as somebody wants, under chaos: npm run soak -- --minutes 60
// Every minute it says what memory and how many files each has; it ends with 1 where one grows or a count is wrong.
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
if (!(Number(values.minutes) > 0)) {
  process.stderr.write('--minutes is a number above 0.\n')
  process.exit(1)
}
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'sqlite',
    '--disableConsoleIntercept=true',
    'test/harm/soak.test.ts',
  ],
  { stdio: 'inherit', env: { ...process.env, SOAK_MINUTES: values.minutes } },
)
process.exitCode = status ?? 1
