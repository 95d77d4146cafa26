import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { SeededRandom } from '../../tools/simulator/seeded-random.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { freePort } from '../support/proxies.ts'
import { selectScale } from '../support/scale.ts'

const ROUNDS = Number(process.env.HARM_ROUNDS ?? selectScale(4, 24))
const BOXES = ['one', 'two', 'three'] as const
let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
})
afterEach(() => programs.close())

describe('an authority and its boxes, all of them running', () => {
  it(
    `R-AUTH-4, R-REG-3: each killed at any moment, ${ROUNDS} times in all: every count is right afterwards, and every box licensed`,
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
      for (const box of BOXES) {
        await programs.initBox(server.url, box)
        daemons.set(box, await programs.daemon({ box }))
        evaluated.set(box, (await status({ box })).evaluation.remainingSeconds)
        await good<Status>(agent(['register', await programs.token(), '--json'], { box }))
      }
      for (let round = 1; round <= ROUNDS; round++) {
        const box = random.pick(BOXES)
        const words = random.pick([
          ['usage', 'set', 'HOST', String(round)],
          ['renew', 'authorization'],
          ['renew', 'registration'],
        ])
        const asked = agent([...words, '--json'], { box })
        // Anywhere between the command's first instruction and the last of those who serve it.
        await wait(random.nextInt(0, 500))
        if (random.nextBoolean(0.4)) {
          await server.stop('SIGKILL')
          server = await programs.serveAuthority(port)
        } else {
          await daemons.get(box)?.stop('SIGKILL')
          daemons.set(box, await programs.daemon({ box }))
        }
        const { code } = await asked
        if (words[0] === 'usage') {
          // What was told to have been done is done; what was not told may be.
          const count = (await status({ box })).entitlements.find(({ tag }) => tag === 'HOST')?.count ?? 0
          expect([used.get(box) ?? 0, round]).toContain(count)
          if (code === 0) expect(count).toBe(round)
          used.set(box, count)
        }
      }
      for (const box of BOXES) {
        const right = await good<Status>(agent(['renew', 'authorization', '--json'], { box }))
        expect(right.state).toBe('authorized')
        // No second of the evaluation is given back, and none is charged while the box is licensed.
        expect(right.evaluation.remainingSeconds).toBeLessThanOrEqual(evaluated.get(box) ?? 0)
      }
      const sum = [...used.values()].reduce((all, one) => all + one, 0)
      expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
        licenses: [{ tag: 'HOST', inUse: sum }],
      })
      const { instances } = await good<{ instances: unknown[] }>(authority(['instance', 'list', '--json']))
      expect(instances).toHaveLength(BOXES.length)
      expect(await good(authority(['audit', 'verify', '--json']))).toMatchObject({})
      // All is given back in the end.
      for (const box of BOXES) await good(agent(['deregister', '--yes', '--json'], { box }))
      expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
        licenses: [{ tag: 'HOST', inUse: 0 }],
      })
    },
  )
})
