import { withTimeout } from '../../transports/deadline.ts'
import { type AuthorityStore, readSetting } from '../store/store.ts'

/** Timeout of the database check in milliseconds. */
const READINESS_TIMEOUT_MS = 2_000

/** Checks whether the database answers in time. Simultaneous callers share one check. */
export class DatabaseCheck {
  readonly #store: AuthorityStore
  #running: Promise<boolean> | null = null

  constructor(store: AuthorityStore) {
    this.#store = store
  }

  /** Returns true if the database answers within the timeout, which is shorter than that of a load balancer. */
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
