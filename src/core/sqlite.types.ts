/** Prepared statement of a database. @typeParam Params types of the parameters @typeParam Row type of a row */
export interface SqliteStatement<Params extends unknown[] = unknown[], Row = unknown> {
  run(...params: Params): { changes: number; lastInsertRowid: number | bigint }
  get(...params: Params): Row | undefined
  all(...params: Params): Row[]
  iterate(...params: Params): IterableIterator<Row>
  /** Makes the statement return only the first column of each row. */
  pluck(toggle?: boolean): this
}

/** Database of better-sqlite3, with the members that the agent and its modules use. */
export interface SqliteDatabase {
  prepare<Params extends unknown[] = unknown[], Row = unknown>(sql: string): SqliteStatement<Params, Row>
  exec(sql: string): unknown
}

/** Selects the SQLite that an agent uses. By default, the agent loads the module better-sqlite3 that npm installed. */
export interface SqliteOptions {
  /**
   * Path of the native part of better-sqlite3 (`better_sqlite3.node`), for a bundled program or a processor without a
   * binary in the package.
   */
  readonly nativeBinding?: string
  /** Class `Database` of better-sqlite3, which the agent uses instead of loading the module. */
  readonly Database?: new (path: string, options?: { timeout?: number }) => SqliteDatabase
}
