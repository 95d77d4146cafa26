// Checks the types of everything that Node runs, and of the web consoles, with the native compiler.
import { spawnSync } from 'node:child_process'

// TypeScript 7 needs a third of the time of 6, which typescript-eslint still requires.
const compiler = 'node_modules/typescript-7/bin/tsc'
for (const project of ['.', 'src/web']) {
  const { status } = spawnSync(process.execPath, [compiler, '-p', project], { stdio: 'inherit' })
  if (status !== 0) process.exitCode = status ?? 1
}
