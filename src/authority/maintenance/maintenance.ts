import { type Instant, MINUTE } from '../../core/time.ts'
import type { AuthorityClock } from '../context/authority-clock.ts'
import type { DueWork } from '../context/transactions.ts'
import { runAs } from '../events/actor.ts'
import { resolveAccount } from '../inventory/accounts.ts'
import { expireInstances } from '../inventory/instances.ts'
import { sendOrderReminders, warnBeforeTermEnd } from '../inventory/orders.ts'
import type { Credentials } from '../keys/credentials.ts'
import { openSync } from '../satellite-sync/sync-repository.ts'
import { tickSync } from '../satellite-sync/sync-driver.ts'
import { expireOverdueSatellites } from '../satellites/satellites.ts'
import type { Tx } from '../store/store.ts'

/** Renews, expires and reminds: whatever time has made due when a transaction begins. */
export class Maintenance implements DueWork {
  readonly #clock: AuthorityClock
  readonly #credentials: Credentials
  /** When reminders were last looked for, and how often the clock had been corrected then. */
  #lastReminders = { at: -Infinity, corrections: 0 }

  constructor(clock: AuthorityClock, credentials: Credentials) {
    this.#clock = clock
    this.#credentials = credentials
  }

  run(tx: Tx): Promise<Instant> {
    // What time brings is nobody's doing, whoever asked.
    return runAs(null, () => this.#runDueWork(tx))
  }

  async #runDueWork(tx: Tx): Promise<Instant> {
    const at = await this.#clock.time(tx)
    await this.#credentials.keyRing.refresh(tx, at)
    if (this.#credentials.keyRing.identity.role === 'satellite') {
      const account = await resolveAccount(tx, undefined)
      await tickSync(await openSync({ tx, credentials: this.#credentials, account, at }))
    }
    await expireInstances(tx, at)
    await this.#remind(tx, at)
    return at
  }

  /** Reminds of what lies days ahead. That can wait a minute: an exchange does not look for it every time. */
  async #remind(tx: Tx, at: Instant): Promise<void> {
    const { corrections } = this.#clock
    if (corrections === this.#lastReminders.corrections && at - this.#lastReminders.at < MINUTE) return
    await sendOrderReminders(tx, at)
    await warnBeforeTermEnd(tx, at)
    await expireOverdueSatellites(tx, at)
    this.#lastReminders = { at, corrections }
  }
}
