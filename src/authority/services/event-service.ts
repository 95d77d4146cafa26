import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import { type EventDocument, type EventFilter, listEventsAfter, listEvents } from '../events/event-log.ts'

/** The event log of smart accounts. */
export class EventService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /** The newest entries that are asked for, oldest first. */
  list(where: AccountSelector & EventFilter = {}): Promise<EventDocument[]> {
    return this.#context.readAccount(where, ({ tx, account }) => listEvents(tx, account.id, where))
  }

  /** The whole event log, or what fits of it, oldest first: a page at a time, each read when it is asked for. */
  async *export(where: AccountSelector & EventFilter = {}): AsyncGenerator<EventDocument[]> {
    const last = await this.getNewestId()
    for (let after = 0; after < last;) {
      const page = await this.#context.readAccount(where, ({ tx, account }) =>
        listEventsAfter(tx, account.id, where, { after, last }),
      )
      const end = page.at(-1)
      if (!end) return
      yield page
      after = end.id
    }
  }

  /** The number of the newest entry; 0 while the log is empty. */
  getNewestId(): Promise<number> {
    return this.#context.store.read(async (tx) => {
      const row = await tx.selectFrom('events').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
      return row?.id ?? 0
    })
  }
}
