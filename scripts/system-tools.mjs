// Checks that the tools of the system test tier are installed, and exits with 1 if one is missing. With --install, installs
// missing tools from Debian packages first.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemTools } from './tiers.mjs'

const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Returns true if the file exists. The path may contain one `*` for a folder name. */
function fileExists(path) {
  const [before, after] = path.split('/*/')
  if (after === undefined) return existsSync(path)
  return existsSync(before) && readdirSync(before).some((name) => existsSync(join(before, name, after)))
}

function isInstalled({ program, file, perl }) {
  if (program !== undefined) return folders.some((folder) => isExecutable(join(folder, program)))
  if (file !== undefined) return fileExists(file)
  return spawnSync('perl', [`-M${perl}`, '-e', '1'], { stdio: 'ignore' }).status === 0
}

const { install } = parseArgs({ options: { install: { type: 'boolean', default: false } } }).values
const findMissing = () => systemTools.filter((tool) => !isInstalled(tool))
const packagesOf = (tools) => [...new Set(tools.map((tool) => tool.package))].join(' ')

let missing = findMissing()
if (install && missing.length > 0) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const packages = packagesOf(missing).split(' ')
  for (const words of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
  ]) {
    const { status, error } = spawnSync('apt-get', words, { stdio: 'inherit', env })
    if (error)
      console.error(
        `apt-get cannot be run (${error.message}). Install these packages manually: ${packagesOf(missing)}`,
      )
    if (error || status !== 0) process.exit(1)
  }
  missing = findMissing()
}
if (missing.length > 0) {
  const names = missing.map(({ program, file, perl }) => program ?? file ?? perl)
  console.error(`Tools of the system tests are missing: ${names.join(', ')}`)
  console.error(`On Debian: apt-get install ${packagesOf(missing)}    (or: npm run setup:system)`)
  process.exit(1)
}
