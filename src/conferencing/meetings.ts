import { z } from 'zod'
import { alreadyExistsError, LicensingError, notFoundError } from '../core/errors.ts'
import { DAY, type Instant, toIsoString } from '../core/time.ts'
import type { SqliteDatabase } from '../core/sqlite.types.ts'
import type { HostLedger } from './host-ledger.ts'
import { parseMeetingId, parseUser } from './identifiers.ts'

/** License-related data of a meeting. */
export interface Meeting {
  readonly id: string
  /** Host of record, who must hold a license while the meeting runs, present or not (R-HOST-6). */
  readonly host: string
  readonly alternates: readonly string[]
  /** User who scheduled the meeting. Scheduling consumes no license (R-HOST-2). */
  readonly scheduledBy: string
  readonly startsAt: Instant | null
  readonly endsAt: Instant | null
  readonly status: 'scheduled' | 'running' | 'ended'
  /** Current host: the host of record, or an alternate host in their absence (R-HOST-5). Null unless running. */
  readonly actingHost: string | null
  readonly startedAt: Instant | null
  readonly endedAt: Instant | null
  /** Instant at which the meeting ends automatically. Null unless running. */
  readonly endsAtLatest: Instant | null
  readonly present: readonly string[]
}

/** Plan of a meeting. Instants are milliseconds since 1970. */
export interface MeetingPlan {
  readonly id: string
  readonly host: string
  readonly alternates?: readonly string[] | undefined
  readonly scheduledBy?: string | undefined
  readonly startsAt?: Instant | undefined
  readonly endsAt?: Instant | undefined
}

export const MEETINGS_SCHEMA = `
  create table if not exists meetings (
    id text primary key, host text not null, alternates text not null, scheduled_by text not null,
    starts_at integer, ends_at integer, status text not null, acting text, started_at integer, ended_at integer,
    latest integer
  ) strict, without rowid;
  create index if not exists running_meetings on meetings (acting) where status = 'running';
  create index if not exists ended_meetings on meetings (ended_at) where status = 'ended';
  create table if not exists attendance (
    meeting text not null, user text not null, primary key (meeting, user)
  ) strict, without rowid;
`

interface MeetingRow {
  readonly id: string
  readonly host: string
  readonly alternates: string
  readonly scheduled_by: string
  readonly starts_at: number | null
  readonly ends_at: number | null
  readonly status: Meeting['status']
  readonly acting: string | null
  readonly started_at: number | null
  readonly ended_at: number | null
  readonly latest: number | null
}

/** Limits of a meeting, from the product's settings and the license state. */
export interface MeetingTerms {
  readonly maxConcurrent: number
  readonly maxDuration: number
  readonly isLicensed: boolean
  /** True if more licenses may be assigned now. */
  readonly canAssignLicense: boolean
}

/** Time for which ended meetings are kept, so that a repeated call returns the same result. */
const ENDED_MEETING_RETENTION_MS = 30 * DAY
const MAX_ALTERNATES = 50
const instantSchema = z.int().min(0).max(8_640_000_000_000_000)

/**
 * Meetings and their hosts (planning guide, "Roles and License Usage"). Each operation is idempotent by meeting id. Call all
 * methods in a transaction of the store. A method that throws has written nothing.
 */
export class Meetings {
  readonly #ledger: HostLedger
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(db: SqliteDatabase, ledger: HostLedger) {
    this.#ledger = ledger
    this.#statements = prepareStatements(db)
  }

  /**
   * Schedules a meeting. Scheduling never consumes a license (R-HOST-2).
   *
   * @throws LicensingError INVALID_ARGUMENT, ATTENDEE_ONLY, HOST_DEACTIVATED, ALREADY_EXISTS
   */
  schedule(plan: MeetingPlan, at: Instant): Meeting {
    const id = parseMeetingId(plan.id)
    const host = parseUser(plan.host)
    const alternates = [...new Set((plan.alternates ?? []).map(parseUser))].filter((user) => user !== host)
    if (alternates.length > MAX_ALTERNATES)
      throw new LicensingError('INVALID_ARGUMENT', `A meeting has at most ${MAX_ALTERNATES} alternate hosts.`)
    const scheduledBy = plan.scheduledBy === undefined ? host : parseUser(plan.scheduledBy)
    const startsAt = parseInstant(plan.startsAt, 'start')
    const endsAt = parseInstant(plan.endsAt, 'end')
    if (startsAt !== null && endsAt !== null && endsAt <= startsAt)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `The end of the meeting, ${toIsoString(endsAt)}, is not after its start, ${toIsoString(startsAt)}.`,
      )
    for (const user of [host, ...alternates]) this.#requireHost(user)
    const wanted = [host, JSON.stringify(alternates), scheduledBy, startsAt, endsAt] as const
    const row = this.#statements.find.get(id)
    if (row) {
      const { alternates, scheduled_by, starts_at, ends_at } = row
      const same = [row.host, alternates, scheduled_by, starts_at, ends_at].every(
        (value, i) => value === wanted[i],
      )
      if (!same)
        throw alreadyExistsError(
          'meeting',
          `The meeting ${JSON.stringify(id)} already exists with other data.`,
        )
      return this.#toMeeting(row)
    }
    if (endsAt !== null && endsAt <= at)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `The end of the meeting, ${toIsoString(endsAt)}, is in the past.`,
      )
    this.#statements.plan.run(id, ...wanted)
    return this.show(id)
  }

  /**
   * Starts a meeting, as its host or an alternate host. The host of record and an alternate host who starts the meeting each
   * get a license unless they have one (R-HOST-1, R-HOST-5, R-HOST-6).
   *
   * @throws LicensingError NOT_FOUND, MEETING_ENDED, MEETING_NOT_HOST, HOST_BUSY, HOST_DEACTIVATED, ATTENDEE_ONLY
   */
  start(id: string, by: string | undefined, at: Instant, terms: MeetingTerms): Meeting {
    const row = this.#requireRow(id)
    const user = by === undefined ? row.host : parseUser(by)
    if (row.status === 'ended') throw this.#createEndedError(row)
    if (user !== row.host && !parseAlternates(row).includes(user))
      throw new LicensingError(
        'MEETING_NOT_HOST',
        `${JSON.stringify(user)} is neither the host of the meeting ${JSON.stringify(row.id)} nor an alternate host.`,
      )
    if (row.status === 'running') return this.join(id, user, at, terms)
    this.#requireFree(user, terms)
    // Check both users before assigning any license.
    for (const host of new Set([row.host, user])) this.#requireHost(host)
    for (const host of new Set([row.host, user])) this.#ledger.assign(host, 'hosting', at, terms.isLicensed)
    this.#statements.run.run(user, at, at + terms.maxDuration, row.id)
    this.#statements.attend.run(row.id, user)
    return this.show(row.id)
  }

  /**
   * Adds an attendee, who needs no license (R-HOST-2). A joining host of record becomes the acting host, unless the host
   * already hosts the maximum number of meetings.
   *
   * @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED, MEETING_ENDED, INVALID_ARGUMENT
   */
  join(id: string, user: string, at: Instant, terms: MeetingTerms): Meeting {
    const row = this.#requireRunning(id)
    const name = parseUser(user)
    this.#statements.attend.run(row.id, name)
    if (name === row.host && row.acting !== name) this.#setActingHost(row, name, at, terms)
    else if (row.acting !== null && !this.#listPresent(row.id).includes(row.acting))
      this.#promoteHost(row, this.#listPresent(row.id), at, terms)
    return this.show(row.id)
  }

  /**
   * Removes an attendee. If the acting host leaves, the host of record or a present alternate host takes over. The meeting
   * ends when no attendee is left.
   *
   * @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED, MEETING_ENDED, INVALID_ARGUMENT
   */
  leave(id: string, user: string, at: Instant, terms: MeetingTerms): Meeting {
    const row = this.#requireRunning(id)
    const name = parseUser(user)
    this.#statements.unattend.run(row.id, name)
    const present = this.#listPresent(row.id)
    if (present.length === 0) return this.end(id, at)
    if (row.acting === name) this.#promoteHost(row, present, at, terms)
    return this.show(row.id)
  }

  /** Ends a meeting. @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED */
  end(id: string, at: Instant): Meeting {
    const row = this.#requireRow(id)
    if (row.status === 'ended') return this.#toMeeting(row)
    if (row.status === 'scheduled') throw this.#createNotStartedError(row)
    this.#statements.end.run(at, row.id)
    this.#statements.empty.run(row.id)
    return this.show(row.id)
  }

  /** Ends overdue meetings, and deletes old ended ones. Returns the ids of the meetings it ended. */
  expire(at: Instant): string[] {
    const over = this.#statements.over.all(at).map(({ id }) => id)
    for (const id of over) this.end(id, at)
    this.#statements.forget.run(at - ENDED_MEETING_RETENTION_MS)
    return over
  }

  /** Returns the id of any running meeting, with one index lookup. Null if none is running. */
  findRunning(): string | null {
    return this.#statements.anyRuns.get()?.id ?? null
  }

  /** @throws LicensingError NOT_FOUND, INVALID_ARGUMENT */
  show(id: string): Meeting {
    return this.#toMeeting(this.#requireRow(id))
  }

  /** Lists the running and scheduled meetings by id. */
  list(options: { after: string; limit: number }): Meeting[] {
    return this.#statements.list.all(options.after, options.limit).map((row) => this.#toMeeting(row))
  }

  /** Counts the attendees of all meetings, which are the ports in use. */
  countPortsInUse(): number {
    return this.#statements.ports.get()?.ports ?? 0
  }

  /** Lists the running meetings that the user hosts now or that are scheduled for the user. */
  listRunningFor(user: string): string[] {
    return this.#statements.runningFor.all(user, user).map(({ id }) => id)
  }

  #countHosted(user: string): number {
    return this.#statements.hosted.all(user).length
  }

  #requireFree(user: string, { maxConcurrent }: MeetingTerms): void {
    if (this.#countHosted(user) < maxConcurrent) return
    throw new LicensingError(
      'HOST_BUSY',
      `${JSON.stringify(user)} already hosts ${maxConcurrent} meetings, the maximum for one host.`,
    )
  }

  /** @throws LicensingError ATTENDEE_ONLY, HOST_DEACTIVATED */
  #requireHost(user: string): void {
    const host = this.#ledger.find(user)
    if (host?.attendeeOnly)
      throw new LicensingError(
        'ATTENDEE_ONLY',
        `The user ${JSON.stringify(user)} has an attendee-only account, and can be neither host nor alternate host.`,
      )
    if (host?.active === false)
      throw new LicensingError('HOST_DEACTIVATED', `The user ${JSON.stringify(user)} is deactivated.`)
  }

  /** Makes a present host or alternate host the acting host. Without one, the acting host stays. */
  #promoteHost(row: MeetingRow, present: readonly string[], at: Instant, terms: MeetingTerms): void {
    for (const user of [row.host, ...parseAlternates(row)])
      if (present.includes(user) && this.#setActingHost(row, user, at, terms)) return
  }

  /** Makes a user the acting host, with a license, if allowed. Returns false otherwise. */
  #setActingHost(row: MeetingRow, user: string, at: Instant, terms: MeetingTerms): boolean {
    const host = this.#ledger.find(user)
    if (host?.attendeeOnly === true || host?.active === false) return false
    if (this.#countHosted(user) >= terms.maxConcurrent) return false
    if (typeof host?.license !== 'string' && !terms.canAssignLicense) return false
    this.#ledger.assign(user, 'hosting', at, terms.isLicensed)
    this.#statements.act.run(user, row.id)
    return true
  }

  #requireRow(id: string): MeetingRow {
    const name = parseMeetingId(id)
    const row = this.#statements.find.get(name)
    if (row) return row
    throw notFoundError('meeting', `There is no meeting ${JSON.stringify(name)}.`)
  }

  #requireRunning(id: string): MeetingRow {
    const row = this.#requireRow(id)
    if (row.status === 'ended') throw this.#createEndedError(row)
    if (row.status === 'scheduled') throw this.#createNotStartedError(row)
    return row
  }

  #createEndedError(row: MeetingRow): LicensingError {
    return new LicensingError(
      'MEETING_ENDED',
      `The meeting ${JSON.stringify(row.id)} ended at ${toIsoString(row.ended_at ?? 0)}.`,
    )
  }

  #createNotStartedError(row: MeetingRow): LicensingError {
    return new LicensingError('MEETING_NOT_STARTED', `The meeting ${JSON.stringify(row.id)} has not started.`)
  }

  #listPresent(id: string): string[] {
    return this.#statements.present.all(id).map(({ user }) => user)
  }

  #toMeeting(row: MeetingRow): Meeting {
    return {
      id: row.id,
      host: row.host,
      alternates: parseAlternates(row),
      scheduledBy: row.scheduled_by,
      startsAt: row.starts_at,
      endsAt: row.ends_at,
      status: row.status,
      actingHost: row.status === 'running' ? row.acting : null,
      startedAt: row.started_at,
      endedAt: row.ended_at,
      endsAtLatest: row.status === 'running' ? row.latest : null,
      present: this.#listPresent(row.id),
    }
  }
}

const parseAlternates = (row: MeetingRow): string[] => z.array(z.string()).parse(JSON.parse(row.alternates))

function parseInstant(value: Instant | undefined, what: string): Instant | null {
  if (value === undefined) return null
  const parsed = instantSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new LicensingError('INVALID_ARGUMENT', `The ${what} of the meeting is not a valid time.`)
}

const prepareStatements = (db: SqliteDatabase) => ({
  find: db.prepare<[string], MeetingRow>('select * from meetings where id = ?'),
  plan: db.prepare<[string, string, string, string, number | null, number | null]>(
    "insert into meetings values (?, ?, ?, ?, ?, ?, 'scheduled', null, null, null, null)",
  ),
  run: db.prepare<[string, number, number, string]>(
    "update meetings set status = 'running', acting = ?, started_at = ?, latest = ? where id = ?",
  ),
  act: db.prepare<[string, string]>('update meetings set acting = ? where id = ?'),
  end: db.prepare<[number, string]>(
    "update meetings set status = 'ended', acting = null, ended_at = ?, latest = null where id = ?",
  ),
  attend: db.prepare<[string, string]>('insert or ignore into attendance values (?, ?)'),
  unattend: db.prepare<[string, string]>('delete from attendance where meeting = ? and user = ?'),
  empty: db.prepare<[string]>('delete from attendance where meeting = ?'),
  present: db.prepare<[string], { user: string }>(
    'select user from attendance where meeting = ? order by user',
  ),
  hosted: db.prepare<[string], { id: string }>(
    "select id from meetings where acting = ? and status = 'running' order by id",
  ),
  runningFor: db.prepare<[string, string], { id: string }>(
    "select id from meetings where status = 'running' and acting is not null and (acting = ? or host = ?) order by id",
  ),
  over: db.prepare<[number], { id: string }>(
    "select id from meetings where status = 'running' and acting is not null and latest <= ?",
  ),
  forget: db.prepare<[number]>("delete from meetings where status = 'ended' and ended_at < ?"),
  list: db.prepare<[string, number], MeetingRow>(
    "select * from meetings where id > ? and status <> 'ended' order by id limit ?",
  ),
  anyRuns: db.prepare<[], { id: string }>(
    "select id from meetings where status = 'running' and acting is not null limit 1",
  ),
  ports: db.prepare<[], { ports: number }>('select count(*) as ports from attendance'),
})
