// Builds everything in dist. The parts run in parallel, because none reads the output of another, except the declarations.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { writeNotices } from './third-party-notices.mjs'

/** Commands of each part, which run one after the other. */
const parts = [
  // First the code that the checkout runs unbundled: examples, tools, benchmarks and tests. Then the declarations of the package.
  [['node_modules/typescript-7/bin/tsc', '-p', 'tsconfig.build.json'], ['scripts/bundle-declarations.mjs']],
  [['scripts/bundle-library.mjs']],
  [['scripts/bundle-programs.mjs']],
  [['scripts/build-pages.mjs']],
]
// Removes old output, so that files of deleted sources are not packed.
rmSync('dist', { recursive: true, force: true })
const run = (words) =>
  new Promise((resolve) => {
    spawn(process.execPath, words, { stdio: 'inherit' }).once('close', (code) => resolve(code ?? 1))
  })
async function build(commands) {
  for (const words of commands) {
    const code = await run(words)
    if (code !== 0) return code
  }
  return 0
}
const codes = await Promise.all(parts.map(build))
process.exitCode = Math.max(...codes)
if (process.exitCode === 0) writeNotices()
