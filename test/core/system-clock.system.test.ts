import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'

const MODULE = new URL('../../dist/src/core/system-clock.js', import.meta.url).href

/** Returns the boot id that a process sees, started by a command that may change its view of the machine. */
function readBootId(...command: readonly string[]): string {
  const script = `const { systemClock } = await import(${JSON.stringify(MODULE)}); console.log(systemClock.bootId())`
  const words = [...command, process.execPath, '--input-type=module', '--eval', script]
  const { stdout, stderr } = spawnSync(words[0] ?? '', words.slice(1), { encoding: 'utf8' })
  if (stdout === '') throw new Error(stderr)
  return stdout.trim()
}

it('processes with one uptime have one boot id, and a container with another uptime has its own', () => {
  const here = readBootId()
  expect(readBootId()).toBe(here)
  expect(readBootId('unshare', '--time', '--boottime', '40000000', '--fork')).not.toBe(here)
})

it('a process whose uptime is a mounted file, as by LXCFS, counts as a boot of its own', () => {
  const mounted = () =>
    readBootId(
      'unshare',
      '--mount',
      'sh',
      '-c',
      'printf "7.00 7.00\n" >/dev/shm/uptime; mount --bind /dev/shm/uptime /proc/uptime; exec "$@"',
      'sh',
    )
  const [first, second] = [mounted(), mounted()]
  expect(first).toMatch(/^process /)
  expect(second).not.toBe(first)
})
