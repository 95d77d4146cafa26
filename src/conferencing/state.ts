import { z } from 'zod'
import type { ModuleState, ModuleStorage, ModuleTransaction } from '../agent/product-module.ts'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import { getRequiredLicenses, getPorts, type System } from './deployment.ts'
import { type HostCounts, HostLedger } from './host-ledger.ts'
import { Meetings, type MeetingTerms } from './meetings.ts'
import { type ConferencingSettings, parseSettings, type Size } from './settings.ts'

/** Part of the Status document from the conferencing module. */
export interface ConferencingStatus {
  readonly product: { readonly size?: Size; readonly ports?: number }
  readonly hosts?: HostCounts
}

const SYSTEM_KEY = 'system'
const HOST_COUNTS_KEY = 'host-counts'

const systemSchema = z.object({
  size: z.enum(['micro', 'small', 'medium', 'large']),
  extended: z.boolean(),
  dataCenters: z.array(z.string()),
  primary: z.string().nullable(),
})

/** Actions that consume licenses. */
const LICENSE_CONSUMING_ACTIONS: readonly string[] = ['host-assign', 'meeting-start']

/** Hosts, meetings and the deployment of a conferencing product, in the database of its agent. */
export class ConferencingState implements Omit<ModuleState<unknown, ConferencingStatus>, 'createApi'> {
  readonly settings: ConferencingSettings
  readonly hosts: HostLedger
  readonly meetings: Meetings
  readonly #storage: ModuleStorage
  #system: System

  constructor(storage: ModuleStorage, { size }: { size: Size }) {
    this.#storage = storage
    this.settings = parseSettings(storage.settings, storage.tags)
    this.hosts = new HostLedger(storage.db, {
      read: (schema) => storage.read(HOST_COUNTS_KEY, schema),
      write: (counts) => {
        storage.write(HOST_COUNTS_KEY, counts)
      },
    })
    this.meetings = new Meetings(storage.db, this.hosts)
    const stored = storage.read(SYSTEM_KEY, systemSchema)
    this.#system = stored ?? { size, extended: false, dataCenters: [], primary: null }
    if (stored === null) storage.write(SYSTEM_KEY, this.#system)
  }

  get system(): System {
    return this.#system
  }

  /** Changes the deployment, in a transaction. */
  writeSystem(system: System): void {
    this.#system = system
    this.#storage.write(SYSTEM_KEY, system)
  }

  counts(): Record<string, number> {
    const { perHostTag, deployment } = this.settings
    const counts = deployment ? getRequiredLicenses(this.#system, deployment) : {}
    if (perHostTag !== null) counts[perHostTag] = (counts[perHostTag] ?? 0) + this.hosts.counts().assigned
    return counts
  }

  status(): ConferencingStatus {
    return {
      product: { size: this.#system.size, ports: getPorts(this.#system) },
      hosts: this.hosts.counts(),
    }
  }

  /** Refuses license-consuming actions in a joined data center, because the primary one holds the licenses. */
  checkAction(action: string): LicensingError | null {
    const denied = this.deniedActions().find(({ actions }) => actions.includes(action))
    if (!denied) return null
    return new LicensingError('SYSTEM_NOT_ALLOWED', denied.reason, {
      remedy: 'Run the command at the primary data center.',
    })
  }

  deniedActions(): { actions: readonly string[]; reason: string }[] {
    const { primary } = this.#system
    if (primary === null) return []
    return [
      {
        actions: LICENSE_CONSUMING_ACTIONS,
        reason: `The primary data center ${primary} holds the licenses.`,
      },
    ]
  }

  /** Returns the licenses of a multi-data-center system, which has no evaluation period (R-EVAL-6). */
  getUpgradeLicenses(): { tag: string; count: number } | null {
    const { dataCenters, size } = this.#system
    if (dataCenters.length === 0) return null
    return { tag: this.settings.deployment?.dataCenterTags[size] ?? '', count: dataCenters.length + 1 }
  }

  toMeetingTerms({ isLicensed, canTakeLicenses }: ModuleTransaction): MeetingTerms {
    const { maxConcurrentMeetings, maxMeetingDuration } = this.settings
    return {
      maxConcurrent: maxConcurrentMeetings,
      maxDuration: maxMeetingDuration,
      isLicensed,
      canAssignLicense: canTakeLicenses,
    }
  }

  hasExpiring(): boolean {
    return this.meetings.findRunning() !== null
  }

  expire(at: Instant): void {
    this.meetings.expire(at)
  }

  beforeCommit({ isLicensed }: { isLicensed: boolean }): void {
    if (isLicensed) this.hosts.makePermanent()
    this.hosts.flush()
  }

  rollback(): void {
    this.hosts.reload()
    this.#system = this.#storage.read(SYSTEM_KEY, systemSchema) ?? this.#system
  }
}
