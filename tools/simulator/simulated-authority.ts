import { z } from 'zod'
import { Authority, type TokenDocument } from '../../src/authority/index.ts'
import type { ProductProfile } from '../../src/core/profile.ts'
import type { Reply } from '../../src/faults/index.ts'
import { toLicensingError, type ErrorCode, LicensingError } from '../../src/core/errors.ts'
import { HOUR, SECOND } from '../../src/core/time.ts'
import {
  type Answer,
  type RequestType,
  requestTypeSchema,
  type SignedMessage,
} from '../../src/protocol/messages.ts'
import { SYNC_PATH } from '../../src/protocol/sync.ts'
import type { Transport } from '../../src/transports/transport.ts'
import { type RequestHandler, SimulatedLink } from './network.ts'
import { decodePayloadUnverified } from '../../src/pki/signed-message.ts'
import { Computer } from './computer.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedDisk } from './disk.ts'
import { type Invariant, Violation, formatErrorWithStack } from './invariants.ts'
import type { EventScheduler } from './event-scheduler.ts'

/** Start of every simulation. */
export const START_TIME = Date.parse('2027-01-01T00:00:00Z')
const ACCOUNT = 'example.com'
/** Virtual accounts of the manager, the default one first. */
export const VIRTUAL_ACCOUNTS = ['Default', 'Branch'] as const

const templates = new Map<string, Promise<SimulatedDisk>>()

/** Returns the disk of a new authority. It is created once per process and profile, because key generation is slow. */
export function authorityTemplate(profile?: ProductProfile): Promise<SimulatedDisk> {
  const key = JSON.stringify(profile ?? null)
  const template = templates.get(key) ?? createTemplate(profile)
  templates.set(key, template)
  return template
}

async function createTemplate(profile: ProductProfile | undefined): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk('template')
  const computer = { wall: () => START_TIME, monotonic: () => 1, uptime: () => 1, bootId: () => 'template' }
  await Authority.init({
    dataDir: disk.directory,
    account: ACCOUNT,
    acceptAgreement: true,
    clock: computer,
    ...(profile && { profile }),
  })
  const authority = await Authority.open({ dataDir: disk.directory, clock: computer })
  await authority.accounts.addVirtualAccount(VIRTUAL_ACCOUNTS[1])
  await authority.reservations.enable()
  await authority.close()
  return disk
}

/** Simulated computer with the real authority program. Checks the invariants of the authority. */
export class SimulatedAuthority {
  readonly computer: Computer
  authority: Authority | null = null
  /** Registration tokens, the newest last. */
  readonly tokens: TokenDocument[] = []
  /** Root certificate as PEM. Empty until the authority was opened. */
  trust = ''
  /** Name in the trace. */
  readonly name: string
  /** Link from a satellite to its manager. Null for the manager. */
  readonly link: SimulatedLink | null
  readonly #timeline: EventScheduler
  readonly #log: (subject: string, message: string) => void
  readonly #recordOutput: (text: string) => void
  readonly #violated: (violation: Violation) => void
  readonly #satelliteAccounts = new Set<string>()
  /** First decision on each message, by message id. */
  readonly #decisions = new Map<string, Answer['decision']>()
  #awayUntil = -Infinity

  constructor(parts: {
    timeline: EventScheduler
    random: SeededRandom
    log: (subject: string, message: string) => void
    recordOutput: (text: string) => void
    violated: (violation: Violation) => void
    name: string
    /** Request handler of the manager. Set for a satellite only. */
    manager?: RequestHandler
  }) {
    this.name = parts.name
    this.#timeline = parts.timeline
    this.#log = parts.log
    this.#recordOutput = parts.recordOutput
    this.#violated = parts.violated
    this.computer = new Computer(parts.name.replaceAll(/\W+/g, '-'), parts.timeline, parts.random)
    const { manager: answering, timeline, random } = parts
    this.link = answering
      ? new SimulatedLink({
          device: this.computer,
          timeline,
          random,
          answering,
          after: () => undefined,
          log: (message) => {
            this.#log(this.name, message)
          },
        })
      : null
  }

  #violate(invariant: Invariant, message: string): void {
    this.#violated(new Violation(invariant, `${this.name}: ${message}`))
  }

  async start(): Promise<void> {
    const { link } = this
    const { generation } = this.computer
    const writeLine = (message: string, fields?: object) => {
      this.#recordOutput(`${message} ${JSON.stringify(fields ?? {})}`)
    }
    try {
      const authority = await Authority.open({
        dataDir: this.computer.disk.directory,
        clock: this.computer.clock,
        logger: { info: writeLine, error: writeLine },
        ...(link && { createTransport: () => wrapInJson(link.transport()) }),
      })
      if (this.computer.generation !== generation) return
      this.authority = authority
      if (link === null) this.trust = authority.trustAnchor()
    } catch (error) {
      if (this.computer.generation !== generation) return
      const { code, message } = toLicensingError(error)
      if (code === 'STORE_FULL') this.computer.schedule(HOUR, () => this.authority === null && this.start())
      else this.#violate('state-readable', `the data directory cannot be opened: ${code}: ${message}`)
    }
  }

  /** Starts a synchronization if one is due. Does not wait for its end. */
  tick(): void {
    this.#synchronize((sync) => sync.runDue())
  }

  /** Starts a synchronization, as an administrator does. Does not wait for its end. */
  synchronize(): void {
    this.#synchronize((sync) => sync.run())
  }

  #synchronize(start: (sync: Authority['sync']) => Promise<unknown>): void {
    const { authority } = this
    const { generation } = this.computer
    if (!authority || this.link === null || this.computer.power !== 'on') return
    start(authority.sync).catch((error: unknown) => {
      if (this.computer.generation !== generation || this.authority !== authority) return
      this.#toErrorCode(error)
      this.#log(this.name, `cannot synchronize: ${toLicensingError(error).code}`)
    })
  }

  /** Returns whether a virtual account belongs to a satellite of this manager. */
  isSatelliteAccount(virtualAccount: string): boolean {
    return this.#satelliteAccounts.has(virtualAccount)
  }

  schedulePowerOff(after: number, off: number): void {
    if (this.computer.power === 'off') return
    this.computer.schedulePowerOff(after, () => {
      this.#log(this.name, `loses power at write ${after}, for ${Math.round(off / SECOND)} s`)
      this.authority = null
      this.computer.schedule(off, async () => {
        if (this.computer.power !== 'off') return
        this.computer.boot()
        await this.start()
      })
    })
  }

  /** Refuses all connections until an instant. */
  becomeUnreachable(until: number): void {
    this.#awayUntil = Math.max(this.#awayUntil, until)
  }

  async restore(): Promise<void> {
    this.#awayUntil = -Infinity
    this.link?.restore()
    this.computer.restore()
    if (this.authority === null) {
      this.computer.generation++
      await this.start()
    }
  }

  /** Returns the answer to a request, or the error code of a failed server. */
  async answer(path: string, body: string): Promise<Reply | ErrorCode> {
    const { authority } = this
    const { generation } = this.computer
    if (!authority || this.computer.power !== 'on' || this.#timeline.now() < this.#awayUntil)
      return 'CONNECTION_REFUSED'
    try {
      const answer = await this.#untilPowerOff(this.#respond(authority, path, body))
      if (answer === null) return 'CONNECTION_RESET'
      return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) }
    } catch (error) {
      if (this.computer.generation !== generation) return 'CONNECTION_RESET'
      return this.#toErrorCode(error)
    }
  }

  async #respond(authority: Authority, path: string, body: string): Promise<object> {
    if (path === SYNC_PATH) {
      const { request } = JSON.parse(body) as { request: string }
      return { answer: await authority.satellites.respondOnline(request) }
    }
    const type = requestTypeSchema.parse(path.split('/').at(-1))
    const signed = await authority.operations.endpoint.handle(type, JSON.parse(body))
    this.#checkDecision(type, signed)
    return signed
  }

  /** Resolves to the result of a promise, or to null if the power fails before that. */
  async #untilPowerOff<T>(work: Promise<T>): Promise<T | null> {
    work.catch(() => undefined)
    return Promise.race([work, this.computer.poweredOff])
  }

  #toErrorCode(error: unknown): ErrorCode {
    const { code, message } = toLicensingError(error)
    this.#recordOutput(message)
    if (code === 'INTERNAL') this.#violate('errors-closed', formatErrorWithStack(error))
    return code === 'AUTHORITY_BUSY'
      ? 'AUTHORITY_UNAVAILABLE'
      : code.startsWith('STORE_')
        ? 'AUTHORITY_FAILED'
        : 'AUTHORITY_REJECTED'
  }

  /**
   * Checks that a repeated message gets the same accepted answer. The virtual account of a registration may differ: the answer
   * names the present one.
   */
  #checkDecision(type: RequestType, signed: SignedMessage): void {
    const { messageId, decision } = decodePayloadUnverified(signed) as Answer
    const before = this.#decisions.get(messageId)
    if (!before) {
      this.#decisions.set(messageId, decision)
      return
    }
    const isAccepted = decision.outcome === 'accepted' && before.outcome === 'accepted'
    const ignored = type === 'register' ? { virtualAccount: null } : {}
    if (
      isAccepted &&
      JSON.stringify({ ...decision, ...ignored }) !== JSON.stringify({ ...before, ...ignored })
    )
      this.#violate('answered-once', `a repeated message of the type ${type} got a different accepted answer`)
  }

  /** Runs an action of an administrator. Returns null if the authority refuses the action or has no power. */
  async act<T>(action: (authority: Authority) => Promise<T>): Promise<T | null> {
    const { authority } = this
    const { generation } = this.computer
    if (!authority || this.computer.power !== 'on') return null
    try {
      return await this.#untilPowerOff(action(authority))
    } catch (error) {
      if (this.computer.generation !== generation) return null
      this.#toErrorCode(error)
      this.#log(this.name, `refuses with ${toLicensingError(error).code}`)
      return null
    }
  }

  /** Adds a satellite to this manager. @returns the one-time enrollment code */
  async addSatellite(name: string): Promise<string> {
    const virtualAccount = name.toUpperCase()
    this.#satelliteAccounts.add(virtualAccount)
    const added = await this.act((authority) => authority.satellites.add(name, { virtualAccount }))
    if (!added) throw new Error('The satellite could not be added.')
    return added.code
  }

  /** Initializes this computer as a satellite of a manager. */
  async becomeSatellite(name: string, manager: SimulatedAuthority): Promise<void> {
    const code = await manager.addSatellite(name)
    this.trust = manager.trust
    await Authority.init({
      dataDir: this.computer.disk.directory,
      account: ACCOUNT,
      acceptAgreement: true,
      clock: this.computer.clock,
      satellite: {
        name,
        trust: manager.trust,
        code,
        manager: { kind: 'direct', url: 'https://manager.test' },
      },
    })
    await this.start()
  }

  async createToken(virtualAccount: string): Promise<void> {
    const token = await this.act((authority) => authority.tokens.create({ virtualAccount, days: 365 }))
    if (token) this.tokens.push(token)
  }

  /** Checks the sums of the pools, and that no device has two product instances. */
  async check(): Promise<void> {
    const listed = await this.act(async (authority) => ({
      licenses: await authority.licenses.list(),
      instances: await authority.instances.list(),
    }))
    if (!listed) return
    const used = new Map<string, number>()
    const serials = new Set<string>()
    // A satellite counts the instances that it has reported itself.
    for (const { virtualAccount, entitlements, status, udi, satellite } of listed.instances) {
      if (satellite !== null) continue
      if (serials.has(udi.serial))
        this.#violate('no-double-instance', `${udi.serial} has two product instances`)
      serials.add(udi.serial)
      if (status === 'reserved') continue
      for (const { tag, count } of entitlements) {
        const pool = `${tag} of ${virtualAccount}`
        used.set(pool, (used.get(pool) ?? 0) + count)
      }
    }
    for (const { virtualAccount, tag, inUse } of listed.licenses) {
      if (this.#satelliteAccounts.has(virtualAccount)) continue
      const pool = `${tag} of ${virtualAccount}`
      if (inUse !== (used.get(pool) ?? 0))
        this.#violate(
          'pool-sum',
          `the pool ${pool} counts ${inUse} in use, but its instances use ${used.get(pool) ?? 0}`,
        )
    }
  }

  async listOutputs(): Promise<string[]> {
    const events = await this.act((authority) => authority.operations.events.list({ limit: 10_000 }))
    return (events ?? []).map((event) => JSON.stringify(event))
  }

  async close(): Promise<void> {
    const { authority } = this
    this.computer.generation++
    this.authority = null
    await authority?.close().catch(() => undefined)
    this.computer.remove()
  }
}

const answerSchema = z.object({ answer: z.string() })

/** Wraps the texts of a satellite in JSON, since the faults of a simulated link apply to JSON messages. */
const wrapInJson = (transport: Transport): Transport => ({
  post: async (path, request) => {
    const parsed = answerSchema.safeParse(JSON.parse(await transport.post(path, JSON.stringify({ request }))))
    if (parsed.success) return parsed.data.answer
    throw new LicensingError('ANSWER_MALFORMED', 'The answer is not a synchronization answer.')
  },
  close: (options) => {
    transport.close(options)
  },
})
