import type { ModuleAgent } from '../agent/product-module.ts'
import { LicensingError } from '../core/errors.ts'
import {
  extend,
  addDataCenter,
  joinDataCenter,
  removeDataCenter,
  getRequiredLicenses,
  getPorts,
  reduce,
  resize,
  type System,
} from './deployment.ts'
import { parseDataCenter } from './identifiers.ts'
import type { Size } from './settings.ts'
import type { ConferencingState } from './state.ts'

/** Deployment as a document. */
export interface SystemDocument {
  readonly size: Size
  readonly ports: number
  readonly portsInUse: number
  readonly extended: boolean
  readonly role: 'single' | 'primary' | 'joined'
  readonly dataCenters: readonly string[]
  readonly primary: string | null
  /** System licenses in use by tag. */
  readonly licenses: Readonly<Record<string, number>>
}

/**
 * Deployment size, extended capacity and data centers (`agent.module.system`). A change that needs licenses is made only
 * after the licenses are confirmed, because it has no evaluation period (R-EVAL-6, R-SYS-2, R-SYS-3).
 */
export class DeploymentApi {
  readonly #state: ConferencingState
  readonly #agent: ModuleAgent
  /** Last requested change. Changes run one at a time, because the licenses needed depend on the current deployment. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(state: ConferencingState, agent: ModuleAgent) {
    this.#state = state
    this.#agent = agent
  }

  /** @throws LicensingError SYSTEM_NOT_ALLOWED for a product without sizes and data centers */
  show(): SystemDocument {
    const { system } = this.#state
    return {
      size: system.size,
      ports: getPorts(system),
      portsInUse: this.#countPortsInUse(),
      extended: system.extended,
      role: system.primary !== null ? 'joined' : system.dataCenters.length > 0 ? 'primary' : 'single',
      dataCenters: system.dataCenters,
      primary: system.primary,
      licenses: getRequiredLicenses(system, this.#tags),
    }
  }

  get #tags() {
    const { deployment } = this.#state.settings
    if (!deployment)
      throw new LicensingError('SYSTEM_NOT_ALLOWED', 'The product has no deployment sizes and data centers.')
    return deployment
  }

  /**
   * Changes the deployment size.
   *
   * @throws LicensingError SYSTEM_NOT_ALLOWED, PORTS_IN_USE, LICENSES_REQUIRED, or an error of the authorization renewal
   */
  resize(size: Size): Promise<SystemDocument> {
    return this.#change(`make the system ${size}`, (system) =>
      resize(system, size, this.#tags, this.#countPortsInUse()),
    )
  }

  /**
   * Extends a large system from 2000 to 4000 ports.
   *
   * @throws LicensingError SYSTEM_NOT_ALLOWED, LICENSES_REQUIRED, or an error of the authorization renewal
   */
  extend(): Promise<SystemDocument> {
    return this.#change('extend the system', extend)
  }

  /** Reduces an extended system to 2000 ports. @throws LicensingError SYSTEM_NOT_ALLOWED, PORTS_IN_USE */
  reduce(): Promise<SystemDocument> {
    return this.#change('reduce the system', (system) => reduce(system, this.#countPortsInUse()))
  }

  /**
   * Adds another data center to this one, which becomes the primary. The licenses must be available first (R-SYS-3).
   *
   * @throws LicensingError SYSTEM_NOT_ALLOWED, LICENSES_REQUIRED, or an error of the authorization renewal
   */
  join(dataCenter: string): Promise<SystemDocument> {
    const name = parseDataCenter(dataCenter)
    return this.#change(`let the data center ${name} join`, (system) =>
      addDataCenter(system, name, this.#tags),
    )
  }

  /**
   * Joins the system of another data center, which then holds the licenses. Hosts of this one release theirs (R-HOST-10).
   *
   * @throws LicensingError SYSTEM_NOT_ALLOWED, HOST_IN_MEETING
   */
  joinTo(primary: string): Promise<SystemDocument> {
    const name = parseDataCenter(primary)
    return this.#attempt(`join the data center ${name}`, () => {
      const next = joinDataCenter(this.#state.system, name)
      if (next === this.#state.system) return this.show()
      const running = this.#state.meetings.findRunning()
      if (running !== null)
        throw new LicensingError(
          'HOST_IN_MEETING',
          `The meeting ${JSON.stringify(running)} is running, and its host would lose the license.`,
        )
      this.#agent.change(() => {
        this.#state.writeSystem(next)
        this.#state.hosts.releaseAll()
      })
      return this.show()
    })
  }

  /** Removes a data center from this system. Without a name, leaves the joined system. @throws LicensingError SYSTEM_NOT_ALLOWED */
  leave(dataCenter?: string): Promise<SystemDocument> {
    return this.#attempt('let a data center leave', () => {
      const next = removeDataCenter(this.#state.system, dataCenter)
      this.#agent.change(() => {
        this.#state.writeSystem(next)
      })
      return this.show()
    })
  }

  #countPortsInUse(): number {
    return this.#state.meetings.countPortsInUse()
  }

  #attempt<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    return this.#agent.attempt({ action: 'system-change', what }, work)
  }

  #change(what: string, to: (system: System) => System): Promise<SystemDocument> {
    const change = this.#last.then(() => this.#attempt(what, () => this.#changeNow(to)))
    this.#last = change.catch(() => undefined)
    return change
  }

  async #changeNow(to: (system: System) => System): Promise<SystemDocument> {
    const { system } = this.#state
    const next = to(system)
    if (next === system) return this.show()
    const [now, then] = [getRequiredLicenses(system, this.#tags), getRequiredLicenses(next, this.#tags)]
    const more = Object.entries(then)
      .map(([tag, count]) => [tag, count - (now[tag] ?? 0)] as const)
      .filter(([, count]) => count > 0)
    const hold = more.length > 0 ? await this.#agent.acquire(Object.fromEntries(more)) : null
    try {
      // The system may have changed during the request to the authority.
      const changed = to(this.#state.system)
      this.#agent.change(() => {
        this.#state.writeSystem(changed)
      }, hold)
    } finally {
      hold?.release()
    }
    return this.show()
  }
}
