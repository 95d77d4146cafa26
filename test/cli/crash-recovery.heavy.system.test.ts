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

describe('a process killed at any moment', () => {
  const ROUNDS = Number(process.env.HARM_ROUNDS ?? selectScale(24, 100))

  it(
    `R-AUTH-4, R-REG-3: ${ROUNDS} rounds: never a damaged store, never two instances, never a lost or doubled count`,
    { timeout: 600_000 },
    async () => {
      const { agent, good, order } = programs
      const { url } = await programs.serveAuthority()
      await programs.initBox(url)
      await order(1_000_000)
      const token = await programs.token()
      const instances = async () =>
        (await good<{ instances: { id: string }[] }>(programs.authority(['instance', 'list', '--json'])))
          .instances
      const outcomes = new Map<string, number>()
      let said = 0
      for (let round = 1; round <= ROUNDS; round++) {
        const words = [
          ['usage', 'set', 'HOST', String(round)],
          ['renew', 'authorization'],
          ['renew', 'registration'],
          ['reregister', token, '--force'],
        ][round % 4] ?? ['register', token]
        const child = programs.start('smart-agent', ['--data-dir', programs.box(), ...words, '--json'])
        const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
        // Anywhere between the first instruction and the last: a command lives some 400 ms here.
        const timer = setTimeout(
          () => {
            if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL')
          },
          randomInt(60, 450),
        )
        const code = await ended
        clearTimeout(timer)
        if (words[0] === 'usage' && code === 0) said = round
        outcomes.set(String(code), (outcomes.get(String(code)) ?? 0) + 1)
        if (round % 12 !== 0) continue
        // Whatever happened, the store is good, and a box left alone comes right.
        const status = await programs.status()
        expect(status.entitlements.find(({ tag }) => tag === 'HOST')?.count ?? 0).toBeGreaterThanOrEqual(said)
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
      // It was a test only if many were killed, and many were not.
      expect(outcomes.get('null') ?? 0).toBeGreaterThan(ROUNDS / 10)
    },
  )
})
