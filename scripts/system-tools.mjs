// Looks for the tools that the system tier of the tests needs, and ends with 1 when one is missing. With --install, it first
// installs the missing ones from Debian's packages.
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

/** Whether a file is there whose path may have one `*` for a folder name. */
function fileExists(path) {
  const [before, after] = path.split('/*/')
  if (after === undefined) return existsSync(path)
  return existsSync(before) && readdirSync(before).some((name) => existsSync(join(before, name, after)))
}

function isThere({ program, file, perl }) {
  if (program !== undefined) return folders.some((folder) => isExecutable(join(folder, program)))
  if (file !== undefined) return fileExists(file)
  return spawnSync('perl', [`-M${perl}`, '-e', '1'], { stdio: 'ignore' }).status === 0
}

const { install } = parseArgs({ options: { install: { type: 'boolean', default: false } } }).values
const findMissing = () => systemTools.filter((tool) => !isThere(tool))
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
        `apt-get cannot be run (${error.message}): install these packages by hand: ${packagesOf(missing)}`,
      )
    if (error || status !== 0) process.exit(1)
  }
  missing = findMissing()
}
if (missing.length > 0) {
  const names = missing.map(({ program, file, perl }) => program ?? file ?? perl)
  console.error(`The system tests need tools that are missing here: ${names.join(', ')}`)
  console.error(`On Debian: apt-get install ${packagesOf(missing)}    (or: npm run setup:system)`)
  process.exit(1)
}
