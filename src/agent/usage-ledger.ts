import { z } from 'zod'
import { stateWord, type Position } from '../../machines/index.ts'
import { checked } from '../core/validate.ts'
import { countSchema, MAX_COUNT } from '../core/entitlement.ts'
import { asLicensingError, LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import type { ProductProfile } from '../core/profile.ts'
import { type Host, type HostCounts, HostLedger } from '../conferencing/host-licenses.ts'
import { type MeetingTerms, Meetings } from '../conferencing/meetings.ts'
import { licensesOf, type System } from '../conferencing/deployment.ts'
import type { ClockGuard } from './license-clock.ts'
import { productSchema } from './persisted-state.ts'
import { type Gate, gateOf } from './usage-policy.ts'
import type { AgentStore } from './store.ts'
import type { Stepper } from './machine-runner.ts'
import { UsageHistory } from './usage-history.ts'

/** What a product does with its licences, waiting to be done: in a transaction with others that came together. */
interface Deed {
  /** The action that must be allowed; null for what always is, such as giving back. */
  readonly action: string | null
  readonly what: string
  readonly who: string | null
  readonly work: (desk: Desk) => unknown
  readonly resolve: (value: never) => void
  readonly reject: (thrown: unknown) => void
}

/** What a deed works with, within its transaction. */
export interface Desk {
  readonly hosts: HostLedger
  readonly meetings: Meetings
  readonly at: Instant
  readonly terms: MeetingTerms
}

/** Licences that are claimed before they are used. */
export interface Claim {
  /** Takes it back, in a transaction of its own. */
  readonly release: () => void
  /** Forgets it: what it was for is used. */
  readonly drop: () => void
}

/** Kinds of errors that are answers to a deed. */
const ANSWERS: readonly string[] = ['refusal', 'usage']
/** Actions that take licences. */
const TAKING: readonly string[] = ['host-assign', 'meeting-start']

/** As many as one transaction takes: what comes after waits for the next, which is soon. */
const MOST_TOGETHER = 1000

const declaredSchema = z.record(z.string(), z.number())
const systemSchema = z.object({
  extended: z.boolean(),
  dataCenters: z.array(z.string()),
  primary: z.string().nullable(),
})

/** Whether host licences are permanent: the product is licensed, not evaluated (R-EVAL-5). */
const licensed = (position: Position): boolean =>
  !['evaluation', 'unregistered', 'registered'].includes(stateWord(position.value))

/**
 * What the product uses, counted where it happens: hosts and meetings, the system, and what the product declares itself. Deeds
 * that come together are one transaction, with the event that tells the chart of the new counts; each is answered when
 * that is on disk.
 */
export class ProductLedger {
  readonly history: UsageHistory
  readonly #store: AgentStore
  readonly #stepper: Stepper
  readonly #clock: ClockGuard
  readonly #profile: ProductProfile
  readonly #hosts: HostLedger
  readonly #meetings: Meetings
  readonly #done: () => void
  readonly #closed: () => boolean
  #declared: Record<string, number>
  #system: System
  readonly #claimed: Record<string, number> = {}
  #waiting: Deed[] = []
  #scheduled = false

  constructor(parts: {
    store: AgentStore
    stepper: Stepper
    clock: ClockGuard
    profile: ProductProfile
    closed: () => boolean
    /** Called after each transaction: there may be something to report. */
    done: () => void
  }) {
    this.#store = parts.store
    this.#stepper = parts.stepper
    this.#clock = parts.clock
    this.#profile = parts.profile
    this.#done = parts.done
    this.#closed = parts.closed
    this.#hosts = new HostLedger(parts.store.db, {
      read: (schema) => parts.store.read('host-counts', schema),
      write: (counts) => {
        parts.store.write('host-counts', counts)
      },
    })
    this.#meetings = new Meetings(parts.store.db, this.#hosts)
    this.history = new UsageHistory(parts.store.db, {
      read: (schema) => parts.store.read('usage-now', schema),
      write: (hours) => {
        parts.store.write('usage-now', hours)
      },
    })
    this.#declared = this.#readDeclared()
    this.#system = this.#readSystem()
  }

  /** Before hosts were counted here, all that was in use was declared: written down once, before anything is counted. */
  #readDeclared(): Record<string, number> {
    const stored = this.#store.read('declared', declaredSchema)
    if (stored) return stored
    const declared = { ...this.#stepper.position.context.usage.counts }
    this.#store.commit(() => {
      this.#store.write('declared', declared)
    })
    return declared
  }

  #readSystem(): System {
    const size = this.#store.read('product', productSchema)?.size ?? 'small'
    const rest = this.#store.read('system', systemSchema) ?? {
      extended: false,
      dataCenters: [],
      primary: null,
    }
    return { size, ...rest }
  }

  // What there is

  now(): Instant {
    return this.#clock.now()
  }

  get system(): System {
    return this.#system
  }

  hostCounts(): HostCounts {
    return this.#hosts.counts()
  }

  findHost(user: string): Host | null {
    return this.#hosts.find(user)
  }

  listHosts(options: Parameters<HostLedger['list']>[0]): Host[] {
    return this.#hosts.list(options)
  }

  /** Meetings, to be read; what changes them is done by `do`. */
  get meetings(): Pick<Meetings, 'show' | 'list' | 'portsInUse' | 'runningFor' | 'anyRunning'> {
    return this.#meetings
  }

  /** What of a tag is in use: declared by the product, and counted here. */
  inUse(tag: string): number {
    if (!this.#profile.tags.some((known) => known.tag === tag)) return 0
    return Math.min(MAX_COUNT, (this.#declared[tag] ?? 0) + this.#counted(tag))
  }

  #counted(tag: string): number {
    const hosts = tag === this.#profile.hostTag ? this.#hosts.counts().assigned : 0
    const tags = this.#profile.system
    const system = tags ? (licensesOf(this.#system, tags)[tag] ?? 0) : 0
    return hosts + system + (this.#claimed[tag] ?? 0)
  }

  /**
   * Claims licences before they are used, so that the authority says whether they are there: up to that count of each tag,
   * until it is released, or used by `changeSystem`. Nothing of it outlives the process, and none of it is use.
   */
  claim(wanted: Readonly<Record<string, number>>): Claim {
    const more = Object.entries(wanted).map(
      ([tag, count]) => [tag, Math.max(0, count - this.inUse(tag))] as const,
    )
    let held = false
    const change = (sign: 1 | -1) => {
      for (const [tag, count] of more) this.#claimed[tag] = (this.#claimed[tag] ?? 0) + sign * count
      held = sign === 1
    }
    const claim = {
      drop: () => {
        if (held) change(-1)
      },
      release: () => {
        if (!held) return
        change(-1)
        this.#stepper.work(() => this.#changes())
        this.#done()
      },
    }
    change(1)
    try {
      this.#stepper.work(() => this.#changes())
    } catch (thrown) {
      claim.drop()
      throw thrown
    }
    return claim
  }

  /** What a process that ended in between had claimed is in use no more. */
  settle(): void {
    if (this.#changes().length > 0) this.#stepper.work(() => this.#changes())
  }

  // What is done

  /**
   * Does something with licences, together with what else is asked for at this moment; resolves when it is on disk.
   *
   * @param action what must be allowed; null where it always is
   * @throws LicensingError what the work throws; what the gate refuses; STORE_FULL, STORE_UNWRITABLE
   */
  do<T>(deed: {
    action: string | null
    what: string
    who: string | null
    work: (desk: Desk) => T
  }): Promise<T> {
    if (this.#closed()) return Promise.reject(closed())
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ ...deed, resolve, reject })
      if (this.#scheduled) return
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.flush()
      })
    })
  }

  /** Does what waits, now. */
  flush(): void {
    // Under a reservation each decides whether the next is allowed.
    while (this.#waiting.length > 0)
      this.#together(
        this.#waiting.splice(0, stateWord(this.#stepper.position.value) === 'reserved' ? 1 : MOST_TOGETHER),
      )
  }

  #together(deeds: readonly Deed[]): void {
    const answers: (() => void)[] = []
    try {
      this.#stepper.work((position) => {
        const at = this.#clock.now()
        const gate = gateOf(position, this.#profile, at)
        const desk = this.#desk(position, at, gate)
        for (const deed of deeds) answers.push(this.#one(deed, desk, gate))
        return this.#changes()
      })
    } catch (thrown) {
      // Nothing of it is on disk: nothing of it has happened.
      for (const { reject } of deeds) reject(thrown)
      return
    }
    for (const answer of answers) answer()
    this.#done()
  }

  #desk(position: Position, at: Instant, gate: Gate): Desk {
    const { meetingsAtOnce: atOnce, longestMeeting: longest } = this.#profile.policies
    return {
      hosts: this.#hosts,
      meetings: this.#meetings,
      at,
      terms: { atOnce, longest, licensed: licensed(position), mayTake: gate.limited === null },
    }
  }

  #one(deed: Deed, desk: Desk, gate: Gate): () => void {
    try {
      const refusal =
        deed.action === null ? null : (gate.refusal(deed.action) ?? this.#elsewhere(deed.action))
      if (refusal) throw refusal
      const value = deed.work(desk) as never
      return () => {
        deed.resolve(value)
      }
    } catch (thrown) {
      // An answer is a no with a reason. Anything else, such as a full disk, ends the transaction with all that is in it.
      if (!(thrown instanceof LicensingError) || !ANSWERS.includes(thrown.kind)) throw thrown
      if (thrown.kind === 'refusal') this.#deny(deed, thrown, desk.at)
      return () => {
        deed.reject(thrown)
      }
    }
  }

  /** What takes licences in a data center that has joined another: they are that one's to give. */
  #elsewhere(action: string): LicensingError | null {
    const { primary } = this.#system
    if (primary === null || !TAKING.includes(action)) return null
    return new LicensingError(
      'SYSTEM_NOT_ALLOWED',
      `The primary data center ${primary} holds the licences.`,
      {
        remedy: 'Do it there.',
      },
    )
  }

  #deny({ what, who }: Pick<Deed, 'what' | 'who'>, failure: LicensingError, at: Instant): void {
    this.history.deny({ at, what, who, code: failure.code, reason: failure.message })
  }

  /** The tags whose count is not what the chart has: each is an event in the same transaction. */
  #changes(): { tag: string; count: number }[] {
    const { counts } = this.#stepper.position.context.usage
    // A tag that the profile has no more is not in use any more.
    const tags = new Set([...this.#profile.tags.map(({ tag }) => tag), ...Object.keys(counts)])
    return [...tags].flatMap((tag) => {
      const count = this.inUse(tag)
      return count === (counts[tag] ?? 0) ? [] : [{ tag, count }]
    })
  }

  /**
   * What the product says it uses of a tag, beside what is counted here.
   *
   * @throws LicensingError UNKNOWN_TAG, INVALID_ARGUMENT; EVALUATION_EXPIRED, NOT_AUTHORIZED for more than before
   */
  declare(tag: string, count: number): void {
    if (this.#closed()) throw closed()
    if (!this.#profile.tags.some((known) => known.tag === tag)) {
      const known = this.#profile.tags.map((one) => one.tag).join(', ')
      throw new LicensingError(
        'UNKNOWN_TAG',
        `The product has no entitlement tag ${JSON.stringify(tag.slice(0, 64))}; it has ${known}.`,
      )
    }
    const declared = checked(countSchema, count, `count of ${tag}`)
    const at = this.#clock.now()
    if (declared > (this.#declared[tag] ?? 0)) {
      const refusal = gateOf(this.#stepper.position, this.#profile, at).refusal('usage')
      if (refusal) {
        const failure = new LicensingError(refusal.code, `No more of ${tag} can be used: ${refusal.message}`)
        this.#store.commit(() => {
          this.#deny({ what: `use ${count} of ${tag}`, who: null }, failure, at)
        })
        throw failure
      }
    }
    const before = this.#declared
    this.#declared = { ...before, [tag]: declared }
    try {
      this.#stepper.work(() => {
        this.#store.write('declared', this.#declared)
        return [{ tag, count: this.inUse(tag) }]
      })
    } catch (thrown) {
      this.#declared = before
      throw thrown
    }
    this.#done()
  }

  /** Another system, or more of it: in one transaction with the counts of its licences. */
  changeSystem(
    next: System,
    { along = () => undefined, claim }: { along?: (hosts: HostLedger) => void; claim?: Claim | null } = {},
  ): void {
    const before = this.#system
    this.#system = next
    // What was claimed for it is used by it now.
    claim?.drop()
    try {
      this.#stepper.work(() => {
        const { size, ...rest } = next
        this.#store.write('system', rest)
        const product = this.#store.read('product', productSchema)
        if (product && product.size !== size) this.#store.write('product', { ...product, size })
        along(this.#hosts)
        return this.#changes()
      })
    } catch (thrown) {
      this.#system = before
      throw thrown
    }
    this.#done()
  }

  /** Does what changes the system, unless only licence management works; a refusal is kept. */
  async guarded<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    if (this.#closed()) throw closed()
    const at = this.#clock.now()
    try {
      const refusal = gateOf(this.#stepper.position, this.#profile, at).refusal('system-change')
      if (refusal) throw refusal
      return await work()
    } catch (thrown) {
      const failure = asLicensingError(thrown)
      if (failure.kind === 'refusal')
        this.#store.commit(() => {
          this.#deny({ what, who: null }, failure, at)
        })
      throw failure
    }
  }

  // With every step of the chart

  /**
   * What belongs to a step of the chart and to its transaction: the end of meetings nobody ended, licences that become permanent,
   * and the history of what is in use.
   */
  conclude(after: Position, at: Instant): void {
    if (licensed(after)) this.#hosts.makePermanent()
    for (const [tag, count] of Object.entries(after.context.usage.counts)) {
      const used = count - (this.#claimed[tag] ?? 0)
      if (used !== this.history.latest(tag)) this.history.record(tag, used, at)
    }
    this.#hosts.flush()
    this.history.flush()
  }

  /** Ends what nobody ended: looked at with every beat. */
  expireMeetings(): void {
    if (this.#meetings.anyRunning() === null) return
    this.#stepper.work(() => {
      this.#meetings.expire(this.#clock.now())
      return this.#changes()
    })
  }

  /** Takes the counts from the disk again, after a transaction that was not kept. */
  reload(): void {
    this.#hosts.reload()
    this.history.reload()
  }
}

const closed = () => new LicensingError('AGENT_CLOSED', 'The agent was closed.')
