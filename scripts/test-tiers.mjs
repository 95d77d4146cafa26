// Runs test tiers: node scripts/test-tiers.mjs TIER… [-- arguments for vitest]
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tiers } from './tiers.mjs'

const node = (...words) => {
  const { status } = spawnSync(process.execPath, words, { stdio: 'inherit' })
  return status ?? 1
}
const args = process.argv.slice(2)
const chosen = args.filter((word) => Object.hasOwn(tiers, word))
const words = args.filter((word) => !Object.hasOwn(tiers, word) && word !== '--')
if (chosen.length === 0) {
  console.error(`Give a tier: ${Object.keys(tiers).join(', ')}.`)
  process.exit(2)
}

if (chosen.some((name) => tiers[name].system) && node('scripts/system-tools.mjs') !== 0) process.exit(1)
if (node('scripts/build-if-stale.mjs') !== 0) process.exit(1)

/** RAM disk, which makes tests a quarter faster, because they create and sync thousands of small databases. */
const RAM_DISK = '/dev/shm'
const MIN_RAM_DISK_BYTES = 4 * 1024 ** 3

function findTemporaryFolder() {
  try {
    const { bavail, bsize } = statfsSync(RAM_DISK)
    return process.env.TMPDIR === undefined && bavail * bsize > MIN_RAM_DISK_BYTES ? RAM_DISK : tmpdir()
  } catch {
    return tmpdir()
  }
}

const directory = mkdtempSync(join(findTemporaryFolder(), 'test-tiers-'))
// Servers that run as other users need access to their files in this directory.
chmodSync(directory, 0o755)
process.env.TMPDIR = directory
const report = join(directory, 'report.json')
const projects = chosen.flatMap((name) => tiers[name].projects).flatMap((name) => ['--project', name])
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
const status = node('node_modules/vitest/vitest.mjs', 'run', ...projects, ...reporters, ...words)
let total = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 }
try {
  total = JSON.parse(readFileSync(report, 'utf8'))
} catch {
  // Without a report, no test ran and vitest has printed the reason.
}
rmSync(directory, { recursive: true, force: true })
const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = total

const others = Object.entries(tiers).filter(([name]) => !chosen.includes(name))
console.log(`Tier: ${chosen.join(', ')}. Other tiers:`)
for (const [, { command, covers }] of others) console.log(`  ${command.padEnd(22)} ${covers}`)
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
// Skipped tests and runs without tests fail. A run with arguments may skip tests, because a test name filter does.
const isWhole = words.length === 0
process.exit(status !== 0 || passed === 0 || (isWhole && skipped > 0) ? 1 : 0)
