import type Sqlite from 'better-sqlite3'
import { z } from 'zod'

/** Steps of an exchange, in order. */
export const EXCHANGE_STEPS = ['name', 'connect', 'proxy', 'tls', 'request', 'answer'] as const
export type ExchangeStepName = (typeof EXCHANGE_STEPS)[number]

const stepSchema = z.object({
  step: z.enum(EXCHANGE_STEPS),
  /** Milliseconds since the exchange began. */
  startedAt: z.number(),
  /** Milliseconds. */
  duration: z.number(),
  outcome: z.enum(['ok', 'failed', 'not-tried', 'not-needed']),
  found: z.string().nullable(),
})
export type ExchangeStep = z.infer<typeof stepSchema>

const routeSchema = z.object({
  /** Host and port of the proxy. Null without one. */
  proxy: z.string().nullable(),
  /** Host and port of the authority. */
  server: z.string(),
  role: z.enum(['manager', 'satellite']).nullable(),
  /** Last synchronization of a satellite, as it said itself. Null for a manager. */
  synchronizedAt: z.string().nullable(),
})
export type ExchangeRoute = z.infer<typeof routeSchema>

/** Exchange of the agent with its authority. */
export interface Exchange {
  readonly at: number
  readonly kind: string
  /** Milliseconds. */
  readonly duration: number
  readonly outcome: 'accepted' | 'refused' | 'unreachable'
  readonly failure: { readonly code: string; readonly message: string; readonly remedy: string } | null
  readonly route: ExchangeRoute
  readonly steps: readonly ExchangeStep[]
}
export interface ExchangeRow extends Exchange {
  readonly id: number
}

const MAX_ROWS = 200

export const EXCHANGES_SCHEMA = `
  create table if not exists exchanges (
    id integer primary key autoincrement, at integer not null, kind text not null, duration real not null,
    outcome text not null, failure text, route text not null, steps text not null
  ) strict;
`

/** Table of the newest exchanges. Call `add` in a transaction of the store. */
export class ExchangeTable {
  readonly #db: Sqlite.Database

  constructor(db: Sqlite.Database) {
    this.#db = db
  }

  /** Adds an exchange, and deletes those beyond the newest 200. */
  add({ at, kind, duration, outcome, failure, route, steps }: Exchange): void {
    const { lastInsertRowid } = this.#db
      .prepare(
        'insert into exchanges (at, kind, duration, outcome, failure, route, steps) values (?, ?, ?, ?, ?, ?, ?)',
      )
      .run(
        at,
        kind,
        duration,
        outcome,
        failure && JSON.stringify(failure),
        JSON.stringify(route),
        JSON.stringify(steps),
      )
    this.#db.prepare('delete from exchanges where id <= ?').run(Number(lastInsertRowid) - MAX_ROWS)
  }

  /** Returns the newest exchanges, newest first. */
  list(limit: number): ExchangeRow[] {
    return this.#db
      .prepare<
        [number],
        Omit<ExchangeRow, 'failure' | 'route' | 'steps'> & {
          failure: string | null
          route: string
          steps: string
        }
      >('select * from exchanges order by id desc limit ?')
      .all(limit)
      .map(({ failure, route, steps, ...row }) => ({
        ...row,
        failure: failure === null ? null : (JSON.parse(failure) as Exchange['failure']),
        route: routeSchema.parse(JSON.parse(route)),
        steps: z.array(stepSchema).parse(JSON.parse(steps)),
      }))
  }
}
