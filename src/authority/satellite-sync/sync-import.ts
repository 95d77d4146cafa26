import { TimeFloor } from '../store/time-floor.ts'
import { type SyncTerms } from '../../../machines/index.ts'
import { LicensingError } from '../../core/errors.ts'
import { formatDuration, HOUR, type Instant, toIsoString } from '../../core/time.ts'
import { type SyncAnswer } from '../../protocol/sync-answer.ts'
import { type TrustAnchors } from '../../pki/root-rotation.ts'
import type { AuthorityIdentity } from '../keys/identity.ts'
import { logEvent } from '../events/event-log.ts'
import { SYNC_SEQUENCE_KEY } from '../store/revisions.ts'
import { readSetting, writeSetting } from '../store/store.ts'
import { applyAnswer } from './answer-applier.ts'
import { type Synchronization, startNewSyncEpoch, writeFacts } from './sync-repository.ts'
import {
  type RootTrust,
  type VerifiedAnswer,
  parseCaCertificates,
  checkDelegation,
  verifyAnswer,
} from './answer-verification.ts'
import { applySyncEvent } from './sync-driver.ts'

/** A clock that is ahead of the manager's by no more than this is tolerated. */
const MAX_CLOCK_SKEW_MS = HOUR

/** Result of importing an answer. */
export interface SyncImportResult {
  readonly outcome: SyncAnswer['outcome']
  readonly exchange: number
  readonly registered: boolean
  readonly restrictedAt: string
  readonly notices: readonly string[]
  /** True if another exchange should follow at once, to report the effects of this answer. */
  readonly again: boolean
  /** The reason of a refusal, or null. */
  readonly failure: { code: string; message: string; remedy: string } | null
}

/** Refusals that end the synchronization, and refusals after which only an offline (file) exchange helps. */
const REVOCATION_CODES: readonly string[] = ['SATELLITE_REMOVED', 'SYNC_EPOCH_SUPERSEDED', 'SYNC_KEY_UNKNOWN']

const MANUAL_RECOVERY_CODES: readonly string[] = [
  'SATELLITE_EXPIRED',
  'SATELLITE_UNKNOWN',
  'SYNC_CREDENTIAL_EXPIRED',
  'ENROLLMENT_CODE_INVALID',
]

/**
 * Imports an answer as a whole.
 *
 * @throws LicensingError SIGNED_FILE_*, SYNC_*, MANDATE_INVALID, CONFIRMATION_REQUIRED. Nothing has changed then
 */
export async function importAnswer(
  sync: Synchronization,
  text: string,
  trust: RootTrust,
): Promise<SyncImportResult> {
  const verified = verifyAnswer(sync, text, trust)
  const { answer } = verified
  const writtenAt = await findRequestTime(sync, answer)
  // If the answer is dated before the request, the clock of this machine was ahead by the difference.
  const clockSkew = writtenAt - answer.answeredAt
  // A machine clock that is still ahead would undo the correction, so an administrator must set it first.
  const corrected = clockSkew > MAX_CLOCK_SKEW_MS && sync.wall <= sync.at - clockSkew + MAX_CLOCK_SKEW_MS
  const at = Math.max(corrected ? sync.at - clockSkew : sync.at, answer.answeredAt)
  if (answer.outcome === 'accepted' && answer.restrictAt <= at)
    throw new LicensingError(
      'SYNC_ANSWER_LAPSED',
      `The manager answered at ${toIsoString(answer.answeredAt)}, and the answer expired at ${toIsoString(answer.restrictAt)}. The time here is ${toIsoString(at)}.`,
    )
  await (corrected ? TimeFloor.lower(sync.tx, at) : TimeFloor.raise(sync.tx, at))
  const result: SyncImportResult = {
    outcome: answer.outcome,
    exchange: answer.exchange,
    registered: false,
    restrictedAt: toIsoString(answer.restrictAt),
    notices: answer.notices,
    again: false,
    failure: null,
  }
  if (answer.outcome === 'refused') return acceptRefusal(sync, answer, at, result)
  if (answer.outcome === 'repair') {
    await acceptRepair(sync, answer, at)
    return { ...result, again: true }
  }
  const done = await acceptAnswer(sync, verified, at)
  if (clockSkew <= MAX_CLOCK_SKEW_MS) return { ...result, ...done }
  const notice = `The clock of this machine was ${formatDuration(clockSkew)} ahead of the manager's when the request was written. Check the clock.`
  const notices = [...result.notices, notice]
  if (!corrected) return { ...result, ...done, notices }
  await rollBackClock(sync, notice, at)
  return { ...result, ...done, again: true, notices }
}

/** Records a refusal and its consequence for this satellite. */
async function acceptRefusal(
  sync: Synchronization,
  { code, message, remedy }: SyncAnswer,
  at: Instant,
  result: SyncImportResult,
): Promise<SyncImportResult> {
  const reason = { code, message, remedy }
  await applySyncEvent(sync, {
    type: 'sync.refused',
    at,
    reason,
    ended: REVOCATION_CODES.includes(code),
    offlineOnly: MANUAL_RECOVERY_CODES.includes(code),
  })
  return { ...result, failure: reason }
}

/** Adopts the contents of an accepted answer: certificates, roots, licenses and the delegation. */
async function acceptAnswer(
  sync: Synchronization,
  { answer, digest, anchors, root }: VerifiedAnswer,
  at: Instant,
): Promise<Pick<SyncImportResult, 'registered' | 'again'>> {
  const { tx, credentials, account } = sync
  const { issuingCa, mandate } = answer
  if (issuingCa === null || mandate === null)
    throw new LicensingError('SIGNED_FILE_MALFORMED', 'The answer contains no delegation (mandate).')
  checkDelegation(sync, { answer, issuingCa, mandate, root })
  const registered = sync.facts.mandate === null
  await credentials.satellite.adoptIssuingCas(
    tx,
    parseCaCertificates(issuingCa).map((certificate) => certificate.toString()),
  )
  await credentials.keyRing.adopt(tx, { root, ...toNewTrust(sync, answer, anchors) })
  const again = await applyAnswer({ tx, account, at }, answer)
  await writeFacts(sync, {
    managerId: answer.managerId,
    after: { epoch: answer.epoch, exchange: answer.exchange, hash: digest },
    full: false,
    mandate,
    home: answer.virtualAccounts.find(({ home }) => home)?.name ?? null,
    code: null,
  })
  await tx
    .deleteFrom('sync_requests')
    .where((or) => or.or([or('sequence', '<=', answer.exchange), or('epoch', '<', answer.epoch)]))
    .execute()
  const { warnAt, restrictAt, automaticUntil } = answer
  const terms: SyncTerms = { answeredAt: answer.answeredAt, warnAt, restrictAt, automaticUntil }
  await applySyncEvent(sync, { type: 'sync.answered', at, terms })
  return { registered, again }
}

/** Sets the clock back to the manager's time. A new epoch makes devices accept the earlier time. */
async function rollBackClock(sync: Synchronization, notice: string, at: Instant): Promise<void> {
  await startNewSyncEpoch(sync)
  await logEvent(sync.tx, {
    at,
    type: 'CLOCK_CORRECTED',
    severity: 'major',
    accountId: sync.account.id,
    message: notice,
  })
}

/**
 * Returns the manager's root rotation statements for this satellite's devices, and the end of the older roots'
 * validity.
 */
function toNewTrust(
  sync: Synchronization,
  { trustBundles }: SyncAnswer,
  anchors: TrustAnchors,
): Pick<AuthorityIdentity, 'trust'> | undefined {
  const { number } = sync.credentials.keyRing.identity.trust
  if (anchors.number <= number) return undefined
  const until = anchors.roots.flatMap((anchor) => anchor.until ?? []).at(0) ?? null
  return { trust: { number: anchors.number, bundles: [...trustBundles], until } }
}

/**
 * Checks that an answer is for an open request of this satellite. @returns the time at which the request was written
 */
async function findRequestTime(sync: Synchronization, answer: SyncAnswer): Promise<Instant> {
  const sentRequest = await sync.tx
    .selectFrom('sync_requests')
    .selectAll()
    .where('digest', '=', answer.request)
    .executeTakeFirst()
  const { after } = sync.facts
  if (sentRequest?.epoch === sync.credentials.keyRing.identity.epoch) return sentRequest.written_at
  if (
    after &&
    answer.outcome === 'accepted' &&
    answer.epoch === after.epoch &&
    answer.exchange <= after.exchange
  )
    throw new LicensingError(
      'SYNC_ANSWER_IMPORTED',
      answer.exchange === after.exchange
        ? `The answer of exchange ${answer.exchange} was already imported.`
        : `The answer is of exchange ${answer.exchange}, but the answer of exchange ${after.exchange} was already imported.`,
    )
  throw new LicensingError(
    'SYNC_ANSWER_UNASKED',
    `The answer is to exchange ${answer.exchange} of epoch ${answer.epoch}, which is not an open request of this satellite.`,
  )
}

/** Continues in the epoch of the answer and reports everything, because the histories have diverged. */
async function acceptRepair(sync: Synchronization, answer: SyncAnswer, at: Instant): Promise<void> {
  if (answer.epoch <= sync.credentials.keyRing.identity.epoch)
    throw new LicensingError(
      'SYNC_ANSWER_UNASKED',
      `The answer has epoch ${answer.epoch}, but this satellite is already at a later epoch.`,
    )
  const sequence = Number((await readSetting(sync.tx, SYNC_SEQUENCE_KEY)) ?? 0)
  await writeSetting(sync.tx, SYNC_SEQUENCE_KEY, String(Math.max(sequence, answer.exchange)))
  await sync.credentials.keyRing.adopt(sync.tx, { epoch: answer.epoch })
  await writeFacts(sync, { full: true, after: null })
  await sync.tx.deleteFrom('sync_requests').execute()
  await logEvent(sync.tx, {
    at,
    type: 'SYNC_REPAIR',
    severity: 'major',
    accountId: sync.account.id,
    message: `${sync.facts.name}: ${answer.message} Everything is reported again, in epoch ${answer.epoch}.`,
  })
  await applySyncEvent(sync, { type: 'sync.resync', at })
}
