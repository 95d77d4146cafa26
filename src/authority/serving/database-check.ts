import { withTimeout } from '../../transports/deadline.ts'
import { type AuthorityStore, readSetting } from '../store/store.ts'

/** Milliseconds that the database has to say whether it is there. */
const READINESS_TIMEOUT_MS = 2_000

/** Asks the database whether it answers, and soon: once for all who ask at the same moment. */
export class DatabaseCheck {
  readonly #store: AuthorityStore
  #running: Promise<boolean> | null = null

  constructor(store: AuthorityStore) {
    this.#store = store
  }

  /** Returns whether it answers. Whoever asks waits no longer than a balancer does. */
  async isReachable(): Promise<boolean> {
    this.#running ??= this.#store
      .transaction((tx) => readSetting(tx, 'authority'))
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        this.#running = null
      })
    return (await withTimeout(READINESS_TIMEOUT_MS, this.#running)) ?? false
  }
}
