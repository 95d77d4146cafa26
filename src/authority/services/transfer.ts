import { LicensingError } from '../../core/errors.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import type { AccountContext } from '../context/account-context.ts'
import { violatesCompliance, type TransferDocument } from '../inventory/transfers.ts'

/** Options of a transfer. */
export interface TransferOptions {
  /** True to return the result of the transfer without making the transfer. */
  readonly preview?: boolean
  /** True to allow a transfer that puts a pool out of compliance. */
  readonly confirmed?: boolean
}

/** Error that rolls back the transaction of a preview, and carries its result. */
class PreviewRollback extends Error {
  readonly document: TransferDocument
  constructor(document: TransferDocument) {
    super('The transfer is a preview.')
    this.document = document
  }
}

/**
 * Runs a transfer. A preview is rolled back and returns the result that the transfer would have.
 *
 * @throws LicensingError TRANSFER_UNCONFIRMED if the transfer puts a pool out of compliance and is not confirmed
 */
export async function runTransfer(
  context: AuthorityContext,
  { account, preview = false, confirmed = false }: AccountSelector & TransferOptions,
  work: (context: AccountContext) => Promise<TransferDocument>,
): Promise<TransferDocument> {
  try {
    return await context.withAccount({ account }, async (accountContext) => {
      const document = await work(accountContext)
      if (preview) throw new PreviewRollback(document)
      if (violatesCompliance(document) && !confirmed)
        throw new LicensingError(
          'TRANSFER_UNCONFIRMED',
          `The transfer of ${document.what} from ${document.from} to ${document.to} would put a pool out of compliance.`,
        )
      return document
    })
  } catch (error) {
    if (error instanceof PreviewRollback) return { ...error.document, status: 'preview' }
    throw error
  }
}
