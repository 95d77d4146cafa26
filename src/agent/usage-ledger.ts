import { z } from 'zod'
import type { AgentSnapshot } from '../../machines/index.ts'
import { countSchema, MAX_COUNT } from '../core/entitlement.ts'
import { LicensingError } from '../core/errors.ts'
import type { ProductProfile } from '../core/profile.ts'
import type { Instant } from '../core/time.ts'
import { validate } from '../core/validate.ts'
import type { AgentCore } from './agent-core.ts'
import type { ModuleSlot } from './module-slot.ts'
import type { LicenseHold } from './product-module.ts'
import { isLicensed } from './status.ts'
import { UsageHistory } from './usage-history.ts'
import { createUsagePolicy } from './usage-policy.ts'

const declaredSchema = z.record(z.string(), z.number())

/** Hold of licenses before they are used. A hold ends with the process and does not count as usage in the history. */
class UsageHold implements LicenseHold {
  readonly #ledger: UsageLedger
  readonly #more: readonly (readonly [tag: string, count: number])[]
  isActive = true

  constructor(ledger: UsageLedger, wanted: Readonly<Record<string, number>>) {
    this.#ledger = ledger
    this.#more = Object.entries(wanted).map(([tag, count]) => [
      tag,
      Math.max(0, count - ledger.countInUse(tag)),
    ])
  }

  count(tag: string): number {
    return this.isActive ? (this.#more.find(([held]) => held === tag)?.[1] ?? 0) : 0
  }

  release(): void {
    if (!this.isActive) return
    this.isActive = false
    this.#ledger.change(() => undefined)
  }
}

/**
 * Usage of each tag: declared by the product, counted by its module, and held. Each change is one transaction that also
 * reports the new counts to the machine.
 */
export class UsageLedger {
  readonly history: UsageHistory
  readonly #core: AgentCore
  readonly #module: ModuleSlot<unknown, object>
  #holds: readonly UsageHold[] = []
  #declared: Record<string, number>

  constructor(core: AgentCore, module: ModuleSlot<unknown, object>) {
    const { store, runner } = core
    this.#core = core
    this.#module = module
    this.history = new UsageHistory(store.db, {
      read: (schema) => store.read('usage-now', schema),
      write: (hours) => {
        store.write('usage-now', hours)
      },
    })
    this.#declared = this.#readDeclared()
    runner.events.on('beforeCommit', (after, at) => {
      this.#beforeCommit(after, at)
    })
    runner.events.on('rollback', () => {
      module.rollback()
      this.history.reload()
    })
  }

  #readDeclared(): Record<string, number> {
    const { store } = this.#core
    const stored = store.read('declared', declaredSchema)
    if (stored) return stored
    const declared = { ...this.#core.runner.snapshot.context.usage.counts }
    store.commit(() => {
      store.write('declared', declared)
    })
    return declared
  }

  /** Returns the usage of a tag: declared, counted by the module, and held. */
  countInUse(tag: string): number {
    if (!this.#core.profile.tags.some((known) => known.tag === tag)) return 0
    const counted = this.#module.counts()[tag] ?? 0
    return Math.min(MAX_COUNT, (this.#declared[tag] ?? 0) + counted + this.#countHeld(tag))
  }

  #countHeld(tag: string): number {
    return this.#holds.reduce((sum, hold) => sum + hold.count(tag), 0)
  }

  /**
   * Reports licenses before they are used, so that the authority confirms them. Raises each tag to the given count until
   * the hold is released or used.
   */
  hold(wanted: Readonly<Record<string, number>>): LicenseHold {
    const hold = new UsageHold(this, wanted)
    this.#holds = [...this.#holds.filter(({ isActive }) => isActive), hold]
    try {
      this.change(() => undefined)
    } catch (error) {
      hold.isActive = false
      throw error
    }
    return hold
  }

  /** Removes holds of an earlier process from the reported counts. */
  releaseStaleHolds(): void {
    if (this.#findChanges().length > 0) this.change(() => undefined)
  }

  /**
   * Runs work that changes the usage, in one transaction with the changed counts.
   *
   * @param hold licenses that the work starts to use
   * @throws LicensingError STORE_FULL or STORE_UNWRITABLE, and nothing is changed
   */
  change(work: (snapshot: AgentSnapshot) => void, hold?: LicenseHold | null): void {
    for (const active of this.#holds) if (active === hold) active.isActive = false
    this.#core.runner.runInTransaction((snapshot) => {
      work(snapshot)
      return this.#findChanges()
    })
  }

  /** Returns the tags whose count differs from the machine's. Each becomes an event in the same transaction. */
  #findChanges(): { tag: string; count: number }[] {
    const { counts } = this.#core.runner.snapshot.context.usage
    // Include tags that the profile no longer has. Their count becomes 0.
    const tags = new Set([...this.#core.profile.tags.map(({ tag }) => tag), ...Object.keys(counts)])
    return [...tags].flatMap((tag) => {
      const count = this.countInUse(tag)
      return count === (counts[tag] ?? 0) ? [] : [{ tag, count }]
    })
  }

  /**
   * Sets the declared usage of a tag, in addition to the counts of the product module.
   *
   * @throws LicensingError UNKNOWN_TAG, INVALID_ARGUMENT, AGENT_CLOSED; for an increase also EVALUATION_EXPIRED or
   * NOT_AUTHORIZED
   */
  setDeclaredUsage(tag: string, count: number): void {
    const { device, clock, profile, runner, store } = this.#core
    device.requireOpen()
    if (!profile.tags.some((known) => known.tag === tag)) throw unknownTagError(profile, tag)
    const declared = validate(countSchema, count, `count of ${tag}`)
    const at = clock.now()
    if (declared > (this.#declared[tag] ?? 0)) {
      const refusal = createUsagePolicy(runner.snapshot, profile, at).checkAction('usage')
      if (refusal) {
        const { code } = refusal
        const reason = `The usage of ${tag} cannot increase: ${refusal.message}`
        store.commit(() => {
          this.history.recordDenial({ at, what: `use ${count} of ${tag}`, who: null, code, reason })
        })
        throw new LicensingError(code, reason)
      }
    }
    const before = this.#declared
    this.#declared = { ...before, [tag]: declared }
    try {
      runner.runInTransaction(() => {
        store.write('declared', this.#declared)
        return [{ tag, count: this.countInUse(tag) }]
      })
    } catch (error) {
      this.#declared = before
      throw error
    }
  }

  /** Ends what has expired in the product module. Called with every tick. */
  expire(): void {
    const { state } = this.#module
    if (!state?.hasExpiring()) return
    this.change(() => {
      state.expire(this.#core.clock.now())
    })
  }

  /** Adds the module's changes and the usage history to a transaction. */
  #beforeCommit(after: AgentSnapshot, at: Instant): void {
    this.#module.state?.beforeCommit({ at, isLicensed: isLicensed(after) })
    this.#module.storeCounts()
    for (const [tag, count] of Object.entries(after.context.usage.counts)) {
      const used = count - this.#countHeld(tag)
      if (used !== this.history.currentCount(tag)) this.history.record(tag, used, at)
    }
    this.history.flush()
  }
}

const unknownTagError = ({ tags }: ProductProfile, tag: string): LicensingError =>
  new LicensingError(
    'UNKNOWN_TAG',
    `The product has no entitlement tag ${JSON.stringify(tag.slice(0, 64))}. Its tags are ${tags.map((known) => known.tag).join(', ')}.`,
  )
