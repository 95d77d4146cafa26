import { getLicenseState } from '../../machines/index.ts'
import { toLicensingError, LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import { agentClosedError } from './agent-closed.ts'
import type { AgentCore } from './agent-core.ts'
import type { ModuleSlot } from './module-slot.ts'
import type { ModuleOperation, ModuleTransaction } from './product-module.ts'
import { isLicensed } from './status.ts'
import type { UsageLedger } from './usage-ledger.ts'
import { createUsagePolicy, type UsagePolicy } from './usage-policy.ts'

/** Operation that waits for the next transaction. */
interface PendingOperation extends ModuleOperation<unknown> {
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/** Error kinds that are results of an operation. Any other error aborts the whole transaction. */
const EXPECTED_ERROR_KINDS: readonly string[] = ['refusal', 'usage']

/** Maximum number of operations in one transaction. Further operations run in the next one. */
const MAX_BATCH_SIZE = 1000

/**
 * Runs the license operations of a product. Operations of the same moment share one transaction, which also reports the
 * new counts to the machine. Each operation resolves after the commit.
 */
export class OperationQueue {
  readonly #core: AgentCore
  readonly #ledger: UsageLedger
  readonly #module: ModuleSlot<unknown, object>
  #pending: PendingOperation[] = []
  #scheduled = false

  constructor(core: AgentCore, ledger: UsageLedger, module: ModuleSlot<unknown, object>) {
    this.#core = core
    this.#ledger = ledger
    this.#module = module
  }

  /**
   * Runs an operation together with the others of this moment. Resolves when the result is on disk.
   *
   * @throws LicensingError the operation's error, the policy's refusal, AGENT_CLOSED, STORE_FULL, or STORE_UNWRITABLE
   */
  enqueue<T>(operation: ModuleOperation<T>): Promise<T> {
    if (this.#core.device.isClosed) return Promise.reject(agentClosedError())
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ ...operation, resolve, reject })
      if (this.#scheduled) return
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.flush()
      })
    })
  }

  /** Runs the queued operations now. */
  flush(): void {
    const { runner } = this.#core
    // Under a reservation, each operation can change whether the next one is allowed.
    while (this.#pending.length > 0)
      this.#runBatch(
        this.#pending.splice(0, getLicenseState(runner.snapshot.value) === 'reserved' ? 1 : MAX_BATCH_SIZE),
      )
  }

  #runBatch(operations: readonly PendingOperation[]): void {
    const results: (() => void)[] = []
    try {
      this.#ledger.change((snapshot) => {
        const at = this.#core.clock.now()
        const policy = createUsagePolicy(snapshot, this.#core.profile, at)
        const transaction = {
          at,
          isLicensed: isLicensed(snapshot),
          canTakeLicenses: policy.restrictionReason === null,
        }
        for (const operation of operations) results.push(this.#runOperation(operation, transaction, policy))
      })
    } catch (error) {
      // The transaction was rolled back, so all of its operations fail.
      for (const { reject } of operations) reject(error)
      return
    }
    for (const settle of results) settle()
  }

  #runOperation(
    operation: PendingOperation,
    transaction: ModuleTransaction,
    policy: UsagePolicy,
  ): () => void {
    const { action } = operation
    try {
      const refusal =
        action === null ? null : (policy.checkAction(action) ?? this.#module.checkAction(action))
      if (refusal) throw refusal
      const value = operation.run(transaction) as never
      return () => {
        operation.resolve(value)
      }
    } catch (error) {
      if (!(error instanceof LicensingError) || !EXPECTED_ERROR_KINDS.includes(error.kind)) throw error
      if (error.kind === 'refusal') this.#recordDenial(operation, error, transaction.at)
      return () => {
        operation.reject(error)
      }
    }
  }

  /** Runs long work unless the policy refuses the action. Records a refusal. */
  async attempt<T>(
    operation: { readonly action: string; readonly what: string },
    work: () => T | Promise<T>,
  ): Promise<T> {
    const { device, runner, clock, profile, store } = this.#core
    device.requireOpen()
    const at = clock.now()
    try {
      const refusal = createUsagePolicy(runner.snapshot, profile, at).checkAction(operation.action)
      if (refusal) throw refusal
      return await work()
    } catch (error) {
      const failure = toLicensingError(error)
      if (failure.kind === 'refusal')
        store.commit(() => {
          this.#recordDenial({ what: operation.what, who: null }, failure, at)
        })
      throw failure
    }
  }

  #recordDenial(
    { what, who }: Pick<PendingOperation, 'what' | 'who'>,
    { code, message }: LicensingError,
    at: Instant,
  ): void {
    this.#ledger.history.recordDenial({ at, what, who, code, reason: message })
  }
}
