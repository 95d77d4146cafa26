import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { DAY, HOUR, SECOND } from '../../src/core/time.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { freePort } from '../support/proxies.ts'
import { selectScale } from '../support/scale.ts'

const DAYS = Number(process.env.HARM_DAYS ?? selectScale(38, 120))
/** Clock factor at which one day takes one second. */
const SPEED = DAY / SECOND
/** Days between the stop of the authority and the regular renewal at day 30. */
const OUTAGE_LEAD_DAYS = 2

let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
})
afterEach(() => programs.close())

describe('a daemon and its authority with a clock 86,400 times too fast', () => {
  it(
    `renew everything in time for ${DAYS} days, even with the authority down at the first renewal (R-AUTH-1, R-AUTH-4)`,
    { timeout: (DAYS + 300) * SECOND },
    async () => {
      const { agent, good } = programs
      const port = await freePort()
      await programs.order(1_000)
      const token = await programs.token()
      await programs.initDevice(`https://127.0.0.1:${port}`)
      const env = await programs.fastClock(SPEED)
      let server = await programs.serveAuthority(port, { env })
      await programs.daemon({ env })
      const first = await good<Status>(agent(['register', token, '--json'], { env }))
      await good(agent(['usage', 'set', 'HOST', '3', '--json'], { env }))
      const evaluated = first.evaluation.remainingSeconds
      const begun = Date.now()
      /** Returns the elapsed days. A command can take a day or two on a busy machine. */
      const day = () => (Date.now() - begun) / SECOND
      let authority: 'up' | 'down' | 'restarted' | 'used again' = 'up'
      let returned = 0
      while (day() < DAYS || authority !== 'used again') {
        await wait(SECOND)
        if (authority === 'up' && day() >= 30 - OUTAGE_LEAD_DAYS) {
          await server.stop('SIGKILL')
          authority = 'down'
        }
        const status = await programs.status({ env })
        expect(status).toMatchObject({
          state: 'authorized',
          functionality: 'full',
          evaluation: { remainingSeconds: evaluated },
        })
        const missed = status.authorization.lastAttempt?.outcome === 'failed'
        if (authority === 'down' && missed) {
          server = await programs.serveAuthority(port, { env })
          authority = 'restarted'
          returned = day()
        } else if (authority === 'restarted' && !missed) authority = 'used again'
      }
      const { events } = await good<{ events: { event: string; at: string }[] }>(
        agent(['events', '--limit', '100000', '--json'], { env }),
      )
      const days = (event: string) =>
        events
          .filter((entry) => entry.event === event)
          .map(({ at }) => (Date.parse(at) - Date.parse(first.registration.registeredAt ?? '')) / DAY)
      // The authorization is renewed every 30 days, and after the outage as soon as the authority is up again.
      const authorized = days('authorize.accepted')
      const gaps = authorized.map((at, index) => at - (authorized[index - 1] ?? 0))
      expect(Math.max(...gaps)).toBeLessThan(returned + 4)
      expect(authorized.at(-1)).toBeGreaterThan(day() - 34)
      expect(days('authorize.unreachable').length).toBeGreaterThan(0)
      // The ID certificate is renewed every 180 days.
      expect(days('renew.accepted')).toHaveLength(Math.floor((day() - 2) / 180))
      const renewed = await good<Status>(agent(['renew', 'authorization', '--json'], { env }))
      expect(renewed.entitlements).toMatchObject([{ tag: 'HOST', count: 3, status: 'in-compliance' }])
      const { at = '' } = renewed.authorization.lastAttempt ?? {}
      expect(Date.parse(renewed.authorization.nextAttemptAt ?? '') - Date.parse(at)).toBeCloseTo(30 * DAY, -7)
      expect(Date.parse(renewed.authorization.deadlineAt ?? '') - Date.parse(at)).toBeGreaterThan(
        90 * DAY - 6 * HOUR,
      )
    },
  )
})
