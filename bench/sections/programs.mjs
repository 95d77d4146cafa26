// Measures commands and the daemon. The baseline is Node with an empty script.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { median } from '../rate.mjs'

const program = new URL('../../dist/bin/smart-agent.js', import.meta.url).pathname

/** Measures the wall time of processes in turns, so that other load affects all of them. @returns the medians in milliseconds */
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
  const device = join(directory, 'device')
  const { status, stderr } = spawnSync(process.execPath, [
    program,
    '--data-dir',
    device,
    'init',
    '--pid',
    'BENCH',
    '--serial',
    '1',
  ])
  if (status !== 0) throw new Error(String(stderr))
  const ask = [program, '--data-dir', device, 'status', '--json']
  const empty = ['-e', '']
  const ms = (n) => `${n.toFixed(0)} ms`
  const [oneShot, floorAlone] = wallTimes([ask, empty])
  row(
    'status, without a daemon',
    ms(oneShot),
    `${ms(floorAlone)} empty script`,
    oneShot / floorAlone,
    'under 1.6',
  )

  const daemon = spawn(process.execPath, [program, '--data-dir', device, 'run'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("ready")'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await Promise.all([daemon, bare].map((child) => new Promise((ready) => child.stdout.once('data', ready))))
  const [viaDaemon, floorBeside] = wallTimes([ask, empty])
  row(
    'status, with a daemon',
    ms(viaDaemon),
    `${ms(floorBeside)} empty script`,
    viaDaemon / floorBeside,
    'under 1.6',
  )
  const mb = (n) => `${n.toFixed(0)} MB`
  const [used, floorUsed] = [residentMemory(daemon.pid), residentMemory(bare.pid)]
  row(
    'resident memory, idle daemon',
    mb(used),
    `${mb(floorUsed)} empty Node process`,
    used / floorUsed,
    'under 1.6',
  )
  daemon.kill()
  bare.kill()
}
