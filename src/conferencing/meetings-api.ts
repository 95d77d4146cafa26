import { z } from 'zod'
import type { ModuleAgent } from '../agent/product-module.ts'
import { LicensingError } from '../core/errors.ts'
import { type Instant, toIsoString } from '../core/time.ts'
import { parseMeetingId, parseUser } from './identifiers.ts'
import type { Meeting, MeetingPlan } from './meetings.ts'
import type { ConferencingState } from './state.ts'

/** Meeting as a document, with ISO 8601 times. */
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

const toMeetingDocument = (meeting: Meeting): MeetingDocument => ({
  ...meeting,
  startsAt: toIsoString(meeting.startsAt),
  endsAt: toIsoString(meeting.endsAt),
  startedAt: toIsoString(meeting.startedAt),
  endedAt: toIsoString(meeting.endedAt),
  endsAtLatest: toIsoString(meeting.endsAtLatest),
})

/** Request for a scheduled meeting. Times are dates, ISO 8601 with a zone, or milliseconds since 1970. */
export interface MeetingRequest extends Omit<MeetingPlan, 'startsAt' | 'endsAt'> {
  readonly startsAt?: Instant | string | Date | undefined
  readonly endsAt?: Instant | string | Date | undefined
}

/** Meetings and their use of licenses (`agent.module.meetings`). Each call is idempotent by meeting id. */
export class MeetingsApi {
  readonly #state: ConferencingState
  readonly #agent: ModuleAgent

  constructor(state: ConferencingState, agent: ModuleAgent) {
    this.#state = state
    this.#agent = agent
  }

  /**
   * Schedules a meeting. Scheduling never consumes a license (R-HOST-2).
   *
   * @throws LicensingError INVALID_ARGUMENT, ATTENDEE_ONLY, HOST_DEACTIVATED, ALREADY_EXISTS, or the policy's refusal
   */
  async schedule(request: MeetingRequest): Promise<MeetingDocument> {
    const host = parseUser(request.host)
    const plan = {
      ...request,
      id: parseMeetingId(request.id),
      startsAt: toInstant(request.startsAt, 'start'),
      endsAt: toInstant(request.endsAt, 'end'),
    }
    return toMeetingDocument(
      await this.#agent.run({
        action: 'meeting-schedule',
        what: 'schedule a meeting',
        who: host,
        run: ({ at }) => this.#state.meetings.schedule(plan, at),
      }),
    )
  }

  /**
   * Starts a meeting, as its host or an alternate host.
   *
   * @throws LicensingError NOT_FOUND, MEETING_ENDED, MEETING_NOT_HOST, HOST_BUSY, HOST_DEACTIVATED, ATTENDEE_ONLY, or the
   * policy's refusal
   */
  async start(id: string, by?: string): Promise<MeetingDocument> {
    const meeting = parseMeetingId(id)
    const user = by === undefined ? undefined : parseUser(by)
    return toMeetingDocument(
      await this.#agent.run({
        action: 'meeting-start',
        what: `start the meeting ${meeting}`,
        who: user ?? null,
        run: (transaction) =>
          this.#state.meetings.start(meeting, user, transaction.at, this.#state.toMeetingTerms(transaction)),
      }),
    )
  }

  /** Adds an attendee, who needs no license. @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED, MEETING_ENDED */
  async join(id: string, user: string): Promise<MeetingDocument> {
    const [meeting, name] = [parseMeetingId(id), parseUser(user)]
    return toMeetingDocument(
      await this.#agent.run({
        action: 'meeting-join',
        what: `join the meeting ${meeting}`,
        who: name,
        run: (transaction) =>
          this.#state.meetings.join(meeting, name, transaction.at, this.#state.toMeetingTerms(transaction)),
      }),
    )
  }

  /** Removes an attendee. @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED, MEETING_ENDED */
  async leave(id: string, user: string): Promise<MeetingDocument> {
    const [meeting, name] = [parseMeetingId(id), parseUser(user)]
    return toMeetingDocument(
      await this.#agent.run({
        action: null,
        what: `leave the meeting ${meeting}`,
        who: name,
        run: (transaction) =>
          this.#state.meetings.leave(meeting, name, transaction.at, this.#state.toMeetingTerms(transaction)),
      }),
    )
  }

  /** Ends a meeting. @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED */
  async end(id: string): Promise<MeetingDocument> {
    const meeting = parseMeetingId(id)
    return toMeetingDocument(
      await this.#agent.run({
        action: null,
        what: `end the meeting ${meeting}`,
        who: null,
        run: ({ at }) => this.#state.meetings.end(meeting, at),
      }),
    )
  }

  /** @throws LicensingError NOT_FOUND */
  show(id: string): MeetingDocument {
    return toMeetingDocument(this.#state.meetings.show(id))
  }

  /** Lists the running and scheduled meetings by id. */
  list(options: { after?: string; limit?: number } = {}): MeetingDocument[] {
    const { after = '', limit = 1000 } = options
    return this.#state.meetings.list({ after, limit }).map(toMeetingDocument)
  }
}

/** ISO 8601 time with a zone. Without a zone, the time would depend on the machine. */
const timeSchema = z.iso.datetime({ offset: true })
const parseTime = (text: string): Instant => {
  const whole = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?=Z|[+-])/.test(text)
    ? text.replace(/(?=Z|[+-]\d\d:?\d\d$)/, ':00')
    : text
  return timeSchema.safeParse(whole).success ? Date.parse(whole) : Number.NaN
}

function toInstant(value: Instant | string | Date | undefined, what: string): Instant | undefined {
  if (value === undefined || typeof value === 'number') return value
  const instant = value instanceof Date ? value.getTime() : parseTime(value)
  if (!Number.isNaN(instant)) return instant
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The ${what} of the meeting is not a valid time. Give a time with its zone, such as 2026-12-01T10:00Z.`,
  )
}
