import { type Instant, MINUTE } from '../../core/time.ts'
import type { AuthorityClock } from '../context/authority-clock.ts'
import type { DueWork } from '../context/transactions.ts'
import { runAs } from '../events/actor.ts'
import { resolveAccount } from '../inventory/accounts.ts'
import { expireInstances } from '../inventory/instances.ts'
import { sendOrderReminders, warnBeforeTermEnd } from '../inventory/orders.ts'
import type { StoredProfile } from '../inventory/stored-profile.ts'
import type { Credentials } from '../keys/credentials.ts'
import { openSync } from '../satellite-sync/sync-repository.ts'
import { tickSync } from '../satellite-sync/sync-driver.ts'
import { expireOverdueSatellites } from '../satellites/satellites.ts'
import type { Tx } from '../store/store.ts'

/** Runs due renewals, expirations and reminders at the start of a transaction. */
export class Maintenance implements DueWork {
  readonly #clock: AuthorityClock
  readonly #credentials: Credentials
  readonly #profile: StoredProfile
  /** Time of the last check for reminders, and the number of clock corrections at that time. */
  #lastReminders = { at: -Infinity, corrections: 0 }

  constructor(clock: AuthorityClock, credentials: Credentials, profile: StoredProfile) {
    this.#clock = clock
    this.#credentials = credentials
    this.#profile = profile
  }

  run(tx: Tx): Promise<Instant> {
    // Scheduled work has no actor, even when a user's request triggers it.
    return runAs(null, () => this.#runDueWork(tx))
  }

  async #runDueWork(tx: Tx): Promise<Instant> {
    const at = await this.#clock.time(tx)
    await this.#credentials.keyRing.refresh(tx, at)
    await this.#profile.refresh(tx)
    if (this.#credentials.keyRing.identity.role === 'satellite') {
      const account = await resolveAccount(tx, undefined)
      await tickSync(await openSync({ tx, credentials: this.#credentials, account, at }))
    }
    await expireInstances(tx, at)
    await this.#remind(tx, at)
    return at
  }

  /** Sends the due reminders, at most once a minute, because they are not urgent and an exchange should not wait for them. */
  async #remind(tx: Tx, at: Instant): Promise<void> {
    const { corrections } = this.#clock
    if (corrections === this.#lastReminders.corrections && at - this.#lastReminders.at < MINUTE) return
    await sendOrderReminders(tx, at)
    await warnBeforeTermEnd(tx, at)
    await expireOverdueSatellites(tx, at)
    this.#lastReminders = { at, corrections }
  }
}
