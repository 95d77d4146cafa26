import { z } from 'zod'
import { canHandle, type Event } from '../../machines/index.ts'
import { toLicensingError, LicensingError } from '../core/errors.ts'
import type { AgentCore } from './agent-core.ts'
import type { ModuleSlot } from './module-slot.ts'
import { parseProduct, type Product } from './persisted-state.ts'
import { isHigherVersion, parseMajorVersion, classifyUpgrade } from '../core/product-version.ts'
import type { RegistrationRequests } from './registration-requests.ts'
import type { ReservationApi } from './reservation-api.ts'
import { isVersionSigned } from './signed-version.ts'
import type { Status, StatusReader } from './status.ts'

/**
 * The versions that earned an evaluation: two numbers, whatever is asked. A version that only a command named changes
 * neither.
 */
const versionsSchema = z.object({
  /** The highest version that the product itself opened with. */
  opened: z.string(),
  /** The highest major version whose evaluation was given, or came to nothing for a product that has none. */
  evaluated: z.int().min(0),
})
type Versions = z.infer<typeof versionsSchema>

/** An upgrade that has begun: it goes on after a crash, until the version is recorded. */
const pendingUpgradeSchema = z.object({
  version: z.string(),
  /** The major version whose evaluation comes with it; null where only a command named the version. */
  evaluation: z.int().nullable(),
})

const VERSIONS_KEY = 'versions'
const PENDING_KEY = 'upgrade'

const createInitialVersions = ({ version }: Product): Versions => ({
  opened: version,
  evaluated: parseMajorVersion(version) ?? 0,
})

/** What an upgrade uses of the agent beside its core. */
interface UpgradeServices {
  readonly module: ModuleSlot<unknown, object>
  readonly requests: RegistrationRequests
  readonly reservation: ReservationApi
  readonly readStatus: StatusReader
}

/**
 * Upgrades of the product (R-EVAL-2). Another major version ends the registration or reservation of the old one. It has
 * an evaluation of its own, once, when the product itself opens with it, or when a command names it and the authority has
 * signed it. A command alone grants none.
 */
export class Upgrades {
  readonly #core: AgentCore
  readonly #services: UpgradeServices
  #proceeding: Promise<void> | null = null
  /** The last upgrade that a command asked for: one at a time, since each depends on the version before it. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(core: AgentCore, services: UpgradeServices) {
    this.#core = core
    this.#services = services
    const { store, device } = core
    if (store.readText(VERSIONS_KEY) === null)
      store.commit(() => {
        store.write(VERSIONS_KEY, createInitialVersions(device.product))
      })
  }

  #readVersions(): Versions {
    const { store, device } = this.#core
    return store.read(VERSIONS_KEY, versionsSchema) ?? createInitialVersions(device.product)
  }

  get #hasNoRegistration(): boolean {
    const { registration, registering, reservation } = this.#core.runner.snapshot.context
    return registration === null && registering === null && reservation.current === null
  }

  /**
   * Takes the version that the product opened with, and goes on with an upgrade that was begun. Waits for no authority: what
   * ends a registration is a request like others, and `proceedLater` is called with its outcome.
   *
   * @param version null where a program without the product opened the directory
   */
  async recordOpenedVersion(version: string | null): Promise<void> {
    if (version !== null) this.#applyOpenedVersion(version)
    await this.#proceed()
  }

  #applyOpenedVersion(version: string): void {
    const { store, device } = this.#core
    const versions = this.#readVersions()
    const recorded = device.product.version
    // A version that a command named stands until the product opens with another.
    const isNew = isHigherVersion(version, versions.opened)
    const next = isHigherVersion(version, recorded) || isNew ? version : recorded
    const [from, to] = [parseMajorVersion(recorded) ?? 0, parseMajorVersion(version) ?? 0]
    // Where a command has ended what the old version held, the evaluation begins when nothing of the new one is in its place.
    const begins = to > from || (to > versions.evaluated && this.#hasNoRegistration)
    if (!isNew && !begins && next === recorded) return
    store.commit(() => {
      if (isNew) store.write(VERSIONS_KEY, { ...versions, opened: version })
      if (begins) store.write(PENDING_KEY, { version: next, evaluation: to })
      else this.#record(next)
    })
    if (!begins) this.#applyRecordedVersion(next)
  }

  /**
   * Upgrades the product to the version that a command names.
   *
   * @throws LicensingError VERSION_NOT_HIGHER, INVALID_ARGUMENT, LICENSES_REQUIRED, REGISTRATION_IN_PROGRESS
   */
  upgrade(version: string): Promise<Status> {
    const upgrade = this.#last.then(() => this.#upgrade(version))
    this.#last = upgrade.catch(() => undefined)
    return upgrade
  }

  async #upgrade(text: string): Promise<Status> {
    const { runner, device } = this.#core
    const { requests, module, readStatus } = this.#services
    const { version } = parseProduct({ ...device.product, version: text })
    // A change of a moment ago may not be answered yet.
    if (module.state?.getUpgradeLicenses() && runner.snapshot.context.registration !== null)
      await requests.renewAuthorization().catch(() => undefined)
    if (this.#begin(version)) {
      const { registration, registering } = runner.snapshot.context
      // Whatever the authority says to it, it ends here.
      if (registration !== null || registering !== null) await requests.deregister().catch(() => undefined)
      await this.#proceed()
      if (this.#isUnderWay)
        throw new LicensingError('REGISTRATION_IN_PROGRESS', 'A registration of this box is under way.')
    }
    return readStatus()
  }

  /** Begins an upgrade. Returns whether it is to another major version, and therefore not done yet. */
  #begin(version: string): boolean {
    const { store, device } = this.#core
    const kind = classifyUpgrade(device.product.version, version)
    if (kind === 'major') this.#requireLicenses()
    store.commit(() => {
      if (kind === 'major')
        store.write(PENDING_KEY, {
          version,
          evaluation: isVersionSigned(store, version) ? parseMajorVersion(version) : null,
        })
      else this.#record(version)
    })
    if (kind === 'minor') this.#applyRecordedVersion(version)
    return kind === 'major'
  }

  /** Goes on in the background with an upgrade that waits for the end of a registration, which an outcome may have brought. */
  proceedLater(): void {
    if (this.#core.device.isClosed || !this.#isUnderWay) return
    this.#proceed().catch((error: unknown) => {
      this.#core.logger.error('an upgrade could not go on', { reason: toLicensingError(error).message })
    })
  }

  /** Goes on with an upgrade that was begun, as far as it goes now: called again after each outcome. */
  #proceed(): Promise<void> {
    this.#proceeding ??= this.#continue().finally(() => {
      this.#proceeding = null
    })
    return this.#proceeding
  }

  async #continue(): Promise<void> {
    const { store, runner, clock } = this.#core
    const pending = store.read(PENDING_KEY, pendingUpgradeSchema)
    if (pending === null) return
    if (runner.snapshot.context.reservation.current !== null) await this.#endReservation()
    const end = (at: number): Event => ({ type: 'deregister', at })
    if (!this.#hasNoRegistration && canHandle(runner.snapshot, end(clock.now()))) runner.step(end)
    const { version, evaluation } = pending
    const versions = this.#readVersions()
    const isFirst = evaluation !== null && evaluation > versions.evaluated
    const evaluate = isFirst && this.#missingLicenses() === null
    const upgrade = (at: number): Event => ({ type: 'upgrade', at, version, evaluate })
    if (!canHandle(runner.snapshot, upgrade(clock.now()))) return
    runner.step(upgrade, () => {
      this.#record(version)
      if (isFirst) store.write(VERSIONS_KEY, { ...versions, evaluated: evaluation })
      store.remove(PENDING_KEY)
    })
    this.#applyRecordedVersion(version)
  }

  async #endReservation(): Promise<void> {
    const { reservation } = this.#services
    const stage = this.#core.runner.snapshot.context.reservation.current?.stage
    if (stage === 'requested') await reservation.cancel()
    else if (stage !== undefined) {
      await reservation.returnCode()
      await reservation.return()
    }
  }

  get #isUnderWay(): boolean {
    return this.#core.store.readText(PENDING_KEY) !== null
  }

  #record(version: string): void {
    this.#core.store.write('product', { ...this.#core.device.product, version })
  }

  /** The version is on disk. */
  #applyRecordedVersion(version: string): void {
    const { device } = this.#core
    device.product = { ...device.product, version }
  }

  /** The licenses that the product lacks for an evaluation of another version; null when none are missing (R-EVAL-6). */
  #missingLicenses(): { tag: string; count: number } | null {
    const needed = this.#services.module.state?.getUpgradeLicenses() ?? null
    if (needed === null) return null
    const isCovered = this.#services
      .readStatus()
      .entitlements.some(
        ({ tag, status }) =>
          tag === needed.tag && (status === 'in-compliance' || status === 'reserved-in-compliance'),
      )
    return isCovered ? null : needed
  }

  #requireLicenses(): void {
    const missing = this.#missingLicenses()
    if (missing === null) return
    throw new LicensingError(
      'LICENSES_REQUIRED',
      `The product is upgraded with its licenses: ${missing.count} of ${missing.tag} are needed first.`,
    )
  }
}
