import type Sqlite from 'better-sqlite3'
import { z } from 'zod'
import { DAY, HOUR, type Instant, toIsoString } from '../core/time.ts'

/** Peak and mean usage of a tag in one hour or day. */
export interface UsagePeriod {
  readonly tag: string
  readonly from: string
  readonly peak: number
  readonly mean: number
}

/** Refused operation with its reason, for capacity planning. */
export interface Denial {
  readonly at: string
  readonly what: string
  readonly who: string | null
  readonly code: string
  readonly reason: string
}

// Retention: hours for a quarter of a year, days for three years.
const HOUR_RETENTION_MS = 92 * DAY
const DAY_RETENTION_MS = 3 * 366 * DAY
const MAX_DENIALS = 10_000

export const USAGE_SCHEMA = `
  create table if not exists usage_hours (
    tag text not null, start integer not null, peak integer not null, area integer not null, last integer not null,
    last_at integer not null, primary key (tag, start)
  ) strict, without rowid;
  create table if not exists usage_days (
    tag text not null, start integer not null, peak integer not null, mean real not null, primary key (tag, start)
  ) strict, without rowid;
  create table if not exists denials (
    id integer primary key autoincrement, at integer not null, what text not null, who text, code text not null,
    reason text not null
  ) strict;
`

const hourSchema = z.object({
  tag: z.string(),
  start: z.number(),
  peak: z.number(),
  /** Count times milliseconds, from the beginning of the hour to its last change. */
  area: z.number(),
  last: z.number(),
  last_at: z.number(),
})
type UsageHour = z.infer<typeof hourSchema>
const openHoursSchema = z.record(z.string(), hourSchema)
type OpenHours = z.infer<typeof openHoursSchema>

/** Storage of the current hours, written in the same transaction as the machine state. */
export interface UsageHistoryRepository {
  read(schema: z.ZodType<OpenHours>): OpenHours | null
  write(hours: OpenHours): void
}

/**
 * History of usage by hour and day, and of refused operations. Only hours with a change have a row. Call writing methods
 * in a transaction of the store.
 */
export class UsageHistory {
  readonly #store: UsageHistoryRepository
  #openHours: OpenHours = {}
  #changed = false
  readonly #upsertHour: Sqlite.Statement<[string, number, number, number, number, number]>
  readonly #selectHours: Sqlite.Statement<[string, number], UsageHour>
  readonly #selectTags: Sqlite.Statement<[], { tag: string }>
  readonly #insertDenial: Sqlite.Statement<[number, string, string | null, string, string]>
  readonly #deleteOldDenials: Sqlite.Statement<[number]>
  readonly #selectDenials: Sqlite.Statement<
    [number],
    { at: number; what: string; who: string | null; code: string; reason: string }
  >
  readonly #db: Sqlite.Database

  constructor(db: Sqlite.Database, store: UsageHistoryRepository) {
    this.#db = db
    this.#store = store
    this.reload()
    this.#upsertHour = db.prepare(
      `insert into usage_hours values (?, ?, ?, ?, ?, ?) on conflict (tag, start) do update set peak = excluded.peak,
       area = excluded.area, last = excluded.last, last_at = excluded.last_at`,
    )
    this.#selectHours = db.prepare('select * from usage_hours where tag = ? and start >= ? order by start')
    this.#selectTags = db.prepare(
      'select distinct tag from usage_hours union select distinct tag from usage_days',
    )
    this.#insertDenial = db.prepare(
      'insert into denials (at, what, who, code, reason) values (?, ?, ?, ?, ?)',
    )
    this.#deleteOldDenials = db.prepare('delete from denials where id <= ?')
    this.#selectDenials = db.prepare(
      'select at, what, who, code, reason from denials order by id desc limit ?',
    )
  }

  /** Reloads the current hours from disk, after a rollback. */
  reload(): void {
    this.#openHours = this.#store.read(openHoursSchema) ?? {}
    this.#changed = false
  }

  /** Writes the current hours, at the end of a transaction. */
  flush(): void {
    if (!this.#changed) return
    this.#store.write(this.#openHours)
    this.#changed = false
  }

  /** Records the usage count of a tag from an instant on. */
  record(tag: string, count: number, at: Instant): void {
    const start = toHourStart(at)
    const open = this.#openHours[tag]
    this.#changed = true
    if (open?.start === start) {
      const area = open.area + open.last * Math.max(0, at - open.last_at)
      const last_at = Math.max(at, open.last_at)
      this.#openHours = {
        ...this.#openHours,
        [tag]: { ...open, peak: Math.max(open.peak, count), area, last: count, last_at },
      }
      return
    }
    const before = open?.last ?? 0
    const hour: UsageHour = {
      tag,
      start,
      peak: Math.max(before, count),
      area: before * (at - start),
      last: count,
      last_at: at,
    }
    this.#openHours = { ...this.#openHours, [tag]: hour }
    if (!open) return
    if (open.start > start) {
      // The clock was ahead and has been corrected, so delete rows of the future.
      this.#db.prepare('delete from usage_hours where tag = ? and start >= ?').run(tag, start)
      this.#db.prepare('delete from usage_days where tag = ? and start > ?').run(tag, toDayStart(at))
      return
    }
    this.#upsertHour.run(tag, open.start, open.peak, open.area, open.last, open.last_at)
    this.#compact(tag, at)
  }

  /** Returns the last recorded count of a tag. 0 before any record. */
  currentCount(tag: string): number {
    return this.#openHours[tag]?.last ?? 0
  }

  /** Records a refused operation. */
  recordDenial(denial: {
    at: Instant
    what: string
    who: string | null
    code: string
    reason: string
  }): void {
    const { at, what, who, code, reason } = denial
    const id = Number(this.#insertDenial.run(at, what, who, code, reason).lastInsertRowid)
    if (id % 100 === 0) this.#deleteOldDenials.run(id - MAX_DENIALS)
  }

  /** Returns the newest refusals, oldest first. */
  denials(limit: number): Denial[] {
    return this.#selectDenials
      .all(limit)
      .reverse()
      .map((row) => ({ ...row, at: toIsoString(row.at) }))
  }

  /**
   * Returns peak and mean usage of each tag by hour or day, from an instant until now.
   *
   * @param now current time; the current hour or day is included up to it
   */
  periods(by: 'hour' | 'day', from: Instant, now: Instant): UsagePeriod[] {
    const tags = new Set([...this.#selectTags.all().map(({ tag }) => tag), ...Object.keys(this.#openHours)])
    return [...tags].flatMap((tag) => {
      const hours = this.#fillGaps(tag, by === 'day' ? toDayStart(from) : toHourStart(from), now)
      if (by === 'hour')
        return hours.map(({ start, peak, mean }) => ({
          tag,
          from: toIsoString(start),
          peak,
          mean: roundToHundredths(mean),
        }))
      const days = new Map(
        this.#db
          .prepare<[string, number], { start: number; peak: number; mean: number }>(
            'select start, peak, mean from usage_days where tag = ? and start >= ? order by start',
          )
          .all(tag, toDayStart(from))
          .map((day) => [day.start, day]),
      )
      for (const day of aggregateDays(hours)) if (!days.has(day.start)) days.set(day.start, day)
      return [...days.values()]
        .sort((a, b) => a.start - b.start)
        .map(({ start, peak, mean }) => ({
          tag,
          from: toIsoString(start),
          peak,
          mean: roundToHundredths(mean),
        }))
    })
  }

  /** Lists all hours from an instant on, including hours without a change. */
  #fillGaps(
    tag: string,
    from: Instant,
    now: Instant,
  ): { start: number; peak: number; mean: number; lasted: number }[] {
    const open = this.#openHours[tag]
    const rows = [...this.#selectHours.all(tag, 0), ...(open ? [open] : [])].filter(
      ({ start }) => start <= now,
    )
    const list: { start: number; peak: number; mean: number; lasted: number }[] = []
    for (const [i, row] of rows.entries()) {
      const end = rows[i + 1]?.start ?? toHourStart(now) + HOUR
      const until = Math.min(row.start + HOUR, Math.max(now, row.last_at))
      const lasted = Math.max(1, until - row.start)
      const area = row.area + row.last * Math.max(0, until - row.last_at)
      list.push({ start: row.start, peak: row.peak, mean: area / lasted, lasted })
      for (let start = Math.max(row.start + HOUR, toHourStart(from)); start < end; start += HOUR)
        list.push({ start, peak: row.last, mean: row.last, lasted: Math.max(1, Math.min(HOUR, now - start)) })
    }
    return list.filter(({ start }) => start >= from)
  }

  /** Aggregates old hours into days, and deletes days beyond their retention. */
  #compact(tag: string, at: Instant): void {
    const border = toDayStart(at - HOUR_RETENTION_MS)
    const old = this.#fillGaps(tag, toDayStart(at - DAY_RETENTION_MS), at).filter(
      ({ start }) => start < border,
    )
    if (old.length === 0) return
    const put = this.#db.prepare('insert or replace into usage_days values (?, ?, ?, ?)')
    for (const { start, peak, mean } of aggregateDays(old)) put.run(tag, start, peak, mean)
    const last = this.#db
      .prepare<[string, number], UsageHour>(
        'select * from usage_hours where tag = ? and start < ? order by start desc limit 1',
      )
      .get(tag, border)
    this.#db.prepare('delete from usage_hours where tag = ? and start < ?').run(tag, border)
    // Keep the count at the border, from which the remaining hours continue.
    if (last)
      this.#db
        .prepare('insert or ignore into usage_hours values (?, ?, ?, 0, ?, ?)')
        .run(tag, border, last.last, last.last, border)
    this.#db.prepare('delete from usage_days where tag = ? and start < ?').run(tag, at - DAY_RETENTION_MS)
  }
}

const toHourStart = (at: Instant): Instant => Math.floor(at / HOUR) * HOUR
const toDayStart = (at: Instant): Instant => Math.floor(at / DAY) * DAY
const roundToHundredths = (mean: number): number => Math.round(mean * 100) / 100

function aggregateDays(
  hours: readonly { start: number; peak: number; mean: number; lasted: number }[],
): { start: number; peak: number; mean: number }[] {
  const days = new Map<number, { peak: number; area: number; lasted: number }>()
  for (const { start, peak, mean, lasted } of hours) {
    const day = days.get(toDayStart(start)) ?? { peak: 0, area: 0, lasted: 0 }
    days.set(toDayStart(start), {
      peak: Math.max(day.peak, peak),
      area: day.area + mean * lasted,
      lasted: day.lasted + lasted,
    })
  }
  return [...days].map(([start, { peak, area, lasted }]) => ({ start, peak, mean: area / lasted }))
}
