// Builds the checkout unless what is built is newer than every source of it.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Written when a build has succeeded. */
const STAMP = 'dist/.built'
const sources = [
  'examples',
  'machines',
  'mocks',
  'src',
  'tools',
  'scripts/bundle-programs.mjs',
  'scripts/build-pages.mjs',
  'package-lock.json',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
]

function newestChange(path) {
  const { mtimeMs } = statSync(path)
  if (!statSync(path).isDirectory()) return mtimeMs
  const below = readdirSync(path).map((name) => newestChange(join(path, name)))
  return Math.max(mtimeMs, ...below)
}

const begun = new Date()
const isFresh = existsSync(STAMP) && statSync(STAMP).mtimeMs > Math.max(...sources.map(newestChange))
if (!isFresh || process.argv.includes('--force')) {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
  // A source that changed while it was built is built again the next time.
  writeFileSync(STAMP, '')
  utimesSync(STAMP, begun, begun)
}
