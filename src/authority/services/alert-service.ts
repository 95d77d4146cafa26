import { type AlertFilter, type AlertPage, readAlertPage } from '../alerts/alert-reader.ts'
import type { AlertDocument } from '../alerts/alerts.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import type { ListPart } from '../satellites/all-instances.ts'

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
  async list(where: AccountSelector = {}): Promise<readonly AlertDocument[]> {
    return (await this.page(where, {}, { skip: 0, limit: Infinity })).alerts
  }

  /** Returns a page of the alerts that match a filter, in the order of `list`. @throws LicensingError NOT_FOUND */
  page(
    { account, virtualAccount }: AccountSelector,
    filter: Omit<AlertFilter, 'virtualAccount'>,
    part: ListPart,
  ): Promise<AlertPage> {
    return readAlertPage(
      (read) => this.#context.readAccount({ account }, read),
      { ...filter, virtualAccount },
      part,
    )
  }
}
