import type Sqlite from 'better-sqlite3'
import type { z } from 'zod'
import type { ControlCommand } from '../core/control-command.ts'
import type { LicensingError } from '../core/errors.ts'
import type { ProfileInput } from '../core/profile.ts'
import type { Instant } from '../core/time.ts'

/**
 * A product module: what a product counts and decides beyond the counts that it declares. A module has tables of its own in the
 * database of the agent, and changes them within the transactions of the agent.
 *
 * A profile names its module (`module.name`). An agent whose program lacks the module reports the counts that were stored last,
 * and refuses the commands of the module (MODULE_UNAVAILABLE).
 *
 * @typeParam Api what `agent.module` is
 * @typeParam StatusPart what the module adds to the Status document
 */
export interface ProductModule<Api = unknown, StatusPart extends object = object> {
  readonly name: string
  /** The profile of a new data directory that is opened with the module and without a profile. */
  readonly profile: ProfileInput
  /** SQL that makes or changes the tables of the module. Each entry runs once, in order; entries are only ever appended. */
  readonly migrations: readonly string[]
  /** What can be asked of the module over the control socket, by name. No name of the agent's own commands. */
  readonly commands: Readonly<Record<string, ControlCommand<Api>>>
  /**
   * Reads the state of the module as an agent opens, in a transaction.
   *
   * @throws LicensingError INVALID_ARGUMENT for settings that cannot be used: the agent does not open, and nothing is changed
   */
  openState(storage: ModuleStorage): ModuleState<Api, StatusPart>
}

/** Where a module keeps its data: in the database of the agent, and only within its transactions. */
export interface ModuleStorage {
  readonly db: Sqlite.Database
  /** The entitlement tags of the profile. */
  readonly tags: readonly string[]
  /** The settings of the module in the profile, not checked yet. */
  readonly settings: unknown
  /** Returns a document of the module; null when there is none. @throws LicensingError STORE_UNREADABLE */
  read<T>(document: string, schema: z.ZodType<T>): T | null
  write(document: string, value: unknown): void
}

/** The state of a module in an open agent. */
export interface ModuleState<Api = unknown, StatusPart extends object = object> {
  /** Returns what the module counts of each tag. */
  counts(): Readonly<Record<string, number>>
  /** Returns the part of the Status document that is the module's. */
  status(): StatusPart
  /** Returns why the module refuses an action that the agent allows; null when it does not. */
  checkAction(action: string): LicensingError | null
  /** Returns the licenses without which an upgrade to a major version has no evaluation; null when there are none. */
  getUpgradeLicenses(): { readonly tag: string; readonly count: number } | null
  /** Tells whether `expire` may have something to do. Called with every tick, so it is quick. */
  hasExpiring(): boolean
  /** Ends what time has ended, in a transaction. */
  expire(at: Instant): void
  /** Completes what belongs to a transaction of the agent, as the last thing in it. */
  beforeCommit(transaction: Pick<ModuleTransaction, 'at' | 'isLicensed'>): void
  /** Reads the state from the disk again, after a transaction that was not kept. */
  rollback(): void
  /** Makes what `agent.module` is. */
  createApi(agent: ModuleAgent): Api
}

/** What an operation of a module finds within its transaction. */
export interface ModuleTransaction {
  readonly at: Instant
  /** Tells whether the product is licensed rather than evaluated. */
  readonly isLicensed: boolean
  /** Tells whether licenses may be taken into use; false while only license management works. */
  readonly canTakeLicenses: boolean
}

/** Something that a product does with its licenses. */
export interface ModuleOperation<T> {
  /** The action that must be allowed; null for one that always is, such as giving back. */
  readonly action: string | null
  /** What is done, for the list of denials: a verb and its object. */
  readonly what: string
  readonly who: string | null
  /** What is done, in a transaction. A refusal must be thrown before anything is written. */
  readonly run: (transaction: ModuleTransaction) => T
}

/** Licenses that are held before they are used, so that the authority says whether they are there. */
export interface LicenseHold {
  /** Gives the licenses back, in a transaction of its own. */
  release(): void
}

/** What an agent does for its module. */
export interface ModuleAgent {
  /** Returns the time by which licenses are judged. */
  now(): Instant
  /** Returns how many of a tag are in use: declared by the product, counted by the module, and held. */
  countInUse(tag: string): number
  /**
   * Runs an operation together with the others that are asked for at the same moment, in one transaction with the counts that come
   * of it. Resolves when that is on disk.
   *
   * @throws LicensingError what the operation throws, and what the policy refuses; AGENT_CLOSED, STORE_FULL, STORE_UNWRITABLE
   */
  run<T>(operation: ModuleOperation<T>): Promise<T>
  /**
   * Changes the state of the module at once, in one transaction with the counts that come of it.
   *
   * @param hold licenses that are used by the change from here on
   * @throws LicensingError STORE_FULL, STORE_UNWRITABLE: nothing is changed
   */
  change(work: () => void, hold?: LicenseHold | null): void
  /**
   * Does something that may take long, such as asking the authority, unless the policy refuses the action. A refusal is recorded.
   *
   * @throws LicensingError what the work throws, and what the policy refuses; AGENT_CLOSED
   */
  attempt<T>(
    operation: Pick<ModuleOperation<T>, 'what'> & { action: string },
    work: () => T | Promise<T>,
  ): Promise<T>
  /**
   * Makes sure that so many more licenses are there before they are used, and holds them until they are. Asks the authority where
   * the device is registered, and looks at the reservation where it has one.
   *
   * @param more how many more of each tag
   * @returns null where a reservation covers them
   * @throws LicensingError LICENSES_REQUIRED, and those of a renewal of the authorization
   */
  acquire(more: Readonly<Record<string, number>>): Promise<LicenseHold | null>
}
