import { type ChildProcess, spawn } from 'node:child_process'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { until } from '../support/until.ts'

interface Answer {
  readonly worker: number
  readonly tunnels: number
  readonly state?: string
}

let programs: Programs
let product: ChildProcess
beforeEach(() => {
  programs = createPrograms()
})
afterEach(async () => {
  product.kill('SIGKILL')
  await programs.close()
})

it('the example of a clustered product: workers share one agent, and one that is killed takes only its usage along (R-EMB-4)', async () => {
  const server = new URL('../../dist/examples/cluster/server.js', import.meta.url).pathname
  product = spawn(process.execPath, [server, programs.dataDir()], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => product.once('close', resolve))
  const url = await new Promise<string>((resolve) =>
    product.stdout?.on('data', (line: Buffer) => {
      resolve(line.toString().trim().replace('listening on ', ''))
    }),
  )
  const ask = async (method = 'GET') => (await (await fetch(url, { method })).json()) as Answer
  const countInUse = async () => {
    const { entitlements } = await programs.good<Status>(programs.agent(['status', '--json']))
    return entitlements[0]?.count
  }

  // Open tunnels until both workers have some.
  const tunnels = new Map<number, number>()
  await until(
    async () => {
      const answer = await ask('POST')
      tunnels.set(answer.worker, answer.tunnels)
      return tunnels.size
    },
    (workers) => workers === 2,
  )
  const total = [...tunnels.values()].reduce((sum, count) => sum + count, 0)
  await eventually(async () => {
    expect(await countInUse()).toBe(total)
  })
  expect((await ask()).state).toBe('evaluation')

  const [[killed = 0, lost = 0] = []] = tunnels
  process.kill(killed, 'SIGKILL')
  await eventually(async () => {
    expect(await countInUse()).toBe(total - lost)
  })
  // Another worker takes its place.
  const isNew = ({ worker }: Answer) => !tunnels.has(worker)
  expect(await until(() => ask(), isNew)).toMatchObject({ tunnels: 0, state: 'evaluation' })

  product.kill('SIGTERM')
  expect(await ended).toBe(0)
  expect((await programs.good<Status>(programs.agent(['status', '--json']))).state).toBe('evaluation')
})
