import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import { createReport, type ReportDocument, type ReportKind } from '../reports/reports.ts'

/** Reports of a smart account. */
export class ReportService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /** Creates a table of the licenses, the product instances or the usage (R-ACC-7). @throws LicensingError NOT_FOUND */
  create(kind: ReportKind, where: AccountSelector = {}): Promise<ReportDocument> {
    return this.#context.readVirtualAccount(where, (context, virtualAccount) =>
      createReport({ ...context, only: virtualAccount }, kind),
    )
  }
}
