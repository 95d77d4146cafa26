import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

function refuse(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

/** What somebody asks for on the command line, with how long it is to go on; ends with 1 where it cannot be understood. */
export function readOptions(options) {
  try {
    const { values } = parseArgs({ options })
    const minutes = Number(values.minutes)
    if (!(minutes > 0)) refuse('--minutes is a number above 0.')
    return { ...values, minutes }
  } catch (error) {
    return refuse(error.message)
  }
}

/** Runs some tests in sight of whoever asked, and ends as they ended. A flag is given with its value, or takes the path for it. */
export function runTests(path, env, ...flags) {
  const { status } = spawnSync(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--project', 'quick', '--project', 'long', ...flags, path],
    { stdio: 'inherit', env: { ...process.env, ...env } },
  )
  process.exit(status ?? 1)
}
