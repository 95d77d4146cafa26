import { spawnSync } from 'node:child_process'

/** How long somebody wants something to go on, as they wrote it; ends with 1 where that is no length of time. */
export function minutesOf(text) {
  const minutes = Number(text)
  if (minutes > 0) return minutes
  process.stderr.write('--minutes is a number above 0.\n')
  process.exit(1)
}

/** Runs some tests in sight of whoever asked, and ends as they ended. A flag is given with its value, or takes the path for it. */
export function runTests(path, env, ...flags) {
  const { status } = spawnSync(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--project', 'sqlite', ...flags, path],
    { stdio: 'inherit', env: { ...process.env, ...env } },
  )
  process.exit(status ?? 1)
}
