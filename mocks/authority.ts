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
import type { ProfileInput } from '../src/core/profile.ts'
import { systemClock } from '../src/core/system-clock.ts'
import { getMessagePath, type MessageType, messageTypeSchema } from '../src/protocol/messages.ts'
import { toMswResponse } from './to-msw-response.ts'
import { isConnectionFault, startFaultNetwork, type FaultNetwork } from './fault-network.ts'

export interface MockAuthorityOptions {
  /**
   * URL at which MSW intercepts requests. Any https URL without a real server will do. Default:
   * https://authority.test
   */
  readonly url?: string
  /** Domain of the smart account. Default: acme.example */
  readonly account?: string
  /** Profile of the product, with its tags and SKUs. Default: the conferencing profile */
  readonly profile?: ProfileInput
  readonly clock?: Clock
  /** Initial faults, by name or with a plan. `setFaults` replaces them. */
  readonly faults?: readonly (FaultName | PlannedFault)[]
  /** Random numbers from 0 up to 1, for faults with a probability. Default: Math.random */
  readonly random?: () => number
}

/** Real authority for tests, with faults between agent and authority. */
export interface MockAuthority {
  /** Handlers for `setupServer(...handlers)` of `msw/node`. Connection faults require `listen()` instead. */
  readonly handlers: readonly RequestHandler[]
  readonly url: string
  /** Real authority, to create orders and tokens and to inspect instances and events. */
  readonly authority: Authority
  /** Root certificate for the agent's option `trust`: PEM. */
  readonly trustAnchor: string
  /** Types of all received requests, in order. */
  readonly requests: readonly MessageType[]
  /** Replaces all planned faults. Removes them if called without arguments. */
  setFaults(...faults: readonly (FaultName | PlannedFault)[]): void
  /**
   * Listens on loopback with real TLS and a real proxy, for every fault of the catalog including connection faults.
   * Returns the transport settings for an agent. TLS uses the machine's clock, so a virtual clock must start near it.
   */
  listen(): Promise<{ settings: FaultNetwork['settings']; connections: FaultNetwork['connections'] }>
  /** Sets a connection fault on the network that `listen` started. Null removes the fault. */
  setConnectionFault(fault: ConnectionFaultName | null): Promise<void>
  /** Closes the authority and deletes its temporary directory. */
  close(): Promise<void>
}

/**
 * Creates an authority for tests in a temporary directory, with handlers for MSW and a network of real sockets.
 *
 * @example
 * const mock = await createMockAuthority({ faults: [{ fault: 'error503', times: 2 }] })
 * const server = setupServer(...mock.handlers)
 */
export async function createMockAuthority(options: MockAuthorityOptions = {}): Promise<MockAuthority> {
  const { url = 'https://authority.test', account = 'acme.example', profile } = options
  const directory = mkdtempSync(join(tmpdir(), 'smart-licensing-mock-'))
  const clock = options.clock && { clock: options.clock }
  await Authority.init({
    dataDir: directory,
    account,
    acceptAgreement: true,
    test: true,
    ...(profile && { profile }),
    ...clock,
  })
  const authority = await Authority.open({ dataDir: directory, ...clock })
  const plan = new FaultPlan([], options.random)
  const injector = new Injector(plan, () => (options.clock ?? systemClock).wall())
  const requests: MessageType[] = []
  let network: FaultNetwork | null = null

  const setFaults: MockAuthority['setFaults'] = (...faults) => {
    const names = faults.map((planned) => (typeof planned === 'string' ? planned : planned.fault))
    const connectionFault = names.find((name) => isFault(name) && isConnectionFault(name))
    if (connectionFault !== undefined)
      throw new TypeError(
        `${connectionFault} is a connection fault. Call listen() and then setConnectionFault('${connectionFault}').`,
      )
    plan.set(faults)
  }
  setFaults(...(options.faults ?? []))

  const respond = async (type: MessageType, body: string): Promise<Response> => {
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
      http.post(`${url}${getMessagePath(type)}`, async ({ request }) => respond(type, await request.text())),
    ),
    listen: async () => {
      if (!network) {
        const authorityUrl = await authority.listen({ host: 'localhost', port: 0, chaos: plan })
        network = await startFaultNetwork(Number(new URL(authorityUrl).port), (details) =>
          authority.operations.server.createTestTls(details),
        )
      }
      return network
    },
    setConnectionFault: async (fault) => {
      if (!network) throw new TypeError('The mock authority does not listen. Call listen() first.')
      await network.setFault(fault)
    },
    close: async () => {
      await network?.close()
      await authority.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
