import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import type { SqliteDatabase, SqliteStatement } from '../core/sqlite.types.ts'

/** Source of a host license: first hosting, or manual assignment by an administrator (R-HOST-1). */
export type AssignmentSource = 'hosting' | 'manual'

/** User in the host license ledger. */
export interface Host {
  readonly user: string
  /** License of the user. A demo license of the evaluation becomes permanent when the product is licensed (R-EVAL-5). */
  readonly license: 'demo' | 'permanent' | null
  readonly reason: AssignmentSource | null
  /** Instant at which the license was assigned. Null without a license. */
  readonly assignedAt: Instant | null
  readonly active: boolean
  /** True for a user who can be neither host nor alternate host (R-HOST-7). */
  readonly attendeeOnly: boolean
}

/** Numbers of assigned host licenses. */
export interface HostCounts {
  readonly assigned: number
  readonly permanent: number
  readonly demo: number
}

export const HOSTS_SCHEMA = `
  create table if not exists hosts (
    user text primary key, epoch integer, reason text, assigned_at integer,
    active integer not null, attendee_only integer not null
  ) strict, without rowid;
`

const countsSchema = z.object({ epoch: z.int().min(1), permanent: z.int().min(0), demo: z.int().min(0) })
type StoredCounts = z.infer<typeof countsSchema>

/** Storage of the counts, written in the same transaction as the counted rows. */
export interface HostCountRepository {
  read(schema: z.ZodType<StoredCounts>): StoredCounts | null
  write(counts: StoredCounts): void
}

interface HostRow {
  readonly user: string
  /** Number of the evaluation of a demo license. 0 for a permanent license, null without a license. */
  readonly epoch: number | null
  readonly reason: AssignmentSource | null
  readonly assigned_at: Instant | null
  readonly active: 0 | 1
  readonly attendee_only: 0 | 1
}

/**
 * Ledger of host licenses (planning guide, "Host Licenses"). A license is assigned manually or when the user first hosts,
 * and released only when the user is deactivated. Call all methods in a transaction of the store. A method that throws has
 * written nothing.
 *
 * Demo licenses have the number of their evaluation. Incrementing the number makes all of them permanent in one step,
 * whether there are ten or a million.
 */
export class HostLedger {
  readonly #releaseAll: SqliteStatement<[]>
  readonly #selectHost: SqliteStatement<[string], HostRow>
  readonly #upsertHost: SqliteStatement<[string, number | null, string | null, number | null, 0 | 1, 0 | 1]>
  readonly #counts: HostCountRepository
  readonly #selectLicensed: SqliteStatement<[string, number], HostRow>
  readonly #selectAll: SqliteStatement<[string, number], HostRow>
  readonly #selectMatching: SqliteStatement<[string, string, 0 | 1, number], HostRow>
  #epoch = 1
  #permanent = 0
  #demo = 0
  #changed = false

  constructor(db: SqliteDatabase, counts: HostCountRepository) {
    this.#counts = counts
    this.#releaseAll = db.prepare(
      'update hosts set epoch = null, reason = null, assigned_at = null where epoch is not null',
    )
    this.#selectHost = db.prepare('select * from hosts where user = ?')
    this.#upsertHost = db.prepare(
      `insert into hosts values (?, ?, ?, ?, ?, ?) on conflict (user) do update set epoch = excluded.epoch,
       reason = excluded.reason, assigned_at = excluded.assigned_at, active = excluded.active,
       attendee_only = excluded.attendee_only`,
    )
    this.#selectLicensed = db.prepare(
      'select * from hosts where user > ? and epoch is not null order by user limit ?',
    )
    this.#selectAll = db.prepare('select * from hosts where user > ? order by user limit ?')
    // SQLite folds the case of ASCII letters only, which is enough for a search.
    this.#selectMatching = db.prepare(
      `select * from hosts where user > ? and instr(lower(user), lower(?)) > 0 and (epoch is not null or ? = 1)
       order by user limit ?`,
    )
    this.reload()
  }

  /** Reloads the counts from disk, after a rollback. */
  reload(): void {
    const stored = this.#counts.read(countsSchema)
    this.#epoch = stored?.epoch ?? 1
    this.#permanent = stored?.permanent ?? 0
    this.#demo = stored?.demo ?? 0
    this.#changed = false
  }

  /** Writes the counts, at the end of a transaction. */
  flush(): void {
    if (!this.#changed) return
    this.#counts.write({ epoch: this.#epoch, permanent: this.#permanent, demo: this.#demo })
    this.#changed = false
  }

  counts(): HostCounts {
    return { assigned: this.#permanent + this.#demo, permanent: this.#permanent, demo: this.#demo }
  }

  find(user: string): Host | null {
    const row = this.#selectHost.get(user)
    return row ? this.#toHost(row) : null
  }

  /** Lists the users with a license by name. With `all`, lists all known users. */
  list(options: { after: string; limit: number; all: boolean; search?: string }): Host[] {
    const { after, limit, all, search = '' } = options
    const rows =
      search === ''
        ? (all ? this.#selectAll : this.#selectLicensed).all(after, limit)
        : this.#selectMatching.all(after, search, all ? 1 : 0, limit)
    return rows.map((row) => this.#toHost(row))
  }

  /**
   * Assigns a license to a user who has none.
   *
   * @param licensed true if the product is licensed; false assigns a demo license of the evaluation
   * @throws LicensingError HOST_DEACTIVATED, ATTENDEE_ONLY
   */
  assign(user: string, reason: AssignmentSource, at: Instant, licensed: boolean): Host {
    const row = this.#selectHost.get(user)
    if (row) {
      if (row.active === 0)
        throw new LicensingError('HOST_DEACTIVATED', `The user ${JSON.stringify(user)} is deactivated.`)
      if (row.attendee_only === 1)
        throw new LicensingError(
          'ATTENDEE_ONLY',
          `The user ${JSON.stringify(user)} has an attendee-only account.`,
        )
      if (row.epoch !== null) return this.#toHost(row)
    }
    const epoch = licensed ? 0 : this.#epoch
    this.#upsertHost.run(user, epoch, reason, at, 1, 0)
    if (licensed) this.#permanent++
    else this.#demo++
    this.#changed = true
    return {
      user,
      license: licensed ? 'permanent' : 'demo',
      reason,
      assignedAt: at,
      active: true,
      attendeeOnly: false,
    }
  }

  /** Deactivates a user, which releases the user's license (R-HOST-3). */
  deactivate(user: string): Host {
    const row = this.#selectHost.get(user)
    this.#release(row)
    this.#upsertHost.run(user, null, null, null, 0, row?.attendee_only ?? 0)
    return {
      user,
      license: null,
      reason: null,
      assignedAt: null,
      active: false,
      attendeeOnly: row?.attendee_only === 1,
    }
  }

  /** Activates a user again, without a license until the user hosts or gets one manually. */
  activate(user: string): Host {
    const row = this.#selectHost.get(user)
    if (row?.active === 1) return this.#toHost(row)
    this.#upsertHost.run(user, null, null, null, 1, row?.attendee_only ?? 0)
    return {
      user,
      license: null,
      reason: null,
      assignedAt: null,
      active: true,
      attendeeOnly: row?.attendee_only === 1,
    }
  }

  /**
   * Makes a user attendee-only, or allows the user to host again.
   *
   * @throws LicensingError HOST_LICENSED for a user with a license, who must be deactivated first
   */
  setAttendeeOnly(user: string, attendeeOnly: boolean): Host {
    const row = this.#selectHost.get(user)
    if (attendeeOnly && typeof row?.epoch === 'number')
      throw new LicensingError('HOST_LICENSED', `The user ${JSON.stringify(user)} holds a host license.`)
    this.#upsertHost.run(
      user,
      row?.epoch ?? null,
      row?.reason ?? null,
      row?.assigned_at ?? null,
      row?.active ?? 1,
      attendeeOnly ? 1 : 0,
    )
    const base = row
      ? this.#toHost(row)
      : { user, license: null, reason: null, assignedAt: null, active: true }
    return { ...base, attendeeOnly }
  }

  /** Makes all demo licenses permanent, because the product is licensed (R-EVAL-5). */
  makePermanent(): void {
    if (this.#demo === 0) return
    this.#epoch++
    this.#permanent += this.#demo
    this.#demo = 0
    this.#changed = true
  }

  /** Releases all licenses, because the data center joins another one (R-HOST-10). Returns their number. */
  releaseAll(): number {
    const { assigned } = this.counts()
    this.#releaseAll.run()
    this.#permanent = 0
    this.#demo = 0
    this.#changed = true
    return assigned
  }

  #release(row: HostRow | undefined): void {
    const epoch = row?.epoch ?? null
    if (epoch === null) return
    if (epoch === this.#epoch) this.#demo--
    else this.#permanent--
    this.#changed = true
  }

  #toHost(row: HostRow): Host {
    return {
      user: row.user,
      license: row.epoch === null ? null : row.epoch === this.#epoch ? 'demo' : 'permanent',
      reason: row.reason,
      assignedAt: row.assigned_at,
      active: row.active === 1,
      attendeeOnly: row.attendee_only === 1,
    }
  }
}
