import type { AccountContext } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { errorTable, LicensingError } from '../../core/errors.ts'
import { toIsoString } from '../../core/time.ts'
import { type SyncAnswer } from '../../protocol/sync-answer.ts'
import { type SyncRequest } from '../../protocol/sync-request.ts'
import { type SatelliteRow, parseTlsNames } from './satellites.ts'
import { resolveNames } from './server-names.ts'
import { withSavepoint } from '../store/store.ts'
import {
  type RequestLineage,
  type VerifiedSyncRequest,
  type SyncChannel,
  checkEnrollment,
  findLineage,
  findRequestingSatellite,
  formatLastAnswered,
  readIssuingKey,
  createRefusalError,
  requireUniqueIds,
} from './sync-request-checks.ts'
import {
  EMPTY_ANSWER,
  type SyncResponse,
  createCommonFields,
  signAnswer,
  toSyncResponse,
} from './sync-answers.ts'
import { TotalsMismatch, type IssuingCa, applyReport } from './sync-report.ts'

/**
 * Answers a synchronization request.
 *
 * @throws LicensingError SATELLITE_*, SYNC_*, ENROLLMENT_CODE_INVALID, TLS_NAME_OF_MANAGER, ROOT_KEY_ABSENT. Nothing
 * has changed then
 */
export async function respondToSync(
  context: AccountContext,
  { request, digest }: VerifiedSyncRequest,
  channel: SyncChannel,
): Promise<SyncResponse> {
  const row = await findRequestingSatellite(context, request)
  if (row.request_digest === digest && row.answer !== null) return resendAnswer(context, row, request)
  const registers = row.key === null
  if (registers) checkEnrollment(context, row, request, channel)
  if (channel === 'online' && row.status === 'expired')
    throw createRefusalError(
      'SATELLITE_EXPIRED',
      `The satellite ${row.name} has expired. It was last synchronized at ${formatLastAnswered(row)}.`,
    )
  if (channel === 'online' && row.automatic_until !== null && row.automatic_until <= context.at)
    throw createRefusalError(
      'SYNC_CREDENTIAL_EXPIRED',
      `The satellite ${row.name} could synchronize online until ${toIsoString(row.automatic_until)}.`,
    )
  await requireUniqueIds(context, row, request)
  // These checks precede the first change.
  const issuingKey = readIssuingKey(request)
  const names = resolveNames(
    parseTlsNames(row),
    request.serverNames,
    await context.credentials.servers.readNames(context.tx),
  )
  const lineage = await findLineage(context, row, request, channel)
  if (lineage === 'diverged') return answerRepair(context, row, request, digest)
  return acceptReport(context, row, { request, digest }, { lineage, issuing: { key: issuingKey, names } })
}

/**
 * Creates a signed refusal for an online request. An agent or satellite accepts a refusal as final only if it is
 * signed.
 */
export async function createRefusal(
  context: AccountContext,
  { request, digest }: VerifiedSyncRequest,
  failure: LicensingError,
): Promise<string> {
  const answer: SyncAnswer = {
    ...createCommonFields(context, request, digest),
    outcome: 'refused',
    code: failure.code,
    message: failure.message,
    remedy: failure.remedy,
    epoch: request.epoch,
    exchange: request.exchange,
    warnAt: context.at,
    restrictAt: context.at,
    automaticUntil: context.at,
    ...EMPTY_ANSWER,
  }
  return (await signAnswer(context, answer)).text
}

/**
 * Returns the stored answer to a repeated request, because the answer was lost. @throws LicensingError SYNC_SUPERSEDED
 */
async function resendAnswer(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
): Promise<SyncResponse> {
  if (row.status === 'expired' || (row.restrict_at ?? 0) <= context.at)
    throw new LicensingError(
      'SYNC_SUPERSEDED',
      `Exchange ${request.exchange} of ${row.name} was answered at ${formatLastAnswered(row)}, and that answer has expired.`,
      { remedy: 'Create a new request at the satellite with `sync export`, and transfer that file.' },
    )
  await logAccountEvent(context, {
    type: 'SATELLITE_ANSWERED_AGAIN',
    message: `${row.name}: exchange ${request.exchange} was answered again.`,
  })
  return toSyncResponse(row, request, row.answer ?? '', {
    outcome: 'accepted',
    again: true,
    registered: false,
    notices: [],
  })
}

/** Answers a request of a diverged history. The satellite must then report everything, in a new epoch. */
async function answerRepair(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
  digest: string,
): Promise<SyncResponse> {
  await logAccountEvent(context, {
    type: 'SATELLITE_DIVERGED',
    severity: 'major',
    message: `${row.name}: exchange ${request.exchange} does not follow the last answer. The satellite may have been cloned or restored from a copy, so it must report everything.`,
  })
  const answer: SyncAnswer = {
    ...createCommonFields(context, request, digest),
    outcome: 'repair',
    code: 'SYNC_REPAIR_NEEDED',
    message: `Exchange ${request.exchange} does not follow the last answer of this manager.`,
    remedy: errorTable.SYNC_REPAIR_NEEDED.remedy,
    // The new epoch is above both, since devices reject answers of a lower epoch than they have seen.
    epoch: Math.max(row.epoch, request.epoch) + 1,
    exchange: Math.max(row.sequence, request.exchange),
    warnAt: row.warn_at ?? context.at,
    restrictAt: row.restrict_at ?? context.at,
    automaticUntil: row.automatic_until ?? context.at,
    ...EMPTY_ANSWER,
  }
  const { text } = await signAnswer(context, answer)
  return toSyncResponse(row, request, text, {
    outcome: 'repair',
    again: false,
    registered: false,
    notices: [answer.message],
  })
}

/**
 * Applies a report and answers it. A report that does not match its totals is rolled back, and the satellite must
 * report everything.
 */
async function acceptReport(
  context: AccountContext,
  row: SatelliteRow,
  read: VerifiedSyncRequest,
  facts: { lineage: RequestLineage; issuing: IssuingCa },
): Promise<SyncResponse> {
  try {
    return await withSavepoint(context.tx, () => applyReport(context, row, read, facts))
  } catch (error) {
    if (error instanceof TotalsMismatch) return answerRepair(context, row, read.request, read.digest)
    throw error
  }
}
