import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { DAY, HOUR, SECOND } from '../../src/core/time.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { freePort } from '../support/proxies.ts'
import { selectScale } from '../support/scale.ts'

const DAYS = Number(process.env.HARM_DAYS ?? selectScale(38, 120))
/** A day passes in a second. */
const SPEED = DAY / SECOND
/** The authority goes away this long before the authorization would be renewed, which it is after 30 days. */
const BEFORE = 2

let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
})
afterEach(() => programs.close())

describe('a daemon and its authority, at 86,400 times the speed', () => {
  it(
    `R-AUTH-1, R-AUTH-4: ${DAYS} days: all is renewed in time, also when the authority is away just then`,
    { timeout: (DAYS + 300) * SECOND },
    async () => {
      const { agent, good } = programs
      const port = await freePort()
      await programs.order(1_000)
      const token = await programs.token()
      await programs.initBox(`https://127.0.0.1:${port}`)
      const env = await programs.fastClock(SPEED)
      let server = await programs.serveAuthority(port, { env })
      await programs.daemon({ env })
      const first = await good<Status>(agent(['register', token, '--json'], { env }))
      await good(agent(['usage', 'set', 'HOST', '3', '--json'], { env }))
      const evaluated = first.evaluation.remainingSeconds
      const begun = Date.now()
      /** How many days have passed, within one or two: a command takes a part of a second, or more of a busy machine. */
      const day = () => (Date.now() - begun) / SECOND
      let authority: 'here' | 'away' | 'back' | 'used again' = 'here'
      let returned = 0
      while (day() < DAYS || authority !== 'used again') {
        await wait(SECOND)
        if (authority === 'here' && day() >= 30 - BEFORE) {
          await server.stop('SIGKILL')
          authority = 'away'
        }
        const status = await programs.status({ env })
        expect(status).toMatchObject({
          state: 'authorized',
          functionality: 'full',
          evaluation: { remainingSeconds: evaluated },
        })
        const missed = status.authorization.lastAttempt?.outcome === 'failed'
        if (authority === 'away' && missed) {
          server = await programs.serveAuthority(port, { env })
          authority = 'back'
          returned = day()
        } else if (authority === 'back' && !missed) authority = 'used again'
      }
      const { events } = await good<{ events: { event: string; at: string }[] }>(
        agent(['events', '--limit', '100000', '--json'], { env }),
      )
      const days = (event: string) =>
        events
          .filter((one) => one.event === event)
          .map(({ at }) => (Date.parse(at) - Date.parse(first.registration.registeredAt ?? '')) / DAY)
      // Renewed each 30 days, and as soon as it could be where the authority was away; nothing waits for half its time.
      const authorized = days('authorize.accepted')
      const gaps = authorized.map((at, index) => at - (authorized[index - 1] ?? 0))
      expect(Math.max(...gaps)).toBeLessThan(returned + 4)
      expect(authorized.at(-1)).toBeGreaterThan(day() - 34)
      expect(days('authorize.unreachable').length).toBeGreaterThan(0)
      // Of the identity, each 180 days.
      expect(days('renew.accepted')).toHaveLength(Math.floor((day() - 2) / 180))
      const right = await good<Status>(agent(['renew', 'authorization', '--json'], { env }))
      expect(right.entitlements).toMatchObject([{ tag: 'HOST', count: 3, status: 'in-compliance' }])
      const { at = '' } = right.authorization.lastAttempt ?? {}
      expect(Date.parse(right.authorization.nextAttemptAt ?? '') - Date.parse(at)).toBeCloseTo(30 * DAY, -7)
      expect(Date.parse(right.authorization.deadlineAt ?? '') - Date.parse(at)).toBeGreaterThan(
        90 * DAY - 6 * HOUR,
      )
    },
  )
})
