import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { SeededRandom } from '../../tools/simulator/seeded-random.ts'
import { createNetworkLink, type NetworkLink } from '../support/network-link.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { selectScale } from '../support/scale.ts'

const ROUNDS = Number(process.env.HARM_ROUNDS ?? selectScale(1, 3))
let programs: Programs
let line: NetworkLink
beforeEach(async () => {
  programs = createPrograms()
  line = createNetworkLink()
  await programs.initAuthority()
  await programs.order(1_000)
})
afterEach(async () => {
  await programs.close()
  line.close()
})

/** Repeats a command until it succeeds. Does not wait for the later retry of the device itself. */
async function retry(...words: string[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const ended = await programs.agent([...words, '--json'])
    if (ended.code === 0) return
    const { code } = parseError(ended)
    if (code === 'REGISTRATION_IN_PROGRESS' || code === 'ALREADY_REGISTERED') return
    expect(attempt, ended.stderr).toBeLessThan(8)
  }
}

/** Starts the authority at one end of the link, and a device's daemon at the other. */
async function startRemoteDevice() {
  const server = await programs.serveAuthority(0, { host: line.host, network: line.server })
  await programs.initDevice(server.url)
  await programs.daemon({ network: line.device })
}
const inUse = async () => {
  const { licenses } = await programs.good<{ licenses: { inUse: number }[] }>(
    programs.authority(['license', 'list', '--json']),
  )
  return licenses[0]?.inUse
}

describe('a device on a degraded network', () => {
  it(`completes each operation exactly once at 56 kbit/s with 20 % packet loss (R-AUTH-4)`, async () => {
    const { agent, good } = programs
    await startRemoteDevice()
    line.slow(56)
    line.lose(20)
    await retry('register', await programs.token())
    for (let round = 1; round <= ROUNDS; round++) {
      await good(agent(['usage', 'set', 'HOST', String(round), '--json']))
      await retry('renew', 'authorization')
      expect(await inUse()).toBe(round)
    }
    expect(line.lost()).toBeGreaterThan(0)
    expect(await programs.status()).toMatchObject({ state: 'authorized' })
    const { instances } = await good<{ instances: unknown[] }>(
      programs.authority(['instance', 'list', '--json']),
    )
    expect(instances).toHaveLength(1)
  })

  it(`reports a failed attempt, stays authorized and recovers when the link is cut at a random moment (R-AUTH-4)`, async () => {
    const { agent, good, status } = programs
    await startRemoteDevice()
    const random = new SeededRandom('unplugged')
    await good<Status>(agent(['register', await programs.token(), '--json']))
    let failed = 0
    for (let round = 1; round <= Math.ceil(ROUNDS / 2); round++) {
      await good(agent(['usage', 'set', 'HOST', String(round), '--json']))
      const asked = agent(['renew', 'authorization', '--json'])
      await wait(random.nextInt(0, 400))
      line.unplug()
      const ended = await asked
      if (ended.code !== 0) {
        failed++
        expect((await status()).authorization.lastAttempt?.outcome).toBe('failed')
      }
      expect((await status()).state).toBe('authorized')
      line.plug()
      // The kernel may still cache the failed address resolution for a moment.
      await retry('renew', 'authorization')
      expect((await status()).state).toBe('authorized')
      expect(await inUse()).toBe(round)
    }
    expect(failed).toBeGreaterThan(0)
  }, 600_000)
})
