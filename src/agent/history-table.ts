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
  /** Commands that the runtime received, such as `request authorize`, as a JSON array of texts. */
  readonly commands: string
  /** Changed fields of the context since the row before, without codes, as JSON of `ContextChange[]`. */
  readonly changes: string
  /** Evaluation seconds that remain after the event. Ticks without another effect have no row. */
  readonly evaluationSeconds: number
}

/** Row to add, with the parts of the state that it changed. */
export interface NewHistoryRow extends Omit<HistoryRow, 'id'> {
  /** True if the license state or the functionality changed. */
  readonly isStateChange: boolean
  readonly isConnectionChange: boolean
}

/** Number of events between two changes of the state. */
export interface EventCounts {
  readonly events: number
  readonly answered: number
  readonly unanswered: number
}

const MAX_ROWS = 10_000

export const HISTORY_SCHEMA = `
  create table if not exists history (
    id integer primary key autoincrement, at integer not null, event text not null, detail text not null,
    before text not null, after text not null, notices text not null, commands text not null, changes text not null,
    evaluation_seconds integer not null, state_change integer not null, connection_change integer not null
  ) strict;
  create index if not exists history_state_changes on history (id) where state_change = 1;
  create index if not exists history_connection_changes on history (id) where connection_change = 1;
`
const COLUMNS =
  'id, at, event, detail, before, after, notices, commands, changes, evaluation_seconds as evaluationSeconds'

/** Table of the newest transitions of the machine. Call `add` in a transaction of the store. */
export class HistoryTable {
  readonly #db: Sqlite.Database
  readonly #insert: Sqlite.Statement<(number | string)[]>

  constructor(db: Sqlite.Database) {
    this.#db = db
    this.#insert = db.prepare(
      `insert into history (at, event, detail, before, after, notices, commands, changes, evaluation_seconds,
         state_change, connection_change)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
  }

  /** Adds a row. Every 100 rows, deletes the rows beyond `MAX_ROWS`. */
  add(row: NewHistoryRow): void {
    const { at, event, detail, before, after, notices, commands, changes, evaluationSeconds } = row
    const { lastInsertRowid } = this.#insert.run(
      at,
      event,
      detail,
      before,
      after,
      notices,
      commands,
      changes,
      Math.floor(evaluationSeconds),
      row.isStateChange ? 1 : 0,
      row.isConnectionChange ? 1 : 0,
    )
    const id = Number(lastInsertRowid)
    if (id % 100 === 0) this.#db.prepare('delete from history where id <= ?').run(id - MAX_ROWS)
  }

  /** Returns the newest rows between two ids, both excluded, oldest first. */
  list(limit: number, after = 0, before = Number.MAX_SAFE_INTEGER): HistoryRow[] {
    return this.#db
      .prepare<[number, number, number], HistoryRow>(
        `select ${COLUMNS} from history where id > ? and id < ? order by id desc limit ?`,
      )
      .all(after, before, limit)
      .reverse()
  }

  /** Returns the oldest row. Null for an empty history. */
  findFirst(): HistoryRow | null {
    const row = this.#db.prepare<[], HistoryRow>(`select ${COLUMNS} from history order by id limit 1`).get()
    return row ?? null
  }

  /** Returns the rows that changed the license state or the functionality, oldest first. */
  listStateChanges(limit: number): HistoryRow[] {
    return this.#listChanges('state_change', limit)
  }

  /** Returns the rows that changed the state of the connection, oldest first. */
  listConnectionChanges(limit: number): HistoryRow[] {
    return this.#listChanges('connection_change', limit)
  }

  #listChanges(column: 'state_change' | 'connection_change', limit: number): HistoryRow[] {
    return this.#db
      .prepare<[number], HistoryRow>(
        `select ${COLUMNS} from history where ${column} = 1 order by id desc limit ?`,
      )
      .all(limit)
      .reverse()
  }

  /** Counts the events since the state change before each state change, by the id of the later one. */
  countBetweenStateChanges(): Map<number, EventCounts> {
    const rows = this.#db
      .prepare<[], { id: number | null } & EventCounts>(
        `select max(case when state_change = 1 then id end) as id, count(*) - max(state_change) as events,
           sum(state_change = 0 and (event like '%.accepted' or event like '%.refused')) as answered,
           sum(state_change = 0 and event like '%.unreachable') as unanswered
         from (select id, event, state_change,
                 sum(state_change) over (order by id rows between unbounded preceding and current row) - state_change
                   as part
               from history)
         group by part`,
      )
      .all()
    return new Map(rows.flatMap(({ id, ...counts }) => (id === null ? [] : [[id, counts] as const])))
  }

  count(): number {
    return this.#db.prepare<[], { n: number }>('select count(*) as n from history').get()?.n ?? 0
  }

  /** Returns the newest transition in which the machine's state changed to the given state. */
  findLastChangeTo(state: string): HistoryRow | null {
    const row = this.#db
      .prepare<[string, string], HistoryRow>(
        `select ${COLUMNS} from history
         where state_change = 1 and json_extract(after, '$.state') = ? and json_extract(before, '$.state') <> ?
         order by id desc limit 1`,
      )
      .get(state, state)
    return row ?? null
  }
}
