import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { http, type RequestHandler } from 'msw'
import { Authority } from '../src/authority/index.ts'
import {
  FaultPlan,
  type FaultName,
  Injector,
  isFault,
  type PlannedFault,
  type ConnectionFaultName,
} from '../src/faults/index.ts'
import type { Clock } from '../src/core/clock.ts'
import { systemClock } from '../src/core/system-clock.ts'
import { getMessagePath, type MessageType, messageTypeSchema } from '../src/protocol/messages.ts'
import { toMswResponse } from './to-msw-response.ts'
import { isConnectionFault, startFaultNetwork, type FaultNetwork } from './fault-network.ts'

export interface MockAuthorityOptions {
  /** Where it answers by MSW: any https URL that leads nowhere. Default: https://authority.test */
  readonly url?: string
  /** The domain of its smart account. Default: acme.example */
  readonly account?: string
  readonly clock?: Clock
  /** What goes wrong, by name or planned; more can be set at any time. */
  readonly faults?: readonly (FaultName | PlannedFault)[]
  /** Throws the dice of faults with a probability: from 0 up to 1. Default: Math.random */
  readonly random?: () => number
}

/** An authority for tests: the rules are the real ones, the road is made of faults. */
export interface MockAuthority {
  /** For `setupServer(...handlers)` of `msw/node`. Faults of the road take `listen()`. */
  readonly handlers: readonly RequestHandler[]
  readonly url: string
  /** The real authority: orders, tokens, instances, events. */
  readonly authority: Authority
  /** The root certificate to give to an agent: PEM. */
  readonly trustAnchor: string
  /** The kinds of request that came, in order, whatever became of them. */
  readonly requests: readonly MessageType[]
  /** Replaces every planned fault; without arguments all is well again. */
  setFaults(...faults: readonly (FaultName | PlannedFault)[]): void
  /**
   * Listens on loopback, by real TLS and with a real proxy: where every fault of the catalog can be had, those of the
   * road too. Gives the settings of the transport for an agent. TLS goes by the machine's own clock: a virtual one must
   * begin near it.
   */
  listen(): Promise<{ settings: FaultNetwork['settings']; connections: FaultNetwork['connections'] }>
  /** Puts a fault on the road that `listen` has laid; null clears it. */
  setConnectionFault(fault: ConnectionFaultName | null): Promise<void>
  /** Removes what it kept on disk. */
  close(): Promise<void>
}

/**
 * Makes an authority for tests, in a temporary directory, with handlers for MSW and a road of real sockets.
 *
 * @example
 * const mock = await mockAuthority({ faults: [{ fault: 'error503', times: 2 }] })
 * const server = setupServer(...mock.handlers)
 */
export async function createMockAuthority(options: MockAuthorityOptions = {}): Promise<MockAuthority> {
  const { url = 'https://authority.test', account = 'acme.example' } = options
  const directory = mkdtempSync(join(tmpdir(), 'smart-licensing-mock-'))
  const clock = options.clock && { clock: options.clock }
  await Authority.init({ dataDir: directory, account, acceptAgreement: true, test: true, ...clock })
  const authority = await Authority.open({ dataDir: directory, ...clock })
  const plan = new FaultPlan([], options.random)
  const injector = new Injector(plan, () => (options.clock ?? systemClock).wall())
  const requests: MessageType[] = []
  let network: FaultNetwork | null = null

  const setFaults: MockAuthority['setFaults'] = (...faults) => {
    const names = faults.map((one) => (typeof one === 'string' ? one : one.fault))
    const connectionFault = names.find((name) => isFault(name) && isConnectionFault(name))
    if (connectionFault !== undefined)
      throw new TypeError(
        `${connectionFault} is a fault of the road: listen(), and setRoad('${connectionFault}')`,
      )
    plan.set(faults)
  }
  setFaults(...(options.faults ?? []))

  const answer = async (type: MessageType, body: string): Promise<Response> => {
    requests.push(type)
    const decide = () =>
      authority.operations.server.inject({ method: 'POST', path: getMessagePath(type), body })
    return toMswResponse((await injector.answer(type, decide)).delivery)
  }

  return {
    url,
    authority,
    trustAnchor: authority.trustAnchor(),
    get requests() {
      return [...requests, ...authority.operations.server.faultRequestLog().map(({ type }) => type)]
    },
    setFaults,
    handlers: messageTypeSchema.options.map((type) =>
      http.post(`${url}${getMessagePath(type)}`, async ({ request }) => answer(type, await request.text())),
    ),
    listen: async () => {
      if (!network) {
        const served = await authority.listen({ host: 'localhost', port: 0, chaos: plan })
        network = await startFaultNetwork(Number(new URL(served).port), (facts) =>
          authority.operations.server.createTestTls(facts),
        )
      }
      return network
    },
    setConnectionFault: async (fault) => {
      if (!network) throw new TypeError('there is no road yet: listen() lays one')
      await network.setFault(fault)
    },
    close: async () => {
      await network?.close()
      await authority.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
