import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { SeededRandom } from '../../tools/simulator/seeded-random.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { freePort } from '../support/proxies.ts'
import { selectScale } from '../support/scale.ts'

const ROUNDS = Number(process.env.HARM_ROUNDS ?? selectScale(2, 24))
const DEVICES = ['one', 'two', 'three'] as const
let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
})
afterEach(() => programs.close())

describe('an authority and three devices', () => {
  it(
    `keep correct counts and stay authorized when one of them is killed at a random moment, ${ROUNDS} times (R-AUTH-4, R-REG-3)`,
    { timeout: 600_000 },
    async () => {
      const { agent, authority, good, status } = programs
      const random = new SeededRandom('killed together')
      const port = await freePort()
      await programs.order(1_000)
      let server = await programs.serveAuthority(port)
      const daemons = new Map<string, Awaited<ReturnType<Programs['daemon']>>>()
      const used = new Map<string, number>()
      const evaluated = new Map<string, number>()
      for (const device of DEVICES) {
        await programs.initDevice(server.url, device)
        daemons.set(device, await programs.daemon({ device }))
        evaluated.set(device, (await status({ device })).evaluation.remainingSeconds)
        await good<Status>(agent(['register', await programs.token(), '--json'], { device }))
      }
      for (let round = 1; round <= ROUNDS; round++) {
        const device = random.pick(DEVICES)
        const words = random.pick([
          ['usage', 'set', 'HOST', String(round)],
          ['renew', 'authorization'],
          ['renew', 'registration'],
        ])
        const asked = agent([...words, '--json'], { device })
        // The kill can come at any time between the start of the command and its end.
        await wait(random.nextInt(0, 500))
        if (random.nextBoolean(0.4)) {
          await server.stop('SIGKILL')
          server = await programs.serveAuthority(port)
        } else {
          await daemons.get(device)?.stop('SIGKILL')
          daemons.set(device, await programs.daemon({ device }))
        }
        const { code } = await asked
        if (words[0] === 'usage') {
          // A change that was reported as done must be stored. A change that was not may be stored.
          const count = (await status({ device })).entitlements.find(({ tag }) => tag === 'HOST')?.count ?? 0
          expect([used.get(device) ?? 0, round]).toContain(count)
          if (code === 0) expect(count).toBe(round)
          used.set(device, count)
        }
      }
      for (const device of DEVICES) {
        const renewed = await good<Status>(agent(['renew', 'authorization', '--json'], { device }))
        expect(renewed.state).toBe('authorized')
        // The remaining evaluation time never increases.
        expect(renewed.evaluation.remainingSeconds).toBeLessThanOrEqual(evaluated.get(device) ?? 0)
      }
      const sum = [...used.values()].reduce((total, count) => total + count, 0)
      expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
        licenses: [{ tag: 'HOST', inUse: sum }],
      })
      const { instances } = await good<{ instances: unknown[] }>(authority(['instance', 'list', '--json']))
      expect(instances).toHaveLength(DEVICES.length)
      expect(await good(authority(['audit', 'verify', '--json']))).toMatchObject({})
      // Deregistration must return every license.
      for (const device of DEVICES) await good(agent(['deregister', '--yes', '--json'], { device }))
      expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
        licenses: [{ tag: 'HOST', inUse: 0 }],
      })
    },
  )
})
