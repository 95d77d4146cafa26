import { reservedCount } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import type { ProductProfile, Size } from '../core/profile.ts'
import { parseDataCenter } from '../conferencing/identifiers.ts'
import {
  extended,
  joinedBy,
  joining,
  left,
  licensesOf,
  portsOf,
  reduced,
  resized,
  type System,
} from '../conferencing/deployment.ts'
import type { ClockGuard } from './license-clock.ts'
import type { Claim, ProductLedger } from './usage-ledger.ts'
import type { Stepper } from './machine-runner.ts'

/** The system as programs and people see it. */
export interface SystemDocument {
  readonly size: Size
  readonly ports: number
  readonly portsInUse: number
  readonly extended: boolean
  readonly role: 'single' | 'primary' | 'joined'
  readonly dataCenters: readonly string[]
  readonly primary: string | null
  /** The system licences in use. */
  readonly licenses: Readonly<Record<string, number>>
}

/**
 * Deployment size, extended capacity and data centers (guide, "System Licenses"). What needs a licence asks for it first, and is
 * changed only when it is there: there is no trial for it (R-EVAL-6, R-SYS-2, R-SYS-3).
 */
export class SystemDesk {
  readonly #ledger: ProductLedger
  readonly #stepper: Stepper
  readonly #clock: ClockGuard
  readonly #profile: ProductProfile
  /** Asks the authority now, and resolves with its answer. */
  readonly #authorize: () => Promise<unknown>

  #changing: Promise<unknown> = Promise.resolve()

  constructor(parts: {
    ledger: ProductLedger
    stepper: Stepper
    clock: ClockGuard
    profile: ProductProfile
    authorize: () => Promise<unknown>
  }) {
    this.#ledger = parts.ledger
    this.#stepper = parts.stepper
    this.#clock = parts.clock
    this.#profile = parts.profile
    this.#authorize = parts.authorize
  }

  show(): SystemDocument {
    const { system } = this.#ledger
    return {
      size: system.size,
      ports: portsOf(system),
      portsInUse: this.#ledger.meetings.portsInUse(),
      extended: system.extended,
      role: system.primary !== null ? 'joined' : system.dataCenters.length > 0 ? 'primary' : 'single',
      dataCenters: system.dataCenters,
      primary: system.primary,
      licenses: licensesOf(system, this.#tags),
    }
  }

  get #tags() {
    const { system } = this.#profile
    if (!system)
      throw new LicensingError(
        'SYSTEM_NOT_ALLOWED',
        `The product ${this.#profile.name} has no sizes and data centers.`,
      )
    return system
  }

  /** Another size. @throws LicensingError SYSTEM_NOT_ALLOWED, PORTS_IN_USE, LICENSES_REQUIRED, and those of a renewal */
  resize(size: Size): Promise<SystemDocument> {
    return this.#change(`make the system ${size}`, (system) =>
      resized(system, size, this.#tags, this.#portsInUse()),
    )
  }

  /** From 2000 to 4000 ports. @throws LicensingError SYSTEM_NOT_ALLOWED, LICENSES_REQUIRED, and those of a renewal */
  extend(): Promise<SystemDocument> {
    return this.#change('extend the system', extended)
  }

  /** Back to 2000 ports. @throws LicensingError SYSTEM_NOT_ALLOWED, PORTS_IN_USE */
  reduce(): Promise<SystemDocument> {
    return this.#change('reduce the system', (system) => reduced(system, this.#portsInUse()))
  }

  /**
   * Another data center joins this one, which is or becomes the primary one; its licences must be there before (R-SYS-3).
   *
   * @throws LicensingError SYSTEM_NOT_ALLOWED, LICENSES_REQUIRED, and those of a renewal
   */
  join(dataCenter: string): Promise<SystemDocument> {
    const name = parseDataCenter(dataCenter)
    return this.#change(`let the data center ${name} join`, (system) => joinedBy(system, name, this.#tags))
  }

  /**
   * This data center joins the system of another, which holds the licences from here on: its own hosts release theirs (R-HOST-10).
   *
   * @throws LicensingError SYSTEM_NOT_ALLOWED
   */
  joinTo(primary: string): Promise<SystemDocument> {
    const name = parseDataCenter(primary)
    return this.#ledger.guarded(`join the data center ${name}`, () => {
      const next = joining(this.#ledger.system, name)
      if (next === this.#ledger.system) return this.show()
      const running = this.#ledger.meetings.anyRunning()
      if (running !== null)
        throw new LicensingError(
          'HOST_IN_MEETING',
          `The meeting ${JSON.stringify(running)} runs, whose host would have no licence.`,
        )
      this.#ledger.changeSystem(next, {
        along: (hosts) => {
          hosts.releaseAll()
        },
      })
      return this.show()
    })
  }

  /** A data center leaves this system; without a name, this one leaves the one it joined. @throws LicensingError SYSTEM_NOT_ALLOWED */
  leave(dataCenter?: string): Promise<SystemDocument> {
    return this.#ledger.guarded('let a data center leave', () => {
      this.#ledger.changeSystem(left(this.#ledger.system, dataCenter))
      return this.show()
    })
  }

  #portsInUse(): number {
    return this.#ledger.meetings.portsInUse()
  }

  #change(what: string, to: (system: System) => System): Promise<SystemDocument> {
    // One change at a time: what each asks for depends on what there is.
    const change = this.#changing.then(() => this.#ledger.guarded(what, () => this.#changeNow(to)))
    this.#changing = change.then(
      () => undefined,
      () => undefined,
    )
    return change
  }

  async #changeNow(to: (system: System) => System): Promise<SystemDocument> {
    const next = to(this.#ledger.system)
    if (next === this.#ledger.system) return this.show()
    const [now, then] = [licensesOf(this.#ledger.system, this.#tags), licensesOf(next, this.#tags)]
    const more = Object.entries(then).filter(([tag, count]) => count > (now[tag] ?? 0))
    const claim = more.length > 0 ? await this.#require(more, now) : null
    try {
      // What was looked at may have changed while the authority was asked.
      this.#ledger.changeSystem(to(this.#ledger.system), { claim })
    } finally {
      claim?.release()
    }
    return this.show()
  }

  /** Whether the licences are there; asks where somebody can be asked, and holds what it asked for until it is used. */
  async #require(more: readonly [string, number][], now: Record<string, number>): Promise<Claim | null> {
    const { context } = this.#stepper.position
    const { current } = context.reservation
    const wanted = more.map(
      ([tag, count]) => [tag, count - (now[tag] ?? 0) + this.#ledger.inUse(tag)] as const,
    )
    if (current !== null && current.stage !== 'requested') {
      const missing = wanted.filter(
        ([tag, count]) =>
          current.stage !== 'installed' || count > reservedCount(current.grant, tag, this.#clock.now()),
      )
      if (missing.length > 0) throw missingLicenses(missing, 'the reservation does not cover them')
      return null
    }
    if (context.registration === null)
      throw missingLicenses(wanted, 'the box is not registered, and there is no trial of them')
    // The authority says whether they are there when they are asked for.
    const held = this.#ledger.claim(Object.fromEntries(wanted))
    try {
      await this.#authorize()
      const answered = this.#stepper.position.context.authorization.entitlements
      const missing = wanted.filter(
        ([tag, count]) =>
          !answered.some((one) => one.tag === tag && one.count >= count && one.status === 'in-compliance'),
      )
      if (missing.length > 0) throw missingLicenses(missing, 'the virtual account has not so many')
      return held
    } catch (thrown) {
      held.release()
      // The authority has heard of what is not used now: it is told at once, where it can be.
      await this.#authorize().catch(() => undefined)
      throw thrown
    }
  }
}

const missingLicenses = (missing: readonly (readonly [string, number])[], why: string) =>
  new LicensingError(
    'LICENSES_REQUIRED',
    `Licences are needed first, ${missing.map(([tag, count]) => `${count} of ${tag}`).join(', ')}: ${why}.`,
  )
