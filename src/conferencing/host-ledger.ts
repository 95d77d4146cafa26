import type Sqlite from 'better-sqlite3'
import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'

/** How a host came to their license: by hosting for the first time, or by an administrator's hand (R-HOST-1). */
export type AssignmentSource = 'hosting' | 'manual'

/** One user as the host-license ledger has them. */
export interface Host {
  readonly user: string
  /** The license held: a demo one is of the evaluation, and becomes permanent with it (R-EVAL-5). */
  readonly license: 'demo' | 'permanent' | null
  readonly reason: AssignmentSource | null
  /** When the license was taken; null without one. */
  readonly assignedAt: Instant | null
  readonly active: boolean
  /** Can neither host nor be an alternate host (R-HOST-7). */
  readonly attendeeOnly: boolean
}

/** How many licenses hosts hold. */
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

/** Where the counts are kept beside the rows they count, in the same transaction. */
export interface HostCountRepository {
  read(schema: z.ZodType<StoredCounts>): StoredCounts | null
  write(counts: StoredCounts): void
}

interface HostRow {
  readonly user: string
  /** The evaluation in which the license was taken; 0 for one that was permanent at once; null without a license. */
  readonly epoch: number | null
  readonly reason: AssignmentSource | null
  readonly assigned_at: Instant | null
  readonly active: 0 | 1
  readonly attendee_only: 0 | 1
}

/**
 * Who holds a host license (guide, "Host Licenses"): taken the first time a user hosts or by hand, given back only when the
 * user is deactivated. Its methods are to be called in a transaction of the store that the ledger lives in; what one
 * throws, it throws before it writes.
 *
 * Licenses of an evaluation carry its number: when the product is licensed, all of them become permanent by counting the number
 * on, whether they are ten or a million.
 */
export class HostLedger {
  readonly #releaseAll: Sqlite.Statement<[]>
  readonly #selectHost: Sqlite.Statement<[string], HostRow>
  readonly #upsertHost: Sqlite.Statement<[string, number | null, string | null, number | null, 0 | 1, 0 | 1]>
  readonly #counts: HostCountRepository
  readonly #selectLicensed: Sqlite.Statement<[string, number], HostRow>
  readonly #selectAll: Sqlite.Statement<[string, number], HostRow>
  readonly #selectMatching: Sqlite.Statement<[string, string, 0 | 1, number], HostRow>
  #epoch = 1
  #permanent = 0
  #demo = 0
  #changed = false

  constructor(db: Sqlite.Database, counts: HostCountRepository) {
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
    // Case is folded as SQLite does, of ASCII letters alone: enough to look for.
    this.#selectMatching = db.prepare(
      `select * from hosts where user > ? and instr(lower(user), lower(?)) > 0 and (epoch is not null or ? = 1)
       order by user limit ?`,
    )
    this.reload()
  }

  /** Takes the counts from the disk again: after a transaction that was not kept. */
  reload(): void {
    const stored = this.#counts.read(countsSchema)
    this.#epoch = stored?.epoch ?? 1
    this.#permanent = stored?.permanent ?? 0
    this.#demo = stored?.demo ?? 0
    this.#changed = false
  }

  /** Writes the counts beside the rows they count: the last thing in a transaction. */
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

  /** Who holds a license, or everybody who is known, by name. */
  list(options: { after: string; limit: number; all: boolean; search?: string }): Host[] {
    const { after, limit, all, search = '' } = options
    const rows =
      search === ''
        ? (all ? this.#selectAll : this.#selectLicensed).all(after, limit)
        : this.#selectMatching.all(after, search, all ? 1 : 0, limit)
    return rows.map((row) => this.#toHost(row))
  }

  /**
   * Gives a user a license, unless they hold one.
   *
   * @param licensed whether the product is licensed: otherwise the license is one of the evaluation
   * @throws LicensingError HOST_DEACTIVATED, ATTENDEE_ONLY
   */
  assign(user: string, reason: AssignmentSource, at: Instant, licensed: boolean): Host {
    const row = this.#selectHost.get(user)
    if (row) {
      if (row.active === 0)
        throw new LicensingError('HOST_DEACTIVATED', `The user ${JSON.stringify(user)} is deactivated.`)
      if (row.attendee_only === 1)
        throw new LicensingError('ATTENDEE_ONLY', `The user ${JSON.stringify(user)} may attend only.`)
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

  /** Deactivates a user: the license, if there is one, is free for another (R-HOST-3). */
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

  /** Activates a user again: a license is taken when they host again, or by hand. */
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
   * Makes a user one who may attend only, or may host again.
   *
   * @throws LicensingError HOST_LICENSED: who holds a license is deactivated first
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

  /** The product is licensed: the licenses of the evaluation are permanent from here on (R-EVAL-5). */
  makePermanent(): void {
    if (this.#demo === 0) return
    this.#epoch++
    this.#permanent += this.#demo
    this.#demo = 0
    this.#changed = true
  }

  /** The data center joins another: its hosts give all their licenses back (R-HOST-10). */
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
