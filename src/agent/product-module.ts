import type { z } from 'zod'
import type { ControlCommand } from '../core/control-command.ts'
import type { LicensingError } from '../core/errors.ts'
import type { ProfileInput } from '../core/profile.ts'
import type { Instant } from '../core/time.ts'
import type { SqliteDatabase } from '../core/sqlite.types.ts'

/**
 * Product module: counts usage and makes decisions beyond the counts that the product declares. A module has its own
 * tables in the database of the agent, and changes them within transactions of the agent.
 *
 * A profile names its module (`module.name`). An agent whose program does not include the module reports the counts that
 * were stored last, and refuses the commands of the module (MODULE_UNAVAILABLE).
 *
 * @typeParam Api type of `agent.module`
 * @typeParam StatusPart members that the module adds to the Status document
 */
export interface ProductModule<Api = unknown, StatusPart extends object = object> {
  readonly name: string
  /** Default profile for a new data directory that is opened with the module. */
  readonly profile: ProfileInput
  /** SQL migrations of the module's tables. Each entry runs once, in order. Only append entries. */
  readonly migrations: readonly string[]
  /** Control socket commands of the module by name. Names of the agent's own commands are not allowed. */
  readonly commands: Readonly<Record<string, ControlCommand<Api>>>
  /**
   * Reads the state of the module as an agent opens, in a transaction.
   *
   * @throws LicensingError INVALID_ARGUMENT for invalid settings. The agent does not open, and nothing is changed
   */
  openState(storage: ModuleStorage): ModuleState<Api, StatusPart>
}

/** Storage of a module in the database of the agent. Use it only within transactions of the agent. */
export interface ModuleStorage {
  readonly db: SqliteDatabase
  /** Entitlement tags of the profile. */
  readonly tags: readonly string[]
  /** Settings of the module in the profile, not validated. */
  readonly settings: unknown
  /** Returns a document of the module; null when there is none. @throws LicensingError STORE_UNREADABLE */
  read<T>(document: string, schema: z.ZodType<T>): T | null
  write(document: string, value: unknown): void
}

/** The state of a module in an open agent. */
export interface ModuleState<Api = unknown, StatusPart extends object = object> {
  /** Returns the module's usage counts by tag. */
  counts(): Readonly<Record<string, number>>
  /** Returns the module's part of the Status document. */
  status(): StatusPart
  /** Returns the error for an action that the module refuses and the agent allows. Null if the module allows it. */
  checkAction(action: string): LicensingError | null
  /**
   * Lists the actions that `checkAction` refuses now, for clients in other processes (`SmartAgent.connect`). Without this
   * method, `allows` of a client does not include the refusals of the module.
   */
  deniedActions?(): readonly { readonly actions: readonly string[]; readonly reason: string }[]
  /** Returns the licenses that a major upgrade needs for a new evaluation period. Null if it needs none. */
  getUpgradeLicenses(): { readonly tag: string; readonly count: number } | null
  /** Checks whether `expire` may have work. Called with every tick, so it must be fast. */
  hasExpiring(): boolean
  /** Ends everything that has expired, in a transaction. */
  expire(at: Instant): void
  /** Writes the module's pending changes at the end of a transaction of the agent. */
  beforeCommit(transaction: Pick<ModuleTransaction, 'at' | 'isLicensed'>): void
  /** Reloads the state from disk, after a rollback. */
  rollback(): void
  /** Creates the interface that `agent.module` returns. */
  createApi(agent: ModuleAgent): Api
}

/** Transaction of a module operation. */
export interface ModuleTransaction {
  readonly at: Instant
  /** True if the product is licensed, false during evaluation. */
  readonly isLicensed: boolean
  /** True if more licenses may be used, false while only license management works. */
  readonly canTakeLicenses: boolean
}

/** Operation of a product on its licenses. */
export interface ModuleOperation<T> {
  /** Action that the policy must allow. Null for an operation that is always allowed, such as a release. */
  readonly action: string | null
  /** Description for the list of denials: a verb and its object. */
  readonly what: string
  readonly who: string | null
  /** Runs the operation in a transaction. A refusal must be thrown before anything is written. */
  readonly run: (transaction: ModuleTransaction) => T
}

/** Licenses that are reported before they are used, so that the authority confirms that they are available. */
export interface LicenseHold {
  /** Releases the licenses, in a separate transaction. */
  release(): void
}

/** Services of an agent for its product module. */
export interface ModuleAgent {
  /** Returns the license time. */
  now(): Instant
  /** Returns the usage of a tag: declared by the product, counted by the module, and held. */
  countInUse(tag: string): number
  /**
   * Runs an operation in one transaction with the other operations of the same moment and the changed counts. Resolves
   * when the result is on disk.
   *
   * @throws LicensingError the operation's error, the policy's refusal, AGENT_CLOSED, STORE_FULL, or STORE_UNWRITABLE
   */
  run<T>(operation: ModuleOperation<T>): Promise<T>
  /**
   * Changes the state of the module immediately, in one transaction with the changed counts.
   *
   * @param hold licenses that the change starts to use
   * @throws LicensingError STORE_FULL or STORE_UNWRITABLE, and nothing is changed
   */
  change(work: () => void, hold?: LicenseHold | null): void
  /**
   * Runs long work, such as a request to the authority, unless the policy refuses the action. Records a refusal.
   *
   * @throws LicensingError the error of the work, the policy's refusal, or AGENT_CLOSED
   */
  attempt<T>(
    operation: Pick<ModuleOperation<T>, 'what'> & { action: string },
    work: () => T | Promise<T>,
  ): Promise<T>
  /**
   * Confirms that additional licenses are available, and holds them until they are used. A registered device asks the
   * authority. A reserved device checks its reservation.
   *
   * @param more number of additional licenses by tag
   * @returns null if a reservation covers the licenses
   * @throws LicensingError LICENSES_REQUIRED, or an error of the authorization renewal
   */
  acquire(more: Readonly<Record<string, number>>): Promise<LicenseHold | null>
}
