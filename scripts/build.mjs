// Builds the library, the programs and the web consoles in parallel. No build reads the output of another.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'

const parts = [
  ['node_modules/typescript-7/bin/tsc', '-p', 'tsconfig.build.json'],
  ['scripts/bundle-programs.mjs'],
  ['scripts/build-pages.mjs'],
]
// Removes old output, so that files of deleted sources are not packed.
rmSync('dist', { recursive: true, force: true })
const build = (words) =>
  new Promise((resolve) => {
    spawn(process.execPath, words, { stdio: 'inherit' }).once('close', (code) => resolve(code ?? 1))
  })
const codes = await Promise.all(parts.map(build))
process.exitCode = Math.max(...codes)
