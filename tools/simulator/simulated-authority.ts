import { z } from 'zod'
import { Authority, type TokenDocument } from '../../src/authority/index.ts'
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

/** When every history begins. */
export const START_TIME = Date.parse('2027-01-01T00:00:00Z')
const ACCOUNT = 'example.com'
/** Its virtual accounts, the default one first. */
export const VIRTUAL_ACCOUNTS = ['Default', 'Branch'] as const

let template: Promise<SimulatedDisk> | undefined

/** An authority as it is delivered, made once: its keys take longer to make than many a history to happen. */
export function authorityTemplate(): Promise<SimulatedDisk> {
  template ??= (async () => {
    const disk = new SimulatedDisk('template')
    const computer = { wall: () => START_TIME, monotonic: () => 1, uptime: () => 1, bootId: () => 'template' }
    await Authority.init({
      dataDir: disk.directory,
      account: ACCOUNT,
      acceptAgreement: true,
      clock: computer,
    })
    const authority = await Authority.open({ dataDir: disk.directory, clock: computer })
    await authority.accounts.addVirtualAccount(VIRTUAL_ACCOUNTS[1])
    await authority.reservations.enable()
    await authority.close()
    return disk
  })()
  return template
}

/** The authority: its computer, its program as long as there is power, and what it must not say twice differently. */
export class SimulatedAuthority {
  readonly computer: Computer
  authority: Authority | null = null
  /** Registration tokens that were made, the newest last. */
  readonly tokens: TokenDocument[] = []
  /** Its root's certificate: PEM, once it was opened. */
  trust = ''
  /** As it is called in the story. */
  readonly name: string
  /** A satellite's road to its manager; null for the manager. */
  readonly link: SimulatedLink | null
  readonly #timeline: EventScheduler
  readonly #log: (who: string, what: string) => void
  readonly #say: (text: string) => void
  readonly #violated: (violation: Violation) => void
  /** Virtual accounts that belong to satellites. */
  readonly #satelliteAccounts = new Set<string>()
  /** What was decided on each message. */
  readonly #decided = new Map<string, Answer['decision']>()
  #awayUntil = -Infinity

  constructor(parts: {
    timeline: EventScheduler
    random: SeededRandom
    log: (who: string, what: string) => void
    say: (text: string) => void
    violated: (violation: Violation) => void
    name: string
    /** Of a satellite: what answers it. */
    manager?: RequestHandler
  }) {
    this.name = parts.name
    this.#timeline = parts.timeline
    this.#log = parts.log
    this.#say = parts.say
    this.#violated = parts.violated
    this.computer = new Computer(parts.name.replaceAll(/\W+/g, '-'), parts.timeline, parts.random)
    const { manager: answering, timeline, random } = parts
    this.link = answering
      ? new SimulatedLink({
          box: this.computer,
          timeline,
          random,
          answering,
          after: () => undefined,
          log: (what) => {
            this.#log(this.name, what)
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
    const line = (message: string, fields?: object) => {
      this.#say(`${message} ${JSON.stringify(fields ?? {})}`)
    }
    try {
      const authority = await Authority.open({
        dataDir: this.computer.disk.directory,
        clock: this.computer.clock,
        logger: { info: line, error: line },
        ...(link && { createTransport: () => wrapInJson(link.transport()) }),
      })
      if (this.computer.generation !== generation) return
      this.authority = authority
      if (link === null) this.trust = authority.trustAnchor()
    } catch (error) {
      if (this.computer.generation !== generation) return
      const { code, message } = toLicensingError(error)
      if (code === 'STORE_FULL') this.computer.schedule(HOUR, () => this.authority === null && this.start())
      else this.#violate('state-readable', `it does not open: ${code}: ${message}`)
    }
  }

  /** Does the synchronization that is due, if one is: nobody waits for it. */
  tick(): void {
    this.#synchronize((sync) => sync.runDue())
  }

  /** A person says that it should synchronize now: nobody waits for it. */
  synchronize(): void {
    this.#synchronize((sync) => sync.run())
  }

  #synchronize(how: (sync: Authority['sync']) => Promise<unknown>): void {
    const { authority } = this
    const { generation } = this.computer
    if (!authority || this.link === null || this.computer.power !== 'on') return
    how(authority.sync).catch((error: unknown) => {
      if (this.computer.generation !== generation || this.authority !== authority) return
      this.#toErrorCode(error)
      this.#log(this.name, `does not synchronize: ${toLicensingError(error).code}`)
    })
  }

  /** Whether a virtual account belongs to a satellite of this manager. */
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

  /** Nobody reaches it. */
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

  /** Answers a request, or fails as a server fails. */
  async answer(path: string, body: string): Promise<Reply | ErrorCode> {
    const { authority } = this
    const { generation } = this.computer
    if (!authority || this.computer.power !== 'on' || this.#timeline.now() < this.#awayUntil)
      return 'CONNECTION_REFUSED'
    try {
      const answered = await this.#untilPowerOff(this.#respond(authority, path, body))
      if (answered === null) return 'CONNECTION_RESET'
      return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(answered) }
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
    const sealed = await authority.operations.endpoint.handle(type, JSON.parse(body))
    this.#checkDecision(type, sealed)
    return sealed
  }

  /** What some work gives; null where the power goes meanwhile, and nobody is left to give it. */
  async #untilPowerOff<T>(work: Promise<T>): Promise<T | null> {
    work.catch(() => undefined)
    return Promise.race([work, this.computer.poweredOff])
  }

  #toErrorCode(error: unknown): ErrorCode {
    const { code, message } = toLicensingError(error)
    this.#say(message)
    if (code === 'INTERNAL') this.#violate('errors-closed', formatErrorWithStack(error))
    return code === 'AUTHORITY_BUSY'
      ? 'AUTHORITY_UNAVAILABLE'
      : code.startsWith('STORE_')
        ? 'AUTHORITY_FAILED'
        : 'AUTHORITY_REJECTED'
  }

  /** The same message is granted the same, however often it comes: a registration is told where its instance is by then. */
  #checkDecision(type: RequestType, sealed: SignedMessage): void {
    const { messageId, decision } = decodePayloadUnverified(sealed) as Answer
    const before = this.#decided.get(messageId)
    if (!before) {
      this.#decided.set(messageId, decision)
      return
    }
    const granted = decision.outcome === 'accepted' && before.outcome === 'accepted'
    const place = type === 'register' ? { virtualAccount: null } : {}
    if (granted && JSON.stringify({ ...decision, ...place }) !== JSON.stringify({ ...before, ...place }))
      this.#violate(
        'answered-once',
        `a message of the kind ${type} was granted, and granted differently when it came again`,
      )
  }

  /** Its people do something. What they may be refused is a part of life. */
  async act<T>(what: (authority: Authority) => Promise<T>): Promise<T | null> {
    const { authority } = this
    const { generation } = this.computer
    if (!authority || this.computer.power !== 'on') return null
    try {
      return await this.#untilPowerOff(what(authority))
    } catch (error) {
      if (this.computer.generation !== generation) return null
      this.#toErrorCode(error)
      this.#log(this.name, `says ${toLicensingError(error).code}`)
      return null
    }
  }

  /** Adds a satellite at this manager. @returns its one-time code */
  async addSatellite(name: string): Promise<string> {
    const virtualAccount = name.toUpperCase()
    this.#satelliteAccounts.add(virtualAccount)
    const added = await this.act((authority) => authority.satellites.add(name, { virtualAccount }))
    if (!added) throw new Error('the satellite could not be added')
    return added.code
  }

  /** Makes this computer a satellite of a manager. */
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
    const made = await this.act((authority) => authority.tokens.create({ virtualAccount, days: 365 }))
    if (made) this.tokens.push(made)
  }

  /** Whether its books are right. */
  async check(): Promise<void> {
    const seen = await this.act(async (authority) => ({
      licenses: await authority.licenses.list(),
      instances: await authority.instances.list(),
    }))
    if (!seen) return
    const used = new Map<string, number>()
    const boxes = new Set<string>()
    // What a satellite has told of is its own to count.
    for (const { virtualAccount, entitlements, status, udi, satellite } of seen.instances) {
      if (satellite !== null) continue
      if (boxes.has(udi.serial)) this.#violate('no-double-instance', `${udi.serial} is two product instances`)
      boxes.add(udi.serial)
      if (status === 'reserved') continue
      for (const { tag, count } of entitlements) {
        const pool = `${tag} of ${virtualAccount}`
        used.set(pool, (used.get(pool) ?? 0) + count)
      }
    }
    for (const { virtualAccount, tag, inUse } of seen.licenses) {
      if (this.#satelliteAccounts.has(virtualAccount)) continue
      const pool = `${tag} of ${virtualAccount}`
      if (inUse !== (used.get(pool) ?? 0))
        this.#violate(
          'pool-sum',
          `${inUse} of ${pool} are in use, and its instances use ${used.get(pool) ?? 0}`,
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

/** The texts of a satellite within JSON: what a simulated network does to messages, it does to JSON. */
const wrapInJson = (transport: Transport): Transport => ({
  post: async (path, request) => {
    const answered = answerSchema.safeParse(
      JSON.parse(await transport.post(path, JSON.stringify({ request }))),
    )
    if (answered.success) return answered.data.answer
    throw new LicensingError('ANSWER_MALFORMED', 'the answer is not one to a synchronization.')
  },
  close: (options) => {
    transport.close(options)
  },
})
