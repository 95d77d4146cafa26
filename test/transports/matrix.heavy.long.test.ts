import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type AnswerFaultName,
  faultCatalog,
  type FaultName,
  createMockAuthority,
  type MockAuthority,
  type FaultNetwork,
  type ConnectionFaultName,
} from '../../mocks/index.ts'
import { SmartAgent, type Status, type TransportSettings } from '../../src/index.ts'
import { MINUTE, SECOND } from '../../src/core/time.ts'
import { VirtualClock } from '../../mocks/testing.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { selectScale } from '../support/scale.ts'

/**
 * Every transport with every fault and every type of request, over real sockets, real TLS and a real CONNECT proxy. Only
 * the calendar is virtual, and time-outs are short.
 */
const kinds = ['register', 'authorize', 'renew', 'deregister'] as const
type Kind = (typeof kinds)[number]
const transportKinds = ['direct', 'gateway', 'proxy'] as const

const all = Object.keys(faultCatalog) as FaultName[]
/**
 * Selects the faults for a type of request and a transport. A sample has every third fault, and a different third for the
 * next combination. A delay is not a failure, and the first answer cannot be replayed.
 */
const faultsFor = (transportKind: (typeof transportKinds)[number], kind: Kind): FaultName[] =>
  all.filter((fault, i) => {
    if ((i + transportKinds.indexOf(transportKind) + kinds.indexOf(kind)) % selectScale(7, 1) !== 0)
      return false
    if (fault === 'delay') return false
    if (fault === 'replayed') return kind === 'authorize' || kind === 'renew'
    return faultCatalog[fault].layer !== 'proxy' || transportKind === 'proxy'
  })

/** Codes that differ behind a proxy, which reports a closed port itself and may be the cause of missing TLS. */
const BEHIND_PROXY: Partial<Record<FaultName, string>> = {
  refused: 'PROXY_BAD_GATEWAY',
  'tls-plain-text': 'PROXY_FAILED',
  'dns-unknown': 'PROXY_BAD_GATEWAY',
  'dns-silence': 'PROXY_BAD_GATEWAY',
}

let clock: VirtualClock
let mock: MockAuthority
let network: FaultNetwork
let directory: string
let agent: SmartAgent
let count = 0

beforeAll(async () => {
  // TLS uses the machine's clock, so the virtual clock starts at the same time.
  clock = new VirtualClock(Date.now())
  mock = await createMockAuthority({ clock })
  network = await mock.listen()
  await mock.authority.orders.create({ tag: 'HOST', quantity: 10_000 })
  directory = mkdtempSync(join(tmpdir(), 'sla-matrix-'))
})
afterAll(async () => {
  await mock.close()
  rmSync(directory, { recursive: true, force: true })
})

const openDevice = (kind: TransportSettings['kind'], serial: string) =>
  SmartAgent.open({
    dataDir: join(directory, serial),
    product: { pid: 'CWMS-K9', version: '4.0', serial },
    trust: mock.trustAnchor,
    transport: network.settings(kind),
    clock,
    heartbeat: false,
    lookup: network.lookup,
  })

const token = async () => (await mock.authority.tokens.create({ days: 300 })).token

/** Returns the part of the status that a failed attempt must not change. */
const kept = ({ state, functionality, registration, authorization, entitlements }: Status) => ({
  state,
  functionality,
  instanceId: registration.instanceId,
  expiresAt: registration.expiresAt,
  since: authorization.since,
  deadlineAt: authorization.deadlineAt,
  entitlements: entitlements.map(({ tag, count: n }) => [tag, n]),
})

const requests: Record<Kind, () => Promise<unknown>> = {
  register: async () => agent.register(await token()),
  authorize: () => agent.renewAuthorization(),
  renew: () => agent.renewRegistration(),
  deregister: () => agent.deregister(),
}

async function injectFault(fault: FaultName, kind: Kind): Promise<void> {
  if (faultCatalog[fault].layer === 'answer') mock.setFaults({ fault: fault as AnswerFaultName, on: kind })
  else await mock.setConnectionFault(fault as ConnectionFaultName)
}
async function restoreNetwork(): Promise<void> {
  mock.setFaults()
  await mock.setConnectionFault(null)
}

/** Counts the connection notices since a row of the history. */
function countNotices(since: number): Record<string, number> {
  const notices = agent
    .history(10_000, since)
    .flatMap((row) => (JSON.parse(row.notices) as { notice: string }[]).map(({ notice }) => notice))
  return Object.fromEntries(
    ['COMM_FAILED', 'COMM_RESTORED'].map((name) => [
      name,
      notices.filter((notice) => notice === name).length,
    ]),
  )
}

describe.each(transportKinds)('R-NET-1, R-NET-2, R-NET-3, R-AUTH-4, R-UI-5: by %s', (kind) => {
  describe.each(kinds)('at %s', (request) => {
    beforeEach(async () => {
      agent = await openDevice(kind, `${kind}-${request}-${++count}`)
      agent.setUsage('HOST', 2)
      if (request !== 'register') await agent.register(await token())
    })
    afterEach(async () => {
      await agent.close()
      await restoreNetwork()
    })

    it.each(faultsFor(kind, request))(
      'reports %s by its code, keeps the state, and recovers when the fault ends',
      async (fault) => {
        const code = (kind === 'proxy' ? BEHIND_PROXY[fault] : undefined) ?? faultCatalog[fault].code
        // The user name is a setting of the device, which must be set before the fault.
        if (fault.startsWith('proxy-auth')) {
          await mock.setConnectionFault(fault as ConnectionFaultName)
          agent.transport.set(network.settings('proxy'))
        }
        // The replayed answer must be an earlier one to the same device.
        if (fault === 'replayed') await requests[request]()
        await agent.idle()
        const mark = agent.history(1)[0]?.id ?? 0
        const before = kept(agent.status())
        await injectFault(fault, request)
        expect(await getErrorCode(requests[request]())).toBe(code)

        const status = agent.status()
        expect(status.transport).toMatchObject({ link: 'down', lastFailure: { code } })
        if (request === 'deregister') {
          // The registration ends on the device, and the authority still lists the instance.
          expect(status).toMatchObject({ state: 'evaluation', registration: { failure: { code } } })
          await restoreNetwork()
          await agent.register(await token(), { force: true })
          expect(countNotices(mark)).toEqual({ COMM_FAILED: 1, COMM_RESTORED: 1 })
          return
        }
        expect(kept(status)).toEqual(before)
        const next = {
          register: status.registration.nextAttemptAt,
          authorize: status.authorization.nextAttemptAt,
          renew: status.registration.nextRenewalAt,
        }[request]
        const wait = Date.parse(next ?? '') - clock.wall()
        const asked = fault === 'error429' || fault === 'error503'
        expect(wait).toBeGreaterThanOrEqual(asked ? 2 * MINUTE - SECOND : 4 * SECOND)
        expect(wait).toBeLessThanOrEqual(asked ? 2.2 * MINUTE + SECOND : 31 * SECOND)

        // The next attempt also fails, which belongs to the same outage.
        clock.advance(wait)
        agent.tick()
        await agent.idle()
        expect(agent.status().transport.link).toBe('down')
        expect(countNotices(mark)).toEqual({ COMM_FAILED: 1, COMM_RESTORED: 0 })

        await restoreNetwork()
        clock.advance(5 * MINUTE)
        agent.tick()
        await agent.idle()
        expect(agent.status()).toMatchObject({
          state: 'authorized',
          registration: { status: 'registered' },
          transport: { link: 'up', lastFailure: null },
          entitlements: [{ tag: 'HOST', count: 2, status: 'in-compliance' }],
        })
        expect(countNotices(mark)).toEqual({ COMM_FAILED: 1, COMM_RESTORED: 1 })
      },
    )
  })
})
