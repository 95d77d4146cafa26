import { countReserved, getGrant, getReservation } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import type { AgentCore } from './agent-core.ts'
import type { OperationQueue } from './operation-queue.ts'
import type { LicenseHold, ModuleAgent, ModuleOperation } from './product-module.ts'
import type { RegistrationRequests } from './registration-requests.ts'
import type { UsageLedger } from './usage-ledger.ts'

type RequiredCounts = readonly (readonly [tag: string, count: number])[]

/** Services of an agent for its product module. */
export class ModuleServices implements ModuleAgent {
  readonly #core: AgentCore
  readonly #ledger: UsageLedger
  readonly #operations: OperationQueue
  readonly #requests: RegistrationRequests

  constructor(
    core: AgentCore,
    ledger: UsageLedger,
    operations: OperationQueue,
    requests: RegistrationRequests,
  ) {
    this.#core = core
    this.#ledger = ledger
    this.#operations = operations
    this.#requests = requests
  }

  now(): Instant {
    return this.#core.clock.now()
  }

  countInUse(tag: string): number {
    return this.#ledger.countInUse(tag)
  }

  run<T>(operation: ModuleOperation<T>): Promise<T> {
    return this.#operations.enqueue(operation)
  }

  change(work: () => void, hold: LicenseHold | null = null): void {
    this.#core.device.requireOpen()
    this.#ledger.change(work, hold)
  }

  attempt<T>(operation: { action: string; what: string }, work: () => T | Promise<T>): Promise<T> {
    return this.#operations.attempt(operation, work)
  }

  async acquire(more: Readonly<Record<string, number>>): Promise<LicenseHold | null> {
    const wanted = Object.entries(more).map(
      ([tag, count]) => [tag, count + this.#ledger.countInUse(tag)] as const,
    )
    const { snapshot } = this.#core.runner
    const { registration } = snapshot.context
    if (getGrant(snapshot) !== null) {
      this.#requireReserved(wanted)
      return null
    }
    if (registration === null)
      throw missingLicensesError(
        wanted,
        'the device is not registered, and these licenses have no evaluation period',
      )
    // Report the licenses as used, so that the authority tells whether they are available.
    const hold = this.#ledger.hold(Object.fromEntries(wanted))
    try {
      await this.#requests.renewAuthorization()
      const answered = this.#core.runner.snapshot.context.authorization.entitlements
      const missing = wanted.filter(
        ([tag, count]) =>
          !answered.some(
            (entitlement) =>
              entitlement.tag === tag && entitlement.count >= count && entitlement.status === 'in-compliance',
          ),
      )
      if (missing.length > 0) throw missingLicensesError(missing, 'the virtual account has too few licenses')
      return hold
    } catch (error) {
      hold.release()
      // The last report included licenses that are not used after all, so report the usage again.
      await this.#requests.renewAuthorization().catch(() => undefined)
      throw error
    }
  }

  #requireReserved(wanted: RequiredCounts): void {
    const current = getReservation(this.#core.runner.snapshot)
    const missing = wanted.filter(
      ([tag, count]) =>
        current.stage !== 'installed' || count > countReserved(current.grant, tag, this.#core.clock.now()),
    )
    if (missing.length > 0) throw missingLicensesError(missing, 'the reservation does not cover them')
  }
}

const missingLicensesError = (missing: RequiredCounts, reason: string) =>
  new LicensingError(
    'LICENSES_REQUIRED',
    `Licenses are missing (${missing.map(([tag, count]) => `${count} of ${tag}`).join(', ')}): ${reason}.`,
  )
