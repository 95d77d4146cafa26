import type Sqlite from 'better-sqlite3'
import { z } from 'zod'
import { alreadyExistsError, LicensingError, notFoundError } from '../core/errors.ts'
import { DAY, type Instant, toIsoString } from '../core/time.ts'
import type { HostLedger } from './host-ledger.ts'
import { parseMeetingId, parseUser } from './identifiers.ts'

/** A meeting, as far as licenses are concerned. */
export interface Meeting {
  readonly id: string
  /** The person it is scheduled for: must hold a license when it takes place, present or not (R-HOST-6). */
  readonly host: string
  readonly alternates: readonly string[]
  /** Who scheduled it, which takes no license (R-HOST-2). */
  readonly scheduledBy: string
  readonly startsAt: Instant | null
  readonly endsAt: Instant | null
  readonly status: 'scheduled' | 'running' | 'ended'
  /** Who hosts it now: the host, or an alternate host in their absence (R-HOST-5); null before it runs. */
  readonly actingHost: string | null
  readonly startedAt: Instant | null
  readonly endedAt: Instant | null
  /** When it ends although nobody ended it; null unless it runs. */
  readonly endsAtLatest: Instant | null
  readonly present: readonly string[]
}

/** A meeting as it is planned. Instants are milliseconds since 1970, or ISO 8601. */
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

/** What the meeting may do: from the product's policies and where the box stands. */
export interface MeetingTerms {
  readonly maxConcurrent: number
  readonly maxDuration: number
  readonly isLicensed: boolean
  /** Whether licenses may be taken now. */
  readonly canAssignLicense: boolean
}

/** Meetings that ended are remembered so long, so that asking again about one gives the same answer. */
const ENDED_MEETING_RETENTION_MS = 30 * DAY
const MAX_ALTERNATES = 50
const instantSchema = z.int().min(0).max(8_640_000_000_000_000)

/**
 * Meetings and their hosts (guide, "Roles and License Usage"). Every operation is idempotent by the meeting's id. Methods are
 * called in a transaction of the store; what one throws, it throws before it writes.
 */
export class Meetings {
  readonly #ledger: HostLedger
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(db: Sqlite.Database, ledger: HostLedger) {
    this.#ledger = ledger
    this.#statements = prepareStatements(db)
  }

  /**
   * Plans a meeting: takes no license, whoever plans it, for whomever (R-HOST-2).
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
        `The meeting would end at ${toIsoString(endsAt)}, which is not after its start at ${toIsoString(startsAt)}.`,
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
          `There is a meeting ${JSON.stringify(id)} already, planned otherwise.`,
        )
      return this.#toMeeting(row)
    }
    if (endsAt !== null && endsAt <= at)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `The meeting would have ended at ${toIsoString(endsAt)}, which is past.`,
      )
    this.#statements.plan.run(id, ...wanted)
    return this.show(id)
  }

  /**
   * Begins a meeting: its host, or an alternate host in their absence, who then takes a license (R-HOST-5). The host of record
   * takes one too, unless they hold it (R-HOST-1, R-HOST-6).
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
    // Both are looked at before either takes a license.
    for (const one of new Set([row.host, user])) this.#requireHost(one)
    for (const one of new Set([row.host, user])) this.#ledger.assign(one, 'hosting', at, terms.isLicensed)
    this.#statements.run.run(user, at, at + terms.maxDuration, row.id)
    this.#statements.attend.run(row.id, user)
    return this.show(row.id)
  }

  /**
   * Somebody attends, which takes no license (R-HOST-2). The host hosts from here on, if they do not host too many others.
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
   * Somebody leaves. Where that is who hosted, the host or an alternate host who is there goes on; where nobody is left, the
   * meeting is over.
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

  /** The meeting is over. @throws LicensingError NOT_FOUND, MEETING_NOT_STARTED */
  end(id: string, at: Instant): Meeting {
    const row = this.#requireRow(id)
    if (row.status === 'ended') return this.#toMeeting(row)
    if (row.status === 'scheduled') throw this.#createNotStartedError(row)
    this.#statements.end.run(at, row.id)
    this.#statements.empty.run(row.id)
    return this.show(row.id)
  }

  /** Ends what nobody ended, and forgets what is long over. Gives the meetings it ended. */
  expire(at: Instant): string[] {
    const over = this.#statements.over.all(at).map(({ id }) => id)
    for (const id of over) this.end(id, at)
    this.#statements.forget.run(at - ENDED_MEETING_RETENTION_MS)
    return over
  }

  /** A meeting that runs, any of them; null when none does: a look at an index. */
  findRunning(): string | null {
    return this.#statements.anyRuns.get()?.id ?? null
  }

  /** @throws LicensingError NOT_FOUND, INVALID_ARGUMENT */
  show(id: string): Meeting {
    return this.#toMeeting(this.#requireRow(id))
  }

  /** The meetings that run or are planned, by id. */
  list(options: { after: string; limit: number }): Meeting[] {
    return this.#statements.list.all(options.after, options.limit).map((row) => this.#toMeeting(row))
  }

  /** How many attend meetings now: the ports in use. */
  countPortsInUse(): number {
    return this.#statements.ports.get()?.ports ?? 0
  }

  /** The meetings that run for a user: hosted by them now, or scheduled for them. */
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
      `${JSON.stringify(user)} hosts ${maxConcurrent} meetings already, as many as one host may at once.`,
    )
  }

  /** @throws LicensingError ATTENDEE_ONLY, HOST_DEACTIVATED */
  #requireHost(user: string): void {
    const host = this.#ledger.find(user)
    if (host?.attendeeOnly)
      throw new LicensingError(
        'ATTENDEE_ONLY',
        `The user ${JSON.stringify(user)} may attend only, and be neither host nor alternate host.`,
      )
    if (host?.active === false)
      throw new LicensingError('HOST_DEACTIVATED', `The user ${JSON.stringify(user)} is deactivated.`)
  }

  /** Who goes on with a meeting whose host of the moment is not there; without anybody, it stays theirs. */
  #promoteHost(row: MeetingRow, present: readonly string[], at: Instant, terms: MeetingTerms): void {
    for (const user of [row.host, ...parseAlternates(row)])
      if (present.includes(user) && this.#setActingHost(row, user, at, terms)) return
  }

  /** Lets somebody host from here on, with a license, if they may and are free. */
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
    return new LicensingError('MEETING_NOT_STARTED', `The meeting ${JSON.stringify(row.id)} has not begun.`)
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
  throw new LicensingError('INVALID_ARGUMENT', `The ${what} of the meeting is not an instant.`)
}

const prepareStatements = (db: Sqlite.Database) => ({
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
