import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import {
  type EventDocument,
  type EventFilter,
  listEventsAfter,
  readEvents,
  readNewestId,
} from '../events/event-log.ts'

/** The event log of smart accounts. */
export class EventService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /** Returns the newest entries that match the filter, oldest first. */
  list(where: AccountSelector & EventFilter = {}): Promise<EventDocument[]> {
    return readEvents(
      (read) => this.#context.readAccount(where, ({ tx, account }) => read(tx, account.id)),
      where,
    )
  }

  /** Yields the matching entries of the event log in pages, oldest first. Each page is read when it is needed. */
  async *export(where: AccountSelector & EventFilter = {}): AsyncGenerator<EventDocument[]> {
    const newestId = await this.getNewestId()
    for (let after = 0; after < newestId;) {
      const page = await this.#context.readAccount(where, ({ tx, account }) =>
        listEventsAfter(tx, account.id, where, { after, last: newestId }),
      )
      const lastEvent = page.at(-1)
      if (!lastEvent) return
      yield page
      after = lastEvent.id
    }
  }

  /** Returns the id of the newest entry, or 0 while the log is empty. */
  getNewestId(): Promise<number> {
    return this.#context.store.read(readNewestId)
  }
}
