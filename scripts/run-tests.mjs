import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

function exitWithError(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

/** Parses the command line with its option `--minutes`. Exits with 1 on wrong usage. */
export function readOptions(options) {
  try {
    const { values } = parseArgs({ options })
    const minutes = Number(values.minutes)
    if (!(minutes > 0)) exitWithError('--minutes must be a number above 0.')
    return { ...values, minutes }
  } catch (error) {
    return exitWithError(error.message)
  }
}

/**
 * Runs tests with their output on the terminal, and exits with their exit code. Write flags as `--flag=value`, because vitest
 * would take the path as the value otherwise.
 */
export function runTests(path, env, ...flags) {
  const { status } = spawnSync(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--project', 'quick', '--project', 'long', ...flags, path],
    { stdio: 'inherit', env: { ...process.env, ...env } },
  )
  process.exit(status ?? 1)
}
