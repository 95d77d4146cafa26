import type Sqlite from 'better-sqlite3'
import type { RequestKind } from '../../machines/index.ts'

/** Request of the machine that has no outcome yet. */
export interface PendingCommand {
  readonly id: number
  readonly kind: RequestKind
}

export const COMMANDS_SCHEMA = `
  create table if not exists commands (id integer primary key autoincrement, kind text not null) strict;
`

/** Table of the machine's requests that have no outcome yet. Call writing methods in a transaction of the store. */
export class PendingCommands {
  readonly #db: Sqlite.Database
  readonly #select: Sqlite.Statement<[], PendingCommand>
  readonly #delete: Sqlite.Statement<[number]>
  readonly #deleteKind: Sqlite.Statement<[RequestKind]>

  constructor(db: Sqlite.Database) {
    this.#db = db
    this.#select = db.prepare('select id, kind from commands order by id')
    this.#delete = db.prepare('delete from commands where id = ?')
    this.#deleteKind = db.prepare('delete from commands where kind = ?')
  }

  add(kind: RequestKind): void {
    this.#db.prepare('insert into commands (kind) values (?)').run(kind)
  }

  remove(id: number): void {
    this.#delete.run(id)
  }

  removeByKind(kinds: readonly RequestKind[]): void {
    for (const kind of kinds) this.#deleteKind.run(kind)
  }

  /** Returns the pending requests, oldest first. */
  list(): PendingCommand[] {
    return this.#select.all()
  }
}
