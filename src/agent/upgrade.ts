import { z } from 'zod'
import { can, type Event } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import type { ProductProfile } from '../core/profile.ts'
import { isHigher, majorOf, upgradeKind } from '../conferencing/deployment.ts'
import type { ClockGuard } from './license-clock.ts'
import { type Product, productSchema } from './persisted-state.ts'
import type { ProductLedger } from './usage-ledger.ts'
import type { Status } from './status.ts'
import type { Stepper } from './machine-runner.ts'
import type { AgentStore } from './store.ts'

/**
 * The versions that earned an evaluation: two numbers, whatever is asked. A version that only a command named changes
 * neither.
 */
const versionsSchema = z.object({
  /** The highest version that the product itself opened with. */
  opened: z.string(),
  /** The highest major version whose evaluation was given, or came to nothing for a system of several data centers. */
  evaluated: z.int().min(0),
})
type Versions = z.infer<typeof versionsSchema>

/** An upgrade that has begun: it goes on after a crash, until the version is recorded. */
const beginningSchema = z.object({
  version: z.string(),
  /** The major version whose evaluation comes with it; null where a command named the version. */
  evaluation: z.int().nullable(),
})

const VERSIONS = 'versions'
const BEGINNING = 'upgrade'

const initialVersions = ({ version }: Product): Versions => ({
  opened: version,
  evaluated: majorOf(version) ?? 0,
})

interface Parts {
  readonly store: AgentStore
  readonly stepper: Stepper
  readonly clock: ClockGuard
  readonly ledger: ProductLedger
  readonly profile: ProductProfile
  readonly product: () => Product
  /** Called when another version is on disk. */
  readonly recorded: (product: Product) => void
  readonly entitlements: () => Status['entitlements']
  /** Ends a reservation, or a request for one; makes no connection. */
  readonly endReservation: () => Promise<void>
}

/**
 * Upgrades of the product (R-EVAL-2). Another major version ends the registration or reservation of the old one. It has
 * an evaluation of its own, once, when the product itself opens with it: what a command says grants none.
 */
export class Upgrades {
  readonly #parts: Parts
  #going: Promise<void> | null = null

  constructor(parts: Parts) {
    this.#parts = parts
    const { store } = parts
    if (store.readText(VERSIONS) === null)
      store.commit(() => {
        store.write(VERSIONS, initialVersions(parts.product()))
      })
  }

  #versions(): Versions {
    return this.#parts.store.read(VERSIONS, versionsSchema) ?? initialVersions(this.#parts.product())
  }

  get #isUnbound(): boolean {
    const { registration, registering, reservation } = this.#parts.stepper.position.context
    return registration === null && registering === null && reservation.current === null
  }

  /**
   * Takes the version that the product opened with, and goes on with an upgrade that was begun. Waits for no authority: what
   * ends a registration is a request like others, and `proceed` is called with its outcome.
   *
   * @param version null where a program without the product opened the directory
   */
  async openedWith(version: string | null): Promise<void> {
    if (version !== null) this.#take(version)
    await this.proceed()
  }

  #take(version: string): void {
    const { store } = this.#parts
    const versions = this.#versions()
    const recorded = this.#parts.product().version
    // A version that a command named stands until the product opens with another.
    const isNew = isHigher(version, versions.opened)
    const next = isHigher(version, recorded) || isNew ? version : recorded
    const [from, to] = [majorOf(recorded) ?? 0, majorOf(version) ?? 0]
    // Where a command has ended what the old version held, the evaluation begins when nothing of the new one is in its place.
    const begins = to > from || (to > versions.evaluated && this.#isUnbound)
    if (!isNew && !begins && next === recorded) return
    store.commit(() => {
      if (isNew) store.write(VERSIONS, { ...versions, opened: version })
      if (begins) store.write(BEGINNING, { version: next, evaluation: to })
      else this.#record(next)
    })
    if (!begins) this.#told(next)
  }

  /**
   * Begins the upgrade that a command names.
   *
   * @returns whether it is to another major version, and therefore not done yet
   * @throws LicensingError VERSION_NOT_HIGHER, INVALID_ARGUMENT, LICENSES_REQUIRED
   */
  begin(version: string): boolean {
    const { store } = this.#parts
    const kind = upgradeKind(this.#parts.product().version, version)
    if (kind === 'major') this.#requireSystemLicenses()
    store.commit(() => {
      if (kind === 'major') store.write(BEGINNING, { version, evaluation: null })
      else this.#record(version)
    })
    if (kind === 'minor') this.#told(version)
    return kind === 'major'
  }

  /** Goes on with an upgrade that was begun, as far as it goes now: called again after each outcome. */
  proceed(): Promise<void> {
    this.#going ??= this.#proceed().finally(() => {
      this.#going = null
    })
    return this.#going
  }

  async #proceed(): Promise<void> {
    const { store, stepper, clock } = this.#parts
    const beginning = store.read(BEGINNING, beginningSchema)
    if (beginning === null) return
    if (stepper.position.context.reservation.current !== null) await this.#parts.endReservation()
    const end = (at: number): Event => ({ type: 'DEREGISTER', at })
    if (!this.#isUnbound && can(stepper.position, end(clock.now()))) stepper.step(end)
    const { version, evaluation } = beginning
    const versions = this.#versions()
    const isFirst = evaluation !== null && evaluation > versions.evaluated
    const evaluate = isFirst && !this.#lacksSystemLicenses()
    const upgrade = (at: number): Event => ({ type: 'UPGRADE', at, version, evaluate })
    if (!can(stepper.position, upgrade(clock.now()))) return
    stepper.step(upgrade, () => {
      this.#record(version)
      if (isFirst) store.write(VERSIONS, { ...versions, evaluated: evaluation })
      store.remove(BEGINNING)
    })
    this.#told(version)
  }

  /** Whether an upgrade has begun and is not done. */
  get isUnderWay(): boolean {
    return this.#parts.store.readText(BEGINNING) !== null
  }

  #record(version: string): void {
    const { store, product, ledger } = this.#parts
    store.write('product', productSchema.parse({ ...product(), version, size: ledger.system.size }))
  }

  #told(version: string): void {
    this.#parts.recorded({ ...this.#parts.product(), version })
  }

  /** A system of several data centers has no evaluation (R-EVAL-6). */
  #lacksSystemLicenses(): boolean {
    const { system } = this.#parts.ledger
    if (system.dataCenters.length === 0) return false
    const tag = this.#parts.profile.system?.dataCenterTags[system.size]
    return !this.#parts
      .entitlements()
      .some(
        (one) =>
          one.tag === tag && (one.status === 'in-compliance' || one.status === 'reserved-in-compliance'),
      )
  }

  #requireSystemLicenses(): void {
    if (!this.#lacksSystemLicenses()) return
    const { system } = this.#parts.ledger
    const tag = this.#parts.profile.system?.dataCenterTags[system.size] ?? ''
    throw new LicensingError(
      'LICENSES_REQUIRED',
      `A system of several data centers is upgraded with its licenses: ${system.dataCenters.length + 1} of ${tag} are needed first.`,
    )
  }
}
