import type { AccountContext } from '../context/account-context.ts'
import { MAX_SYNC_BYTES } from '../../protocol/sync.ts'
import { sql } from 'kysely'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import { toIsoString } from '../../core/time.ts'
import { verifyEnrollmentMac } from '../../protocol/enrollment.ts'
import { parseSyncRequest, SYNC_REQUEST_TITLE, type SyncRequest } from '../../protocol/sync-request.ts'
import { formatKeyFingerprint } from '../../pki/fingerprint.ts'
import { parseCsr } from '../../pki/certificate-request.ts'
import { verifyTextByKey } from '../../pki/sign-text.ts'
import { type SatelliteRow } from './satellites.ts'

/** How a request came: carried by a person, who answers for it, or by wire. */
export type SyncChannel = 'offline' | 'online'

/** A request whose signature is right, with what names it. */
export interface VerifiedSyncRequest {
  readonly request: SyncRequest
  readonly digest: string
}

/** The key that a request names, of its lines; null when it names none. */
function readNamedKey(lines: readonly string[]): KeyObject | null {
  const line = lines.find((one) => one.startsWith('Satellite key: '))
  try {
    const der = Buffer.from(line?.slice('Satellite key: '.length).trim() ?? '', 'base64url')
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    return null
  }
}

/** A request whose form and signature are right; whose it is is not looked at. @throws LicensingError SIGNED_FILE_* */
export function verifySyncRequest(text: string): VerifiedSyncRequest {
  const { lines, digest } = verifyTextByKey(text, {
    what: 'synchronization request',
    title: SYNC_REQUEST_TITLE,
    key: readNamedKey,
    maxLength: MAX_SYNC_BYTES,
  })
  return { request: parseSyncRequest(lines), digest }
}

export const createRefusalError = (
  code:
    | 'SATELLITE_UNKNOWN'
    | 'SATELLITE_REMOVED'
    | 'SATELLITE_EXPIRED'
    | 'SYNC_KEY_UNKNOWN'
    | 'SYNC_OTHER_SATELLITE'
    | 'SYNC_SUPERSEDED'
    | 'SYNC_EPOCH_SUPERSEDED'
    | 'SYNC_CREDENTIAL_EXPIRED'
    | 'ENROLLMENT_CODE_INVALID',
  message: string,
) => new LicensingError(code, message)

/** The public key of the CA that a satellite asks a certificate for. @throws LicensingError SIGNED_FILE_MALFORMED */
export function readIssuingKey({ issuingCa }: SyncRequest): KeyObject {
  const key = parseCsr(
    `-----BEGIN CERTIFICATE REQUEST-----\n${issuingCa}\n-----END CERTIFICATE REQUEST-----\n`,
  )
  if (key) return key.key
  throw new LicensingError('SIGNED_FILE_MALFORMED', 'The request for the satellite’s CA is not a good one.')
}

/** Where a request stands in the history of its satellite. */
export type RequestLineage = 'next' | 'restored' | 'diverged'

export async function findRequestingSatellite(
  context: AccountContext,
  request: SyncRequest,
): Promise<SatelliteRow> {
  const rows = await context.tx
    .selectFrom('satellites')
    .selectAll()
    .where('account_id', '=', context.account.id)
    .where('name', '=', request.name)
    .orderBy('created_at', 'desc')
    .execute()
  const row = rows.find(({ status }) => status !== 'removed')
  if (row && (row.key === null || (row.key === request.key && row.satellite_id === request.satelliteId)))
    return row
  if (rows.some(({ key, status }) => status === 'removed' && key === request.key))
    throw createRefusalError('SATELLITE_REMOVED', `The satellite ${request.name} was removed.`)
  if (!row)
    throw createRefusalError(
      'SATELLITE_UNKNOWN',
      `${context.account.domain} has no satellite ${JSON.stringify(request.name)}.`,
    )
  throw createRefusalError(
    'SYNC_KEY_UNKNOWN',
    `The name ${request.name} is bound to the key ${formatKeyFingerprint(row.key ?? '')}; the request is signed by ${formatKeyFingerprint(request.key)}.`,
  )
}

/** By hand, a person answers for it; by wire, the code that was printed for it does (trust §8). */
export function checkEnrollment(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
  channel: SyncChannel,
): void {
  if (request.enrollment === 'none') {
    if (channel === 'offline') return
    throw createRefusalError('ENROLLMENT_CODE_INVALID', 'A first exchange by wire needs the one-time code.')
  }
  const good =
    row.code !== null &&
    (row.code_expires_at ?? 0) > context.at &&
    verifyEnrollmentMac(context.credentials.secrets.decryptSecret(row.code), request, request.enrollment)
  if (!good)
    throw createRefusalError(
      'ENROLLMENT_CODE_INVALID',
      `The one-time code is not, or no longer, that of the satellite ${row.name}.`,
    )
}

/** No satellite takes the id of another authority: its certificates would be taken for that one's. */
export async function requireUniqueIds(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
): Promise<void> {
  const { satelliteId, key } = request
  const taken = await context.tx
    .selectFrom('satellites')
    .select('id')
    .where('satellite_id', '=', satelliteId)
    .where('id', '<>', row.id)
    .where((or) => or.or([or('key', '<>', key), or('status', '<>', sql.lit('removed'))]))
    .executeTakeFirst()
  if (taken || satelliteId === context.credentials.keyRing.identity.id)
    throw createRefusalError('SYNC_OTHER_SATELLITE', `The id ${satelliteId} is that of another authority.`)
}

export const formatLastAnswered = (row: SatelliteRow): string =>
  toIsoString(row.answered_at) ?? 'its beginning'

/** @throws LicensingError SYNC_SUPERSEDED, SYNC_EPOCH_SUPERSEDED */
export async function findLineage(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
  channel: SyncChannel,
): Promise<RequestLineage> {
  if (row.key === null) return request.report === 'full' ? 'next' : 'diverged'
  // By hand a person answers for which of the copies is to go on.
  if (request.epoch < row.epoch && channel === 'offline') return 'diverged'
  if (request.epoch < row.epoch)
    throw createRefusalError(
      'SYNC_EPOCH_SUPERSEDED',
      `The request is of epoch ${request.epoch}; a copy of ${row.name} that was restored since synchronized in epoch ${row.epoch}.`,
    )
  if (request.epoch > row.epoch) return request.report === 'full' ? 'restored' : 'diverged'
  if (request.exchange <= row.sequence) {
    // One that was written before the last was late on its way; one that was written after is of a copy.
    if (request.writtenAt <= row.request_at)
      throw createRefusalError(
        'SYNC_SUPERSEDED',
        `Exchange ${request.exchange} of ${row.name} is older than ${row.sequence}, which was answered.`,
      )
    return 'diverged'
  }
  const base = await context.tx
    .selectFrom('satellite_answers')
    .select('hash')
    .where('satellite_id', '=', row.id)
    .where('epoch', '=', request.epoch)
    .where('sequence', '=', request.after)
    .executeTakeFirst()
  if (base?.hash === request.afterAnswer) return 'next'
  // Its first answer was lost: nothing was heard of by it, and everything is in its report.
  return row.acknowledged === 0 && request.after === 0 && request.report === 'full' ? 'next' : 'diverged'
}
