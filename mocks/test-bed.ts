import { createPrivateKey, createPublicKey } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { getTimeUntilDue } from '../machines/what-if.ts'
import { DAY } from '../src/core/time.ts'
import { faultCatalog, isFault } from '../src/faults/index.ts'
import { SmartAgent } from '../src/index.ts'
import {
  createTlsCa,
  type Credential,
  generateKey,
  issueTlsCertificate,
} from '../src/pki/certificate-generation.ts'
import {
  createMockAuthorityParts,
  type MockAuthorityParts,
  type PlannedAnswerFault,
} from './authority-parts.ts'
import { type Duration, toMilliseconds } from './durations.ts'
import { requireRealTimers } from './fake-timers.ts'
import { type FaultChange, listTimeline } from './list-timeline.ts'
import { readMachineTime } from './machine-time.ts'
import type { CreateAuthorityCredential } from './network/fault-credentials.ts'
import type { FaultNetwork } from './network/fault-network.ts'
import type { PlannedConnectionFault } from './network/fault-schedule.ts'
import type { BedFault, TestBed, TestBedOptions } from './test-bed.types.ts'
import { splitFaults } from './split-faults.ts'
import { createTemporaryDirectory } from './temporary-directory.ts'
import type { TimelineEntry } from './timeline.ts'
import { VirtualClock } from './virtual-clock.ts'

const DEFAULT_PRODUCT = { pid: 'TEST', serial: 'TEST-1', version: '1.0' }
/** Time that passes at least in one step, so that a due date without an effect does not hold a test. */
const MIN_STEP: Duration = '1s'

type Options<Api, StatusPart extends object, Tag extends string> = TestBedOptions<Api, StatusPart, Tag>

/** Opens a test bed. @throws as `createTestBed` */
export async function openTestBed<Api, StatusPart extends object, Tag extends string>(
  options: Options<Api, StatusPart, Tag>,
): Promise<TestBed<Api, StatusPart, Tag>> {
  requireRealTimers()
  const faults = splitBedFaults(options.faults ?? [])
  const { proxy, random, satellite = false } = options
  const clock = new VirtualClock(toInstant(options.start))
  const profile = options.profile ?? options.module?.profile
  const mock = await createMockAuthorityParts({
    clock,
    satellite,
    ...(options.licenses && { licenses: options.licenses }),
    ...(profile && { profile }),
    ...(random && { random }),
  })
  const dataDir = join(createTemporaryDirectory('smart-licensing-bed-'), 'agent')
  try {
    const tls = await createNetworkCa()
    const network = await mock.startNetwork(tls.issue, proxy && { proxy })
    mock.setFaults(...faults.answers)
    const setup = { mock, network, clock, dataDir, tlsCa: tls.certificate }
    const open = () => openAgent(options, setup)
    const agent = await open()
    await network.setFault(faults.connection)
    return new OpenTestBed(setup, { agent, open }, options.faults ?? [])
  } catch (error) {
    await mock.close()
    rmSync(join(dataDir, '..'), { recursive: true, force: true })
    throw error
  }
}

interface Setup {
  readonly mock: MockAuthorityParts
  readonly network: FaultNetwork
  readonly clock: VirtualClock
  readonly dataDir: string
  readonly tlsCa: string
}

function openAgent<Api, StatusPart extends object, Tag extends string>(
  options: Options<Api, StatusPart, Tag>,
  { mock, network, clock, dataDir, tlsCa }: Setup,
): Promise<SmartAgent<Api, StatusPart, Tag>> {
  const { product = DEFAULT_PRODUCT, profile, module, logger, inspect, deadlines, proxy } = options
  const transport = network.settings(options.transport ?? (proxy ? 'proxy' : 'direct'))
  return SmartAgent.open({
    dataDir,
    product,
    transport,
    trust: mock.trustAnchor,
    tlsCa,
    clock,
    heartbeat: false,
    lookup: network.lookup,
    ...(profile && { profile }),
    ...(module && { module }),
    ...(logger && { logger }),
    ...(inspect && { inspect }),
    ...(deadlines && { deadlines }),
  })
}

class OpenTestBed<Api, StatusPart extends object, Tag extends string> implements TestBed<
  Api,
  StatusPart,
  Tag
> {
  readonly #setup: Setup
  readonly #open: () => Promise<SmartAgent<Api, StatusPart, Tag>>
  readonly #faultChanges: FaultChange[] = []
  #agent: SmartAgent<Api, StatusPart, Tag>
  #closing: Promise<void> | null = null

  constructor(
    setup: Setup,
    opened: {
      agent: SmartAgent<Api, StatusPart, Tag>
      open: () => Promise<SmartAgent<Api, StatusPart, Tag>>
    },
    faults: readonly BedFault[],
  ) {
    this.#setup = setup
    this.#agent = opened.agent
    this.#open = opened.open
    if (faults.length > 0) this.#noteFaults(faults)
  }

  get agent(): SmartAgent<Api, StatusPart, Tag> {
    return this.#agent
  }
  get authority() {
    return this.#setup.mock.authority
  }
  get satellite() {
    return this.#setup.mock.satellite
  }
  get clock() {
    return this.#setup.clock
  }
  get network() {
    return this.#setup.network
  }
  get dataDir() {
    return this.#setup.dataDir
  }
  get trust() {
    return { trust: this.#setup.mock.trustAnchor, tlsCa: this.#setup.tlsCa }
  }
  get requests() {
    return this.#setup.mock.requests
  }

  async token(): Promise<string> {
    return (await this.#setup.mock.licenseServer.tokens.create({ days: 30, maxUses: 1 })).token
  }

  async register(): Promise<void> {
    requireRealTimers()
    await this.#agent.register(await this.token())
  }

  async advance(duration: Duration, { step = MIN_STEP }: { step?: Duration } = {}): Promise<void> {
    requireRealTimers()
    const { clock } = this.#setup
    const minimum = Math.max(1, toMilliseconds(step))
    const end = clock.monotonic() + toMilliseconds(duration)
    while (clock.monotonic() < end) {
      const due = getTimeUntilDue(this.#agent.snapshot, this.#agent.now) ?? Infinity
      clock.advance(Math.min(end - clock.monotonic(), Math.max(minimum, due)))
      this.#agent.tick()
      await this.#agent.idle()
    }
  }

  async settle(): Promise<void> {
    requireRealTimers()
    await this.#agent.flushUsage()
    this.#agent.tick()
    await this.#agent.idle()
  }

  async setFaults(...faults: readonly BedFault[]): Promise<void> {
    const { answers, connection } = splitBedFaults(faults)
    const { mock, network } = this.#setup
    await network.setFault(connection)
    mock.setFaults(...answers)
    this.#noteFaults(faults)
  }

  async restart(): Promise<void> {
    requireRealTimers()
    await this.#agent.close()
    this.#agent = await this.#open()
  }

  timeline(): TimelineEntry[] {
    return listTimeline(this.#agent, this.requests, this.#faultChanges)
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #noteFaults(faults: readonly BedFault[]): void {
    this.#faultChanges.push({ at: this.#setup.clock.wall(), faults: faults.map(toFaultName) })
  }

  async #closeAll(): Promise<void> {
    const { mock, dataDir } = this.#setup
    await this.#agent.close()
    await mock.close()
    rmSync(join(dataDir, '..'), { recursive: true, force: true })
  }
}

/** Separates the faults of a bed by where they occur. @throws TypeError for an unknown name, with the names */
function splitBedFaults(faults: readonly BedFault[]): ReturnType<typeof splitFaults> {
  const unknown = faults.map(toFaultName).find((name) => !isFault(name))
  if (unknown !== undefined)
    throw new TypeError(
      `${JSON.stringify(unknown)} is not a fault. The faults are ${Object.keys(faultCatalog).join(', ')}.`,
    )
  return splitFaults(
    faults.map((fault) =>
      typeof fault === 'string' ? ({ fault } as PlannedAnswerFault | PlannedConnectionFault) : fault,
    ),
  )
}

const toFaultName = (fault: BedFault): string => (typeof fault === 'string' ? fault : fault.fault)

function toInstant(start: Date | string | number | undefined): number {
  const instant = start === undefined ? Date.now() : new Date(start).getTime()
  if (Number.isNaN(instant)) throw new TypeError(`${String(start)} is not a time at which a clock can start.`)
  return instant
}

/**
 * Creates a CA for the TLS of a network. TLS is verified with the machine's clock, so the certificates of the authority, which
 * are dated by a virtual clock, would not do.
 */
async function createNetworkCa(): Promise<{ certificate: string; issue: CreateAuthorityCredential }> {
  const now = readMachineTime()
  const ca = await createTlsCa({
    name: 'Smart Licensing Test Network CA',
    notBefore: now - 30 * DAY,
    notAfter: now + 60 * DAY,
  })
  const issue = async (details: Parameters<CreateAuthorityCredential>[0]): Promise<Credential> => {
    const privateKey = createPrivateKey(await generateKey())
    const [name = 'localhost'] = details.hosts
    const certificate = await issueTlsCertificate(ca, createPublicKey(privateKey), { name, ...details })
    return { certificates: [certificate, ca.certificate], privateKey }
  }
  return { certificate: ca.certificate, issue }
}
