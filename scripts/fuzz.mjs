// New inputs for every reader of the project, for as long as somebody wants: npm run fuzz -- --minutes 10
// What breaks one is kept in test/fuzz/corpus, and tried in every run of the tests from then on.
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    seed: { type: 'string', default: String(Date.now()) },
    minutes: { type: 'string', default: '1' },
  },
})
const minutes = Number(values.minutes)
if (!(minutes > 0)) {
  process.stderr.write('--minutes is a number above 0.\n')
  process.exit(1)
}
process.stdout.write(`seed ${values.seed}\n`)
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'sqlite', 'test/fuzz'],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      FUZZ_SEED: values.seed,
      FUZZ_SECONDS: String(minutes * 60),
      FUZZ_REQUESTS: String(Math.round(minutes * 10_000)),
      ...(values.target !== undefined && { FUZZ_TARGET: values.target }),
    },
  },
)
process.exit(status ?? 1)
