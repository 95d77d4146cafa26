import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import { DAY, HOUR, type Instant, iso } from '../core/time.ts'
import type { Host } from '../conferencing/host-licenses.ts'
import type { Meeting, MeetingPlan } from '../conferencing/meetings.ts'
import { parseMeetingId, parseUser } from '../conferencing/identifiers.ts'
import type { ProductLedger } from './usage-ledger.ts'
import type { Denial, UsagePeriod } from './usage-history.ts'

/** A host as programs and people see them. */
export interface HostDocument extends Omit<Host, 'assignedAt'> {
  readonly assignedAt: string | null
}

/** A meeting as programs and people see it. */
export interface MeetingDocument extends Omit<
  Meeting,
  'startsAt' | 'endsAt' | 'startedAt' | 'endedAt' | 'endsAtLatest'
> {
  readonly startsAt: string | null
  readonly endsAt: string | null
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly endsAtLatest: string | null
}

const hostDocument = (host: Host): HostDocument => ({ ...host, assignedAt: iso(host.assignedAt) })

const meetingDocument = (meeting: Meeting): MeetingDocument => ({
  ...meeting,
  startsAt: iso(meeting.startsAt),
  endsAt: iso(meeting.endsAt),
  startedAt: iso(meeting.startedAt),
  endedAt: iso(meeting.endedAt),
  endsAtLatest: iso(meeting.endsAtLatest),
})

/**
 * Host licences: what an administrator does with them by hand. Each resolves when it is on disk; what comes at the same moment
 * goes to disk together.
 */
export class HostDesk {
  readonly #ledger: ProductLedger

  constructor(ledger: ProductLedger) {
    this.#ledger = ledger
  }

  /**
   * Gives a user a host licence by hand; one who holds one keeps it (R-HOST-1).
   *
   * @throws LicensingError INVALID_ARGUMENT, HOST_DEACTIVATED, ATTENDEE_ONLY; EVALUATION_EXPIRED, NOT_AUTHORIZED, POLICY_REFUSED
   */
  async assign(user: string): Promise<HostDocument> {
    const name = parseUser(user)
    return hostDocument(
      await this.#ledger.do({
        action: 'host-assign',
        what: 'assign a host licence',
        who: name,
        work: ({ hosts, at, terms }) => hosts.assign(name, 'manual', at, terms.licensed),
      }),
    )
  }

  /**
   * Deactivates a user, which releases the licence: nothing else does (R-HOST-3).
   *
   * @throws LicensingError INVALID_ARGUMENT, HOST_IN_MEETING
   */
  async deactivate(user: string): Promise<HostDocument> {
    const name = parseUser(user)
    return hostDocument(
      await this.#ledger.do({
        action: null,
        what: 'deactivate a user',
        who: name,
        work: ({ hosts, meetings }) => {
          const [meeting] = meetings.runningFor(name)
          if (meeting !== undefined)
            throw new LicensingError(
              'HOST_IN_MEETING',
              `The meeting ${JSON.stringify(meeting)} of the user ${JSON.stringify(name)} runs.`,
            )
          return hosts.deactivate(name)
        },
      }),
    )
  }

  /** Activates a user again; a licence is taken when they host, or by hand. @throws LicensingError INVALID_ARGUMENT */
  async activate(user: string): Promise<HostDocument> {
    const name = parseUser(user)
    return hostDocument(
      await this.#ledger.do({
        action: null,
        what: 'activate a user',
        who: name,
        work: ({ hosts }) => hosts.activate(name),
      }),
    )
  }

  /** Who may attend only can neither host nor be an alternate host (R-HOST-7). @throws LicensingError HOST_LICENSED */
  async setAttendeeOnly(user: string, attendeeOnly: boolean): Promise<HostDocument> {
    const name = parseUser(user)
    return hostDocument(
      await this.#ledger.do({
        action: 'host-attendee-only',
        what: 'make a user attendee-only',
        who: name,
        work: ({ hosts }) => hosts.setAttendeeOnly(name, attendeeOnly),
      }),
    )
  }

  /** One user; null for one who never had to do with licences. @throws LicensingError INVALID_ARGUMENT */
  find(user: string): HostDocument | null {
    const host = this.#ledger.findHost(parseUser(user))
    return host && hostDocument(host)
  }

  /**
   * Who holds a licence, by name; with `all`, everybody known.
   *
   * @param options `after`: the last name of the page before; `search`: a part of the name
   */
  list(options: { after?: string; limit?: number; all?: boolean; search?: string } = {}): HostDocument[] {
    const { after = '', limit = 1000, all = false, search = '' } = options
    return this.#ledger.listHosts({ after, limit, all, search }).map(hostDocument)
  }
}

/** A meeting as it is planned, its instants as dates, ISO 8601 or milliseconds. */
export interface MeetingRequest extends Omit<MeetingPlan, 'startsAt' | 'endsAt'> {
  readonly startsAt?: Instant | string | Date | undefined
  readonly endsAt?: Instant | string | Date | undefined
}

/** Meetings, as far as they take licences: what the product tells of them. Everything is idempotent by the meeting's id. */
export class MeetingDesk {
  readonly #ledger: ProductLedger

  constructor(ledger: ProductLedger) {
    this.#ledger = ledger
  }

  /**
   * Plans a meeting: takes no licence, whoever plans it, for whomever (R-HOST-2).
   *
   * @throws LicensingError INVALID_ARGUMENT, ATTENDEE_ONLY, HOST_DEACTIVATED, ALREADY_EXISTS, and what the gate refuses
   */
  async schedule(request: MeetingRequest): Promise<MeetingDocument> {
    const host = parseUser(request.host)
    const plan = {
      ...request,
      id: parseMeetingId(request.id),
      startsAt: instantOf(request.startsAt, 'start'),
      endsAt: instantOf(request.endsAt, 'end'),
    }
    return meetingDocument(
      await this.#ledger.do({
        action: 'meeting-schedule',
        what: 'schedule a meeting',
        who: host,
        work: ({ meetings, at }) => meetings.schedule(plan, at),
      }),
    )
  }

  /**
   * Begins a meeting, by its host or an alternate host.
   *
   * @throws LicensingError NOT_FOUND, MEETING_ENDED, MEETING_NOT_HOST, HOST_BUSY, HOST_DEACTIVATED, ATTENDEE_ONLY, and what
   * the gate refuses
   */
  async start(id: string, by?: string): Promise<MeetingDocument> {
    const meeting = parseMeetingId(id)
    const user = by === undefined ? undefined : parseUser(by)
    return meetingDocument(
      await this.#ledger.do({
        action: 'meeting-start',
        what: `start the meeting ${meeting}`,
        who: user ?? null,
        work: ({ meetings, at, terms }) => meetings.start(meeting, user, at, terms),
      }),
    )
  }

  /** Somebody attends: no licence. @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED, MEETING_ENDED */
  async join(id: string, user: string): Promise<MeetingDocument> {
    const [meeting, name] = [parseMeetingId(id), parseUser(user)]
    return meetingDocument(
      await this.#ledger.do({
        action: 'meeting-join',
        what: `join the meeting ${meeting}`,
        who: name,
        work: ({ meetings, at, terms }) => meetings.join(meeting, name, at, terms),
      }),
    )
  }

  /** Somebody leaves. @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED, MEETING_ENDED */
  async leave(id: string, user: string): Promise<MeetingDocument> {
    const [meeting, name] = [parseMeetingId(id), parseUser(user)]
    return meetingDocument(
      await this.#ledger.do({
        action: null,
        what: `leave the meeting ${meeting}`,
        who: name,
        work: ({ meetings, at, terms }) => meetings.leave(meeting, name, at, terms),
      }),
    )
  }

  /** The meeting is over. @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED */
  async end(id: string): Promise<MeetingDocument> {
    const meeting = parseMeetingId(id)
    return meetingDocument(
      await this.#ledger.do({
        action: null,
        what: `end the meeting ${meeting}`,
        who: null,
        work: ({ meetings, at }) => meetings.end(meeting, at),
      }),
    )
  }

  /** @throws LicensingError NOT_FOUND */
  show(id: string): MeetingDocument {
    return meetingDocument(this.#ledger.meetings.show(id))
  }

  /** The meetings that run or are planned, by id. */
  list(options: { after?: string; limit?: number } = {}): MeetingDocument[] {
    const { after = '', limit = 1000 } = options
    return this.#ledger.meetings.list({ after, limit }).map(meetingDocument)
  }
}

/** What was in use, and what was refused: what an administrator looks at before buying. */
export class UsageDesk {
  readonly #ledger: ProductLedger

  constructor(ledger: ProductLedger) {
    this.#ledger = ledger
  }

  /**
   * Peak and mean use of every tag, by hour or by day, the oldest first.
   *
   * @param options how many hours or days back, the one that is not over yet included
   */
  periods(options: { by: 'hour' | 'day'; last: number }): UsagePeriod[] {
    const now = this.#ledger.now()
    const length = options.by === 'hour' ? HOUR : DAY
    return this.#ledger.history.periods(options.by, now - (options.last - 1) * length, now)
  }

  /** The newest refusals, the oldest first. */
  denials(limit = 1000): Denial[] {
    return this.#ledger.history.denials(limit)
  }
}

/** ISO 8601 with a zone; anything else would mean another instant on another machine. */
const timeSchema = z.iso.datetime({ offset: true })
const parseTime = (text: string): Instant => {
  const whole = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?=Z|[+-])/.test(text)
    ? text.replace(/(?=Z|[+-]\d\d:?\d\d$)/, ':00')
    : text
  return timeSchema.safeParse(whole).success ? Date.parse(whole) : Number.NaN
}

function instantOf(value: Instant | string | Date | undefined, what: string): Instant | undefined {
  if (value === undefined || typeof value === 'number') return value
  const instant = value instanceof Date ? value.getTime() : parseTime(value)
  if (!Number.isNaN(instant)) return instant
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The ${what} of the meeting is not a time: give it with its zone, as in 2026-12-01T10:00Z.`,
  )
}
