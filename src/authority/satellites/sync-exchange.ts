import type { AccountContext } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { errorTable, LicensingError } from '../../core/errors.ts'
import { iso } from '../../core/time.ts'
import { type SyncAnswer } from '../../protocol/sync-answer.ts'
import { type SyncRequest } from '../../protocol/sync-request.ts'
import { type SatelliteRow, tlsNamesOf } from './satellites.ts'
import { wantedNames } from './server-names.ts'
import { attempt } from '../store/store.ts'
import {
  type Place,
  type Read,
  type SyncRoad,
  checkEnrolment,
  findLineage,
  findRequestingSatellite,
  lastAnsweredAt,
  readIssuingKey,
  refuse,
  requireUniqueIds,
} from './sync-request-checks.ts'
import {
  NOTHING_GIVEN,
  type Responded,
  commonAnswerFields,
  signAnswer,
  toSyncResponse,
} from './sync-answers.ts'
import { Differs, type IssuingCa, applyReport } from './sync-report.ts'

/**
 * Answers a request.
 *
 * @throws LicensingError SATELLITE_*, SYNC_*, ENROLMENT_CODE_INVALID, TLS_NAME_OF_MANAGER, ROOT_KEY_ABSENT: nothing was changed
 */
export async function respondToSync(
  context: AccountContext,
  { request, digest }: Read,
  road: SyncRoad,
): Promise<Responded> {
  const row = await findRequestingSatellite(context, request)
  if (row.request_digest === digest && row.answer !== null) return resendAnswer(context, row, request)
  const registers = row.key === null
  if (registers) checkEnrolment(context, row, request, road)
  if (road === 'wire' && row.status === 'expired')
    throw refuse(
      'SATELLITE_EXPIRED',
      `The satellite ${row.name} was out of touch since ${lastAnsweredAt(row)}.`,
    )
  if (road === 'wire' && row.automatic_until !== null && row.automatic_until <= context.at)
    throw refuse(
      'SYNC_CREDENTIAL_EXPIRED',
      `The satellite ${row.name} might synchronise by itself until ${iso(row.automatic_until)}.`,
    )
  await requireUniqueIds(context, row, request)
  // Looked at before anything is changed.
  const issuingKey = readIssuingKey(request)
  const names = wantedNames(
    tlsNamesOf(row),
    request.serverNames,
    await context.credentials.servers.names(context.tx),
  )
  const place = await findLineage(context, row, request, road)
  if (place === 'diverged') return answerRepair(context, row, request, digest)
  return acceptReport(
    context,
    row,
    { request, digest },
    { lineage: place, issuing: { key: issuingKey, names } },
  )
}

/**
 * A refusal as an answer, for a request that came by wire: final only because it is signed (trust §4).
 */
export async function createRefusal(
  context: AccountContext,
  { request, digest }: Read,
  failure: LicensingError,
): Promise<string> {
  const answer: SyncAnswer = {
    ...commonAnswerFields(context, request, digest),
    outcome: 'refused',
    code: failure.code,
    message: failure.message,
    remedy: failure.remedy,
    epoch: request.epoch,
    exchange: request.exchange,
    warnAt: context.at,
    restrictAt: context.at,
    automaticUntil: context.at,
    ...NOTHING_GIVEN,
  }
  return (await signAnswer(context, answer)).text
}

/** The same request once more: its answer was lost on the way. @throws LicensingError SYNC_SUPERSEDED */
async function resendAnswer(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
): Promise<Responded> {
  if (row.status === 'expired' || (row.restrict_at ?? 0) <= context.at)
    throw new LicensingError(
      'SYNC_SUPERSEDED',
      `Exchange ${request.exchange} of ${row.name} was answered at ${lastAnsweredAt(row)}, and what that answer gave has ended.`,
      { remedy: 'Make a new request at the satellite with `sync export`, and carry that.' },
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

/** Two histories: whichever is the right one, the satellite tells everything anew, in an epoch of its own. */
async function answerRepair(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
  digest: string,
): Promise<Responded> {
  await logAccountEvent(context, {
    type: 'SATELLITE_DIVERGED',
    severity: 'major',
    message: `${row.name}: exchange ${request.exchange} does not follow what was answered: it may have been restored from a copy, or copied. It is asked to report everything.`,
  })
  const answer: SyncAnswer = {
    ...commonAnswerFields(context, request, digest),
    outcome: 'repair',
    code: 'SYNC_REPAIR_NEEDED',
    message: `Exchange ${request.exchange} does not follow what this manager answered.`,
    remedy: errorTable.SYNC_REPAIR_NEEDED.remedy,
    // Above both: boxes believe nothing of an epoch that is below what they have seen.
    epoch: Math.max(row.epoch, request.epoch) + 1,
    exchange: Math.max(row.sequence, request.exchange),
    warnAt: row.warn_at ?? context.at,
    restrictAt: row.restrict_at ?? context.at,
    automaticUntil: row.automatic_until ?? context.at,
    ...NOTHING_GIVEN,
  }
  const { text } = await signAnswer(context, answer)
  return toSyncResponse(row, request, text, {
    outcome: 'repair',
    again: false,
    registered: false,
    notices: [answer.message],
  })
}

/** Takes what was reported, and answers it; what does not fit together is undone, and asked for anew. */
async function acceptReport(
  context: AccountContext,
  row: SatelliteRow,
  read: Read,
  facts: { lineage: Place; issuing: IssuingCa },
): Promise<Responded> {
  try {
    return await attempt(context.tx, () => applyReport(context, row, read, facts))
  } catch (error) {
    if (error instanceof Differs) return answerRepair(context, row, read.request, read.digest)
    throw error
  }
}
