import type Sqlite from 'better-sqlite3'

/** Row of the history: a transition of the machine, or a notice of the agent itself. */
export interface HistoryRow {
  readonly id: number
  readonly at: number
  readonly event: string
  /** Payload of the event, without secrets, as JSON. */
  readonly detail: string
  /** States before the event, as JSON of `encodeStatePaths`. */
  readonly before: string
  readonly after: string
  /** Notices that were logged, with name, message and severity, as JSON. */
  readonly notices: string
}

const MAX_ROWS = 10_000

export const HISTORY_SCHEMA = `
  create table if not exists history (
    id integer primary key autoincrement, at integer not null, event text not null, detail text not null,
    before text not null, after text not null, notices text not null
  ) strict;
`

/** Table of the newest transitions of the machine. Call `add` in a transaction of the store. */
export class HistoryTable {
  readonly #db: Sqlite.Database
  readonly #insert: Sqlite.Statement<[number, string, string, string, string, string]>

  constructor(db: Sqlite.Database) {
    this.#db = db
    this.#insert = db.prepare(
      'insert into history (at, event, detail, before, after, notices) values (?, ?, ?, ?, ?, ?)',
    )
  }

  /** Adds a row. Every 100 rows, deletes the rows beyond `MAX_ROWS`. */
  add(row: Omit<HistoryRow, 'id'>): void {
    const { at, event, detail, before, after, notices } = row
    const { lastInsertRowid } = this.#insert.run(at, event, detail, before, after, notices)
    const id = Number(lastInsertRowid)
    if (id % 100 === 0) this.#db.prepare('delete from history where id <= ?').run(id - MAX_ROWS)
  }

  /** Returns the newest rows after an id, oldest first. */
  list(limit: number, after = 0): HistoryRow[] {
    return this.#db
      .prepare<[number, number], HistoryRow>('select * from history where id > ? order by id desc limit ?')
      .all(after, limit)
      .reverse()
  }

  /** Returns the newest transition in which the machine's state changed to the given state. */
  findLastChangeTo(state: string): HistoryRow | null {
    const row = this.#db
      .prepare<[string, string], HistoryRow>(
        "select * from history where json_extract(after, '$.state') = ? and json_extract(before, '$.state') <> ? order by id desc limit 1",
      )
      .get(state, state)
    return row ?? null
  }
}
