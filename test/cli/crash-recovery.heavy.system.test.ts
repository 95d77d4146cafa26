import { randomInt } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPrograms, type Programs } from '../support/programs.ts'
import { selectScale } from '../support/scale.ts'
import { until } from '../support/until.ts'

let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
})
afterEach(async () => {
  await programs.close()
})

describe('an agent killed at any moment', () => {
  const ROUNDS = Number(process.env.HARM_ROUNDS ?? selectScale(8, 100))

  it(
    `has no damaged store, no second instance and no wrong count after ${ROUNDS} rounds (R-AUTH-4, R-REG-3)`,
    { timeout: 600_000 },
    async () => {
      const { agent, good, order } = programs
      const { url } = await programs.serveAuthority()
      await programs.initDevice(url)
      await order(1_000_000)
      const token = await programs.token()
      const instances = async () =>
        (await good<{ instances: { id: string }[] }>(programs.authority(['instance', 'list', '--json'])))
          .instances
      const outcomes = new Map<string, number>()
      let acknowledged = 0
      for (let round = 1; round <= ROUNDS; round++) {
        const words = [
          ['usage', 'set', 'HOST', String(round)],
          ['renew', 'authorization'],
          ['renew', 'registration'],
          ['reregister', token, '--force'],
        ][round % 4] ?? ['register', token]
        const child = programs.start('smart-agent', ['--data-dir', programs.dataDir(), ...words, '--json'])
        const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
        // A command runs for about 400 ms, so that the kill hits any phase.
        const timer = setTimeout(
          () => {
            if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL')
          },
          randomInt(60, 450),
        )
        const code = await ended
        clearTimeout(timer)
        if (words[0] === 'usage' && code === 0) acknowledged = round
        outcomes.set(String(code), (outcomes.get(String(code)) ?? 0) + 1)
        if (round % 12 !== 0) continue
        // The store must be intact after every kill.
        const status = await programs.status()
        expect(status.entitlements.find(({ tag }) => tag === 'HOST')?.count ?? 0).toBeGreaterThanOrEqual(
          acknowledged,
        )
        expect((await instances()).length).toBeLessThanOrEqual(1)
      }
      if ((await programs.status()).registration.status !== 'registered')
        await agent(['register', token, '--force', '--json'], { time: '+1d' })
      await good(agent(['usage', 'set', 'HOST', '777', '--json'], { time: '+2d' }))
      const settled = await until(
        async () => {
          await agent(['renew', 'authorization', '--json'], { time: '+2d' })
          return programs.status({ time: '+2d' })
        },
        ({ state }) => state === 'authorized',
      )
      expect(await instances()).toMatchObject([
        { id: settled.registration.instanceId, status: 'in-compliance' },
      ])
      expect(await good(programs.authority(['license', 'list', '--json']))).toMatchObject({
        licenses: [{ tag: 'HOST', inUse: 777 }],
      })
      // The test is meaningful only if many commands were killed.
      expect(outcomes.get('null') ?? 0).toBeGreaterThan(ROUNDS / 10)
    },
  )
})
