import { readAlerts } from '../alerts/alert-reader.ts'
import type { AlertDocument } from '../alerts/alerts.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'

/** What somebody should do something about. */
export class AlertService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * The alerts of one virtual account when it is named, otherwise of them all and of the whole smart account: the most
   * urgent first.
   *
   * @throws LicensingError NOT_FOUND
   */
  list(where: AccountSelector = {}): Promise<AlertDocument[]> {
    return this.#context.readVirtualAccount(where, readAlerts)
  }
}
