import type { ModuleAgent } from '../agent/product-module.ts'
import { LicensingError } from '../core/errors.ts'
import { toIsoString } from '../core/time.ts'
import type { Host } from './host-ledger.ts'
import { parseUser } from './identifiers.ts'
import type { ConferencingState } from './state.ts'

/** Host as a document, with ISO 8601 times. */
export interface HostDocument extends Omit<Host, 'assignedAt'> {
  readonly assignedAt: string | null
}

const toHostDocument = (host: Host): HostDocument => ({ ...host, assignedAt: toIsoString(host.assignedAt) })

/** Management of host licenses (`agent.module.hosts`). Each call resolves when its result is on disk. */
export class HostLicenses {
  readonly #state: ConferencingState
  readonly #agent: ModuleAgent

  constructor(state: ConferencingState, agent: ModuleAgent) {
    this.#state = state
    this.#agent = agent
  }

  /**
   * Assigns a host license to a user manually. A user who has one keeps it (R-HOST-1).
   *
   * @throws LicensingError INVALID_ARGUMENT, HOST_DEACTIVATED, ATTENDEE_ONLY, EVALUATION_EXPIRED, NOT_AUTHORIZED,
   * POLICY_REFUSED
   */
  async assign(user: string): Promise<HostDocument> {
    const name = parseUser(user)
    return toHostDocument(
      await this.#agent.run({
        action: 'host-assign',
        what: 'assign a host license',
        who: name,
        run: ({ at, isLicensed }) => this.#state.hosts.assign(name, 'manual', at, isLicensed),
      }),
    )
  }

  /**
   * Deactivates a user. Only this releases the user's license (R-HOST-3).
   *
   * @throws LicensingError INVALID_ARGUMENT, HOST_IN_MEETING
   */
  async deactivate(user: string): Promise<HostDocument> {
    const name = parseUser(user)
    return toHostDocument(
      await this.#agent.run({
        action: null,
        what: 'deactivate a user',
        who: name,
        run: () => {
          const { hosts, meetings } = this.#state
          const [meeting] = meetings.listRunningFor(name)
          if (meeting !== undefined)
            throw new LicensingError(
              'HOST_IN_MEETING',
              `The meeting ${JSON.stringify(meeting)} of the user ${JSON.stringify(name)} is running.`,
            )
          return hosts.deactivate(name)
        },
      }),
    )
  }

  /** Activates a user again, without a license until the user hosts or gets one manually. @throws LicensingError INVALID_ARGUMENT */
  async activate(user: string): Promise<HostDocument> {
    const name = parseUser(user)
    return toHostDocument(
      await this.#agent.run({
        action: null,
        what: 'activate a user',
        who: name,
        run: () => this.#state.hosts.activate(name),
      }),
    )
  }

  /** Makes a user attendee-only: neither host nor alternate host (R-HOST-7). @throws LicensingError HOST_LICENSED */
  async setAttendeeOnly(user: string, attendeeOnly: boolean): Promise<HostDocument> {
    const name = parseUser(user)
    return toHostDocument(
      await this.#agent.run({
        action: 'host-attendee-only',
        what: 'make a user attendee-only',
        who: name,
        run: () => this.#state.hosts.setAttendeeOnly(name, attendeeOnly),
      }),
    )
  }

  /** Returns a user. Null for a user without any license history. @throws LicensingError INVALID_ARGUMENT */
  find(user: string): HostDocument | null {
    const host = this.#state.hosts.find(parseUser(user))
    return host && toHostDocument(host)
  }

  /**
   * Lists the users with a license by name. With `all`, lists all known users.
   *
   * @param options `after`: last name of the previous page; `search`: part of the name
   */
  list(options: { after?: string; limit?: number; all?: boolean; search?: string } = {}): HostDocument[] {
    const { after = '', limit = 1000, all = false, search = '' } = options
    return this.#state.hosts.list({ after, limit, all, search }).map(toHostDocument)
  }
}
