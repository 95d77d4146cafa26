import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setupServer, type SetupServer } from 'msw/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type AnswerFaultName,
  faultCatalog,
  type FaultName,
  createMockAuthority,
  type MockAuthority,
} from '../../mocks/index.ts'
import { SmartAgent } from '../../src/index.ts'
import { MINUTE } from '../../src/core/time.ts'
import { VirtualClock } from '../../mocks/testing.ts'
import { getErrorCode } from '../support/test-environment.ts'

let clock: VirtualClock
let mock: MockAuthority
let server: SetupServer
let directory: string
let agent: SmartAgent

beforeEach(async () => {
  clock = new VirtualClock()
  mock = await createMockAuthority({ clock })
  server = setupServer(...mock.handlers)
  server.listen({ onUnhandledRequest: 'error' })
  directory = mkdtempSync(join(tmpdir(), 'sla-'))
  agent = await SmartAgent.open({
    dataDir: directory,
    product: { pid: 'CWMS-K9', version: '4.0', serial: 'A1' },
    trust: mock.trustAnchor,
    transport: { kind: 'direct', url: mock.url },
    clock,
    heartbeat: false,
  })
  await mock.authority.orders.create({ tag: 'HOST', quantity: 10 })
})
afterEach(async () => {
  await agent.close()
  server.close()
  await mock.close()
  rmSync(directory, { recursive: true, force: true })
})

const token = async (): Promise<string> =>
  (await mock.authority.tokens.create({ days: 30, maxUses: 1 })).token
/** Faults of answers, except for a delay, which is not a failure. */
const names = (Object.keys(faultCatalog) as FaultName[]).filter(
  (name): name is AnswerFaultName => faultCatalog[name].layer === 'answer' && name !== 'delay',
)
/** There is no answer before the registration that could be replayed. */
const atRegistration = names.filter((name) => name !== 'replayed')

async function untilRecovered(): Promise<void> {
  clock.advance(5 * MINUTE)
  agent.tick()
  await agent.idle()
}

describe('every fault of the catalog', () => {
  it.each(atRegistration)(
    'R-UI-5, R-AUTH-4: %s during registration is reported by its code, and the next attempt succeeds',
    async (fault) => {
      mock.setFaults({ fault, on: 'register', times: 1 })
      expect(await getErrorCode(agent.register(await token()))).toBe(faultCatalog[fault].code)
      expect(agent.status()).toMatchObject({
        state: 'evaluation',
        registration: { status: 'retrying', failure: { code: faultCatalog[fault].code } },
        transport: { link: 'down', lastFailure: { code: faultCatalog[fault].code } },
      })
      await untilRecovered()
      expect(agent.status().state).toBe('authorized')
      // The token had one use, so the authority has processed the registration only once.
      expect(await mock.authority.instances.list()).toHaveLength(1)
      expect(await mock.authority.tokens.list()).toMatchObject([{ uses: 1 }])
    },
  )

  it.each(names)(
    'R-UI-5, R-AUTH-4: %s during authorization changes only the time of the next attempt',
    async (fault) => {
      await agent.register(await token())
      agent.setUsage('HOST', 3)
      mock.setFaults({ fault, on: 'authorize', times: 1 })
      const before = agent.status().authorization
      expect(await getErrorCode(agent.renewAuthorization())).toBe(faultCatalog[fault].code)
      const { state, authorization } = agent.status()
      expect(state).toBe('authorized')
      expect(authorization).toMatchObject({ since: before.since, deadlineAt: before.deadlineAt })
      expect(authorization.lastAttempt).toMatchObject({
        outcome: 'failed',
        reason: { code: faultCatalog[fault].code },
      })
      await untilRecovered()
      expect(agent.status()).toMatchObject({
        state: 'authorized',
        transport: { link: 'up' },
        entitlements: [{ tag: 'HOST', count: 3, status: 'in-compliance' }],
      })
      expect(await mock.authority.licenses.list()).toMatchObject([{ tag: 'HOST', inUse: 3 }])
    },
  )
})

describe('Retry-After', () => {
  it('R-AUTH-4: sets the time of the next attempt', async () => {
    mock.setFaults({ fault: 'error503', times: 1 })
    await getErrorCode(agent.register(await token()))
    const { nextAttemptAt } = agent.status().registration
    const wait = Date.parse(nextAttemptAt ?? '') - clock.wall()
    expect(wait).toBeGreaterThanOrEqual(2 * MINUTE)
    // Jitter of up to a tenth keeps devices from returning at the same time.
    expect(wait).toBeLessThanOrEqual(2.2 * MINUTE)
  })
})
