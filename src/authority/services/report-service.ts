import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import {
  createReport,
  openReport,
  type OpenReport,
  type ReportDocument,
  type ReportKind,
  type ReportSource,
} from '../reports/reports.ts'

/** Reports of a smart account. */
export class ReportService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /** Creates a table of the licenses, the product instances or the usage (R-ACC-7). @throws LicensingError NOT_FOUND */
  create(kind: ReportKind, where: AccountSelector = {}): Promise<ReportDocument> {
    return createReport(this.#getSource(where), kind)
  }

  /** Opens a report whose rows are read in slices, as they are needed. @throws LicensingError NOT_FOUND */
  open(kind: ReportKind, where: AccountSelector = {}): Promise<OpenReport> {
    return openReport(this.#getSource(where), kind)
  }

  #getSource(where: AccountSelector): ReportSource {
    return {
      read: (read) => this.#context.readAccount({ account: where.account }, read),
      virtualAccount: where.virtualAccount ?? null,
    }
  }
}
