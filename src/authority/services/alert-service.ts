import { readAlerts } from '../alerts/alert-reader.ts'
import type { AlertDocument } from '../alerts/alerts.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'

/** Alerts, which require action by an administrator. */
export class AlertService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Returns the alerts, the most severe first. If the selector names no virtual account, the list covers the smart
   * account and all its virtual accounts.
   *
   * @throws LicensingError NOT_FOUND
   */
  list(where: AccountSelector = {}): Promise<AlertDocument[]> {
    return this.#context.readVirtualAccount(where, readAlerts)
  }
}
