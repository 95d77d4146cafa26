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
  type RoadFaultName,
} from '../src/faults/index.ts'
import type { Clock } from '../src/core/clock.ts'
import { systemClock } from '../src/core/system-clock.ts'
import { exchangePath, type ExchangeType, exchangeTypeSchema } from '../src/protocol/messages.ts'
import { toResponse } from './to-msw-response.ts'
import { isRoadFault, layRoad, type Road } from './fault-network.ts'

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
  readonly requests: readonly ExchangeType[]
  /** Replaces every planned fault; without arguments all is well again. */
  setFaults(...faults: readonly (FaultName | PlannedFault)[]): void
  /**
   * Listens on loopback, by real TLS and with a real proxy: where every fault of the catalogue can be had, those of the
   * road too. Gives the settings of the transport for an agent. TLS goes by the machine's own clock: a virtual one must
   * begin near it.
   */
  listen(): Promise<{ settings: Road['settings']; connections: Road['connections'] }>
  /** Puts a fault on the road that `listen` has laid; null clears it. */
  setRoad(fault: RoadFaultName | null): Promise<void>
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
export async function mockAuthority(options: MockAuthorityOptions = {}): Promise<MockAuthority> {
  const { url = 'https://authority.test', account = 'acme.example' } = options
  const directory = mkdtempSync(join(tmpdir(), 'smart-licensing-mock-'))
  const clock = options.clock && { clock: options.clock }
  await Authority.init({ dataDir: directory, account, acceptAgreement: true, test: true, ...clock })
  const authority = await Authority.open({ dataDir: directory, ...clock })
  const plan = new FaultPlan([], options.random)
  const injector = new Injector(plan, () => (options.clock ?? systemClock).wall())
  const requests: ExchangeType[] = []
  let road: Road | null = null

  const setFaults: MockAuthority['setFaults'] = (...faults) => {
    const names = faults.map((one) => (typeof one === 'string' ? one : one.fault))
    const onRoad = names.find((name) => isFault(name) && isRoadFault(name))
    if (onRoad !== undefined)
      throw new TypeError(`${onRoad} is a fault of the road: listen(), and setRoad('${onRoad}')`)
    plan.set(faults)
  }
  setFaults(...(options.faults ?? []))

  const answer = async (type: ExchangeType, body: string): Promise<Response> => {
    requests.push(type)
    const decide = () =>
      authority.operations.server.inject({ method: 'POST', path: exchangePath(type), body })
    return toResponse((await injector.answer(type, decide)).delivery)
  }

  return {
    url,
    authority,
    trustAnchor: authority.trustAnchor(),
    get requests() {
      return [...requests, ...authority.operations.server.faultRequestLog().map(({ type }) => type)]
    },
    setFaults,
    handlers: exchangeTypeSchema.options.map((type) =>
      http.post(`${url}${exchangePath(type)}`, async ({ request }) => answer(type, await request.text())),
    ),
    listen: async () => {
      if (!road) {
        const served = await authority.listen({ host: 'localhost', port: 0, chaos: plan })
        road = await layRoad(Number(new URL(served).port), (facts) =>
          authority.operations.server.createTestTls(facts),
        )
      }
      return road
    },
    setRoad: async (fault) => {
      if (!road) throw new TypeError('there is no road yet: listen() lays one')
      await road.set(fault)
    },
    close: async () => {
      await road?.close()
      await authority.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
