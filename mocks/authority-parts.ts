import { rmSync } from 'node:fs'
import type { Server } from 'node:https'
import { join } from 'node:path'
import { Authority } from '../src/authority/index.ts'
import type { Clock } from '../src/core/clock.ts'
import { LicensingError } from '../src/core/errors.ts'
import type { ProfileInput } from '../src/core/profile.ts'
import { systemClock } from '../src/core/system-clock.ts'
import { DAY, HOUR, type Instant } from '../src/core/time.ts'
import {
  type AnswerFaultName,
  type ConnectionFaultName,
  type Delivery,
  FaultPlan,
  Injector,
  isAnswerFault,
  isFault,
  type PlannedFault,
} from '../src/faults/index.ts'
import type { Credential } from '../src/pki/certificate-generation.ts'
import { getMessagePath, type MessageType } from '../src/protocol/messages.ts'
import { createAnswerServer } from './answer-server.ts'
import { readMachineTime } from './machine-time.ts'
import { type CreateAuthorityCredential, HOSTS } from './network/fault-credentials.ts'
import { FaultNetwork, type NetworkSetup } from './network/fault-network.ts'
import type { PlannedConnectionFault } from './network/fault-schedule.ts'
import { LoopbackPort } from './network/servers.ts'
import { createTemporaryDirectory } from './temporary-directory.ts'
import { VirtualTime } from './virtual-time.ts'

/** Virtual account whose licenses a satellite manages. */
const SATELLITE_ACCOUNT = 'Satellite'

/** Planned fault of an answer. */
export interface PlannedAnswerFault extends PlannedFault {
  readonly fault: AnswerFaultName
}

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
  readonly faults?: readonly (AnswerFaultName | PlannedAnswerFault)[]
  /** Random numbers from 0 up to 1, for faults with a probability. Default: Math.random */
  readonly random?: () => number
}

/** Request that came to the mock. */
export interface MockRequest {
  readonly at: Instant
  readonly type: MessageType
  /** Signed content of the request, such as the counts of an `authorize`. Null for a body that is no message. */
  readonly payload: Readonly<Record<string, unknown>> | null
  /** Injected fault. Null for none */
  readonly fault: AnswerFaultName | null
  /** Status of the answer. Null without one */
  readonly status: number | null
}

/** Mocked authority, with the parts that the handlers of MSW, a test bed or a lab set up. */
export interface MockAuthorityParts {
  /** Real authority, to create orders and tokens and to inspect instances and events. */
  readonly authority: Authority
  /** Root certificate for the agent's option `trust`: PEM. */
  readonly trustAnchor: string
  /** Received requests, oldest first. */
  readonly requests: readonly MockRequest[]
  /** Replaces all planned faults of answers. Removes them if called without arguments. @throws TypeError, LicensingError CHAOS_INVALID */
  setFaults(...faults: readonly (AnswerFaultName | PlannedAnswerFault)[]): void
  /**
   * Listens on loopback with real TLS and a real proxy, for every fault of the catalog. Returns the network, whose `settings`
   * are the transport settings for an agent.
   *
   * @throws TypeError for a virtual clock that is ahead of the machine's clock, by which TLS is verified
   */
  listen(setup?: Pick<NetworkSetup, 'proxy'>): Promise<FaultNetwork>
  /** Sets a fault of names, connections or the proxy on the network that `listen` started. Null removes it. @throws TypeError */
  setConnectionFault(fault: ConnectionFaultName | PlannedConnectionFault | null): Promise<void>
  /** Closes the authority and deletes its temporary directory. */
  close(): Promise<void>
  /** Answers one request, with the faults that are planned. */
  respond(type: MessageType, body: string): Promise<Delivery>
  readonly time: VirtualTime
  /** Satellite that answers in the place of the authority. Null without one */
  readonly satellite: Authority | null
  /** Authority that answers the devices: the satellite, if there is one. */
  readonly licenseServer: Authority
  /** Starts the network with other TLS credentials than the authority's. */
  startNetwork(create: CreateAuthorityCredential, setup?: NetworkSetup): Promise<FaultNetwork>
}

interface PartsOptions extends MockAuthorityOptions {
  /** True for a satellite that answers in the place of the authority. */
  readonly satellite?: boolean
  /** Purchased licenses, by tag. They are those of the satellite, if there is one. */
  readonly licenses?: Readonly<Partial<Record<string, number>>>
}

/** Creates a mocked authority without the handlers of MSW. @throws LicensingError PROFILE_INVALID, UNKNOWN_TAG */
export async function createMockAuthorityParts(options: PartsOptions): Promise<MockAuthorityParts> {
  const directory = createTemporaryDirectory('smart-licensing-mock-')
  const opened: Authority[] = []
  try {
    return await openParts(options, directory, opened)
  } catch (error) {
    for (const authority of opened.toReversed()) await authority.close()
    rmSync(directory, { recursive: true, force: true })
    throw error
  }
}

/** @param opened receives each authority as soon as it is open */
async function openParts(
  options: PartsOptions,
  directory: string,
  opened: Authority[],
): Promise<MockAuthorityParts> {
  const { account = 'acme.example', profile, random } = options
  const clock = options.clock ?? systemClock
  const dataDir = join(directory, 'manager')
  await Authority.init({
    dataDir,
    account,
    acceptAgreement: true,
    test: true,
    clock,
    ...(profile && { profile }),
  })
  const authority = await Authority.open({ dataDir, clock })
  opened.push(authority)
  const satellite = options.satellite
    ? await openSatellite(authority, { dataDir: join(directory, 'satellite'), account, clock })
    : null
  if (satellite) opened.push(satellite)
  const licenseServer = satellite ?? authority
  const where = satellite ? { virtualAccount: SATELLITE_ACCOUNT } : {}
  for (const [tag, quantity] of Object.entries(options.licenses ?? {}))
    if (quantity !== undefined) await authority.orders.create({ tag, quantity, ...where })
  await satellite?.sync.run()
  const time = new VirtualTime(options.clock)
  const exchanges = new MockedExchanges(licenseServer, clock, time, random)
  exchanges.setFaults(options.faults ?? [])
  let network: { readonly network: FaultNetwork; readonly close: () => Promise<void> } | null = null

  const startNetwork: MockAuthorityParts['startNetwork'] = async (create, setup = {}) => {
    if (network) return network.network
    const now = readMachineTime()
    const dates = { notBefore: now - DAY, notAfter: now + 30 * DAY }
    const credential = await create({ ...dates, hosts: [...HOSTS, ...(setup.names ?? [])] })
    const answers = await serveAnswers(credential, exchanges, time)
    const started = await FaultNetwork.start({
      authorityPort: answers.port,
      credential,
      createAuthorityCredential: create,
      clock,
      time,
      random,
      ...setup,
    }).catch(async (error: unknown) => {
      await answers.close()
      throw error
    })
    network = {
      network: started,
      close: async () => {
        await started.close()
        await answers.close()
      },
    }
    return started
  }

  return {
    authority,
    satellite,
    licenseServer,
    trustAnchor: authority.trustAnchor(),
    get requests() {
      return exchanges.requests
    },
    setFaults: (...faults) => {
      exchanges.setFaults(faults)
    },
    respond: (type, body) => exchanges.respond(type, body),
    time,
    startNetwork,
    listen: (setup) => {
      if (clock.wall() > readMachineTime() + HOUR)
        throw new TypeError(
          'The virtual clock is ahead of the machine’s clock, by which TLS is verified. Start it with new VirtualClock(Date.now()), or use createTestBed.',
        )
      return startNetwork((details) => authority.operations.server.createTestTls(details), setup)
    },
    setConnectionFault: async (fault) => {
      if (!network) throw new TypeError('The mock authority does not listen. Call listen() first.')
      await network.network.setFault(fault)
    },
    close: async () => {
      await network?.close()
      await satellite?.close()
      await authority.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Answers requests by the real authority, with planned faults, and keeps the requests. */
class MockedExchanges {
  readonly #authority: Authority
  readonly #plan: FaultPlan
  readonly #injector: Injector
  readonly #clock: Clock
  readonly #requests: MockRequest[] = []

  constructor(authority: Authority, clock: Clock, time: VirtualTime, random: (() => number) | undefined) {
    this.#authority = authority
    this.#clock = clock
    this.#plan = new FaultPlan([], random)
    this.#injector = new Injector(
      this.#plan,
      () => clock.wall(),
      (milliseconds) => time.wait(milliseconds),
    )
  }

  get requests(): readonly MockRequest[] {
    return [...this.#requests]
  }

  /** @throws TypeError for a fault that is none of answers, LicensingError CHAOS_INVALID */
  setFaults(faults: readonly (AnswerFaultName | PlannedAnswerFault)[]): void {
    for (const planned of faults) {
      const name = typeof planned === 'string' ? planned : planned.fault
      if (!isFault(name) || isAnswerFault(name)) continue
      const wrong: string = name
      throw new TypeError(
        `${wrong} is a fault of names, connections or the proxy. Call listen() and then setConnectionFault('${wrong}').`,
      )
    }
    this.#plan.set(faults)
  }

  async respond(type: MessageType, body: string): Promise<Delivery> {
    const at = this.#clock.wall()
    const decide = () =>
      this.#authority.operations.server.inject({ method: 'POST', path: getMessagePath(type), body })
    const { delivery, fault } = await this.#injector.answer(type, decide)
    const status = delivery.kind === 'reply' ? delivery.status : null
    this.#requests.push({ at, type, payload: decodePayload(body), fault, status })
    return delivery
  }
}

/** Decodes the signed content of a message. */
function decodePayload(body: string): Record<string, unknown> | null {
  try {
    const { payload } = JSON.parse(body) as { payload?: string }
    return JSON.parse(Buffer.from(payload ?? '', 'base64url').toString('utf8')) as Record<string, unknown>
  } catch {
    return null
  }
}

/** Serves a mocked authority on a free port of loopback. */
async function serveAnswers(
  credential: Credential,
  exchanges: MockedExchanges,
  time: VirtualTime,
): Promise<{ port: number; close: () => Promise<void> }> {
  const servers: Server[] = []
  const port = new LoopbackPort(() => {
    const server = createAnswerServer(credential, (type, body) => exchanges.respond(type, body), time)
    servers.push(server)
    return server
  })
  await port.open()
  return {
    port: port.port,
    close: async () => {
      for (const server of servers) server.closeAllConnections()
      await port.close()
    },
  }
}

/** Opens a new satellite of a manager in the same process, whose exchanges with the manager have no faults. */
async function openSatellite(
  manager: Authority,
  { dataDir, account, clock }: { dataDir: string; account: string; clock: Clock },
): Promise<Authority> {
  const name = 'satellite'
  const { code } = await manager.satellites.add(name, { virtualAccount: SATELLITE_ACCOUNT })
  const trust = manager.trustAnchor()
  await Authority.init({
    dataDir,
    account,
    acceptAgreement: true,
    clock,
    satellite: { name, trust, code },
  })
  const post = async (path: string, body: string, headers: Readonly<Record<string, string>> = {}) => {
    const answer = await manager.operations.server.inject({ method: 'POST', path, body, headers })
    if (answer.status === 200) return answer.body
    throw new LicensingError('AUTHORITY_REJECTED', `The manager answered ${answer.status}.`)
  }
  const satellite = await Authority.open({
    dataDir,
    clock,
    createTransport: () => ({
      post: (path, body, _traceparent, headers) => post(path, body, headers),
      close: () => undefined,
    }),
  })
  await satellite.sync.setManager({ kind: 'direct', url: 'https://manager.test' })
  return satellite
}
