// Commands and the daemon, beside a bare Node.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { median } from '../rate.mjs'

const program = new URL('../../dist/bin/smart-agent.js', import.meta.url).pathname

/** Wall time of whole processes, in turns, so that a busy moment meets both. */
function wallTimes(commands, rounds = 25) {
  const times = commands.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, words] of commands.entries()) {
      const start = performance.now()
      const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
      times[index].push(performance.now() - start)
    }
  }
  return times.map(median)
}

const residentMemory = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024

export async function programs(row, directory) {
  const box = join(directory, 'box')
  const { status, stderr } = spawnSync(process.execPath, [
    program,
    '--data-dir',
    box,
    'init',
    '--pid',
    'BENCH',
    '--serial',
    '1',
  ])
  if (status !== 0) throw new Error(String(stderr))
  const ask = [program, '--data-dir', box, 'status', '--json']
  const empty = ['-e', '']
  const ms = (n) => `${n.toFixed(0)} ms`
  const [oneShot, floorAlone] = wallTimes([ask, empty])
  row('status, no daemon', ms(oneShot), `${ms(floorAlone)} empty script`, oneShot / floorAlone, 'under 1.6')

  const daemon = spawn(process.execPath, [program, '--data-dir', box, 'run'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("ready")'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await Promise.all([daemon, bare].map((child) => new Promise((ready) => child.stdout.once('data', ready))))
  const [asked, floorAsked] = wallTimes([ask, empty])
  row('status, of the daemon', ms(asked), `${ms(floorAsked)} empty script`, asked / floorAsked, 'under 1.6')
  const mb = (n) => `${n.toFixed(0)} MB`
  const [used, floorUsed] = [residentMemory(daemon.pid), residentMemory(bare.pid)]
  row('resident memory, idle daemon', mb(used), `${mb(floorUsed)} bare Node`, used / floorUsed, 'under 1.6')
  daemon.kill()
  bare.kill()
}
