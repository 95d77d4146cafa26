import { z } from 'zod'
import type { ControlCommand } from '../core/control-command.ts'
import { LicensingError } from '../core/errors.ts'
import type { ProductProfile } from '../core/profile.ts'
import type { Device } from './agent-core.ts'
import { guardModuleApi } from './guard-module-api.ts'
import type { ModuleAgent, ModuleState, ProductModule } from './product-module.ts'
import type { AgentStore } from './store.ts'
import { type DeniedActions, isLicenseManagement } from './usage-policy.ts'

/** Stored counts of a module, with its name. */
const storedCountsSchema = z.object({ module: z.string(), counts: z.record(z.string(), z.number()) })
type ModuleCounts = z.infer<typeof storedCountsSchema>['counts']

const COUNTS_KEY = 'module-counts'

/**
 * Slot for the product module of a data directory. If this program does not include the module, the slot reports the
 * counts that the module stored last.
 */
export class ModuleSlot<Api, StatusPart extends object> {
  readonly #store: AgentStore
  readonly #profile: ProductProfile
  readonly #module: ProductModule<Api, StatusPart> | null
  /** State of the module. Null when the product has none or this program does not include it. */
  readonly state: ModuleState<Api, StatusPart> | null
  #storedCounts: ModuleCounts
  #api: { readonly value: Api } | null = null

  /** Opens the module that the profile names, in a transaction. @throws LicensingError INVALID_ARGUMENT, STORE_* */
  constructor(
    store: AgentStore,
    profile: ProductProfile,
    module: ProductModule<Api, StatusPart> | undefined,
  ) {
    this.#store = store
    this.#profile = profile
    this.#module = module !== undefined && module.name === profile.module?.name ? module : null
    this.#storedCounts = this.#readCounts()
    this.state = this.#module && openModule(store, profile, this.#module)
  }

  /** Reads the stored counts. Ignores the counts of another module, which belong to a replaced profile. */
  #readCounts(): ModuleCounts {
    const stored = this.#store.read(COUNTS_KEY, storedCountsSchema)
    return stored !== null && stored.module === this.#profile.module?.name ? stored.counts : {}
  }

  counts(): Readonly<ModuleCounts> {
    return this.state ? this.state.counts() : this.#storedCounts
  }

  /** Returns the error for an action that the module refuses. Null otherwise, and always for license management. */
  checkAction(action: string): LicensingError | null {
    return isLicenseManagement(action) ? null : (this.state?.checkAction(action) ?? null)
  }

  /** Lists the actions that the module refuses now. Empty for a module that cannot list them. */
  deniedActions(): readonly DeniedActions[] {
    return this.state?.deniedActions?.() ?? []
  }

  /** Stores the counts for programs that do not include the module. Called at the end of a transaction. */
  storeCounts(): void {
    if (!this.state || !this.#module) return
    const counts = this.state.counts()
    if (countsEqual(counts, this.#storedCounts)) return
    this.#store.write(COUNTS_KEY, { module: this.#module.name, counts })
    this.#storedCounts = { ...counts }
  }

  rollback(): void {
    this.state?.rollback()
    this.#storedCounts = this.#readCounts()
  }

  connect(agent: ModuleAgent, device: Device): void {
    this.#api = this.state && { value: guardModuleApi(this.state.createApi(agent), device) }
  }

  /** @throws LicensingError MODULE_UNAVAILABLE */
  get api(): Api {
    if (this.#api) return this.#api.value
    throw this.#createUnavailableError()
  }

  /**
   * Finds a command of the module.
   *
   * @throws LicensingError MODULE_UNAVAILABLE, or USAGE for an unknown command
   */
  command(name: string): { readonly reads: boolean; readonly call: (params: unknown) => unknown } {
    const commands: Readonly<Record<string, ControlCommand<Api>>> = this.#module?.commands ?? {}
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command) return { reads: command.reads, call: (params) => command.call(this.api, params) }
    if (this.#module === null) throw this.#createUnavailableError()
    throw unknownCommandError(name)
  }

  #createUnavailableError(): LicensingError {
    const { name, module } = this.#profile
    return new LicensingError(
      'MODULE_UNAVAILABLE',
      module === null
        ? `The product ${name} has no module.`
        : `The product ${name} needs the module ${module.name}, which this program does not include.`,
    )
  }
}

export const unknownCommandError = (name: string): LicensingError =>
  new LicensingError('USAGE', `Unknown command ${JSON.stringify(name)}.`)

/** Migrates the tables of a module, and reads its state. */
function openModule<Api, StatusPart extends object>(
  store: AgentStore,
  profile: ProductProfile,
  module: ProductModule<Api, StatusPart>,
): ModuleState<Api, StatusPart> {
  const key = (document: string) => `${module.name}/${document}`
  const done = store.read(key('migrations'), z.int().min(0)) ?? 0
  if (done > module.migrations.length)
    throw new LicensingError(
      'STORE_TOO_NEW',
      `The data of the module ${module.name} was written by a later version of the module.`,
    )
  for (const sql of module.migrations.slice(done)) store.db.exec(sql)
  if (done < module.migrations.length) store.write(key('migrations'), module.migrations.length)
  return module.openState({
    db: store.db,
    tags: profile.tags.map(({ tag }) => tag),
    settings: profile.module?.settings ?? {},
    read: (document, schema) => store.read(key(document), schema),
    write: (document, value) => {
      store.write(key(document), value)
    },
  })
}

const countsEqual = (a: Readonly<ModuleCounts>, b: Readonly<ModuleCounts>): boolean =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].every((tag) => (a[tag] ?? 0) === (b[tag] ?? 0))
