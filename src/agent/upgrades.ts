import { z } from 'zod'
import { canHandle, type Event } from '../../machines/index.ts'
import { toLicensingError, LicensingError } from '../core/errors.ts'
import { agentClosedError } from './agent-closed.ts'
import type { AgentCore } from './agent-core.ts'
import type { ModuleSlot } from './module-slot.ts'
import { parseProduct, type Product } from './persisted-state.ts'
import { isHigherVersion, parseMajorVersion, classifyUpgrade } from '../core/product-version.ts'
import type { RegistrationRequests } from './registration-requests.ts'
import type { ReservationApi } from './reservation-api.ts'
import { isVersionSigned } from './signed-version.ts'
import type { Status, StatusReader } from './status.ts'

/**
 * Versions that decide about a new evaluation period. A version that only a command named changes neither of them.
 */
const versionsSchema = z.object({
  /** Highest version with which the product itself opened the agent. */
  opened: z.string(),
  /** Highest major version whose evaluation period was granted, or skipped because the product has none. */
  evaluated: z.int().min(0),
})
type Versions = z.infer<typeof versionsSchema>

/** Upgrade in progress. It continues after a crash until the version is recorded. */
const pendingUpgradeSchema = z.object({
  version: z.string(),
  /** Major version whose evaluation period starts with the upgrade. Null if only a command named the version. */
  evaluation: z.int().nullable(),
})

const VERSIONS_KEY = 'versions'
const PENDING_KEY = 'upgrade'

const createInitialVersions = ({ version }: Product): Versions => ({
  opened: version,
  evaluated: parseMajorVersion(version) ?? 0,
})

/** Services that an upgrade needs in addition to the core. */
interface UpgradeServices {
  readonly module: ModuleSlot<unknown, object>
  readonly requests: RegistrationRequests
  readonly reservation: ReservationApi
  readonly readStatus: StatusReader
}

/**
 * Upgrades of the product (R-EVAL-2). A new major version ends the registration or reservation of the old one. It has one
 * new evaluation period, which starts when the product opens with it, or when a command names it and the authority has
 * signed it. A command alone grants none.
 */
export class Upgrades {
  readonly #core: AgentCore
  readonly #services: UpgradeServices
  #proceeding: Promise<void> | null = null
  /** Last upgrade that a command requested. Upgrades run one at a time, because each depends on the version before. */
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
   * Records the version with which the product opened the agent, and continues a pending upgrade. Does not wait for the
   * authority. `proceedLater` continues after the outcome of the deregistration.
   *
   * @param version null if a program without the product opened the directory
   */
  async recordOpenedVersion(version: string | null): Promise<void> {
    if (version !== null) this.#applyOpenedVersion(version)
    await this.#proceed()
  }

  #applyOpenedVersion(version: string): void {
    const { store, device } = this.#core
    const versions = this.#readVersions()
    const recorded = device.product.version
    // A version that a command named stays until the product opens with another version.
    const isNew = isHigherVersion(version, versions.opened)
    const next = isHigherVersion(version, recorded) || isNew ? version : recorded
    const [from, to] = [parseMajorVersion(recorded) ?? 0, parseMajorVersion(version) ?? 0]
    // If a command already ended the old registration, the evaluation starts unless a new registration exists.
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
    if (this.#core.device.isClosed) return Promise.reject(agentClosedError())
    const upgrade = this.#last.then(() => this.#upgrade(version))
    this.#last = upgrade.catch(() => undefined)
    return upgrade
  }

  async #upgrade(text: string): Promise<Status> {
    const { runner, device } = this.#core
    const { requests, module, readStatus } = this.#services
    const { version } = parseProduct({ ...device.product, version: text })
    // Renew the authorization first, because a recent change may not be authorized yet.
    if (module.state?.getUpgradeLicenses() && runner.snapshot.context.registration !== null)
      await requests.renewAuthorization().catch(() => undefined)
    if (this.#begin(version)) {
      const { registration, registering } = runner.snapshot.context
      // The registration ends on the device whatever the authority answers.
      if (registration !== null || registering !== null) await requests.deregister().catch(() => undefined)
      await this.#proceed()
      if (this.#isInProgress)
        throw new LicensingError('REGISTRATION_IN_PROGRESS', 'A registration of this device is in progress.')
    }
    return readStatus()
  }

  /** Starts an upgrade. Returns true for a new major version, which needs further steps. */
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

  /** Continues in the background an upgrade that waited for the end of a registration. */
  proceedLater(): void {
    if (this.#core.device.isClosed || !this.#isInProgress) return
    this.#proceed().catch((error: unknown) => {
      this.#core.logger.error('a pending upgrade failed', { reason: toLicensingError(error).message })
    })
  }

  /** Continues a pending upgrade as far as possible. Called again after each outcome. */
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
    const end = (at: number): Event => ({ type: 'registration.end', at })
    if (!this.#hasNoRegistration && canHandle(runner.snapshot, end(clock.now()))) runner.step(end)
    const { version, evaluation } = pending
    const versions = this.#readVersions()
    const isFirst = evaluation !== null && evaluation > versions.evaluated
    const evaluate = isFirst && this.#missingLicenses() === null
    const upgrade = (at: number): Event => ({ type: 'product.upgrade', at, version, evaluate })
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
    const stage = this.#core.runner.snapshot.value.reservation
    if (stage === 'requested') await reservation.cancel()
    else if (stage !== 'none') {
      await reservation.returnCode()
      await reservation.return()
    }
  }

  get #isInProgress(): boolean {
    return this.#core.store.readText(PENDING_KEY) !== null
  }

  #record(version: string): void {
    this.#core.store.write('product', { ...this.#core.device.product, version })
  }

  /** Applies a version that is already on disk to the device. */
  #applyRecordedVersion(version: string): void {
    const { device } = this.#core
    device.product = { ...device.product, version }
  }

  /** Returns the licenses missing for an upgrade with an evaluation period. Null if none are missing (R-EVAL-6). */
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
      `The upgrade needs more licenses: ${missing.count} of ${missing.tag}.`,
    )
  }
}
