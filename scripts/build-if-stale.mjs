// Builds the checkout, unless the last build is newer than every source file.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** File written after a successful build. */
const STAMP = 'dist/.built'
const sources = [
  'examples',
  'machines',
  'mocks',
  'src',
  'tools',
  'scripts/build-pages.mjs',
  'scripts/bundle-declarations.mjs',
  'scripts/bundle-library.mjs',
  'scripts/bundle-programs.mjs',
  'package-lock.json',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
]

function newestChange(path) {
  const { mtimeMs } = statSync(path)
  if (!statSync(path).isDirectory()) return mtimeMs
  const children = readdirSync(path).map((name) => newestChange(join(path, name)))
  return Math.max(mtimeMs, ...children)
}

const startedAt = new Date()
const isFresh = existsSync(STAMP) && statSync(STAMP).mtimeMs > Math.max(...sources.map(newestChange))
if (!isFresh || process.argv.includes('--force')) {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
  // The stamp has the start time, so that a source changed during the build is built again next time.
  writeFileSync(STAMP, '')
  utimesSync(STAMP, startedAt, startedAt)
}
