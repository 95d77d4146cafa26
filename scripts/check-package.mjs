// Checks the packed package: its exports with publint, and the resolution of its types with arethetypeswrong.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const directory = mkdtempSync(join(tmpdir(), 'sla-pack-'))
/** Runs a program, and prints its output if it fails. */
function run(program, ...words) {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' })
  if (status !== 0) process.stderr.write(`${stdout}${stderr}`)
  return status ?? 1
}
try {
  const packed = run('npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', directory)
  if (packed !== 0) process.exit(packed)
  const [file = ''] = readdirSync(directory)
  const tarball = join(directory, file)
  const publint = run('node_modules/.bin/publint', 'run', '--strict', '--pack', 'false', tarball)
  const types = run('node_modules/.bin/attw', '--profile', 'esm-only', '--no-definitely-typed', tarball)
  process.exitCode = Math.max(publint, types)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
