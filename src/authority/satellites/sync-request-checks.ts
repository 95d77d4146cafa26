import type { AccountContext } from '../context/account-context.ts'
import { MAX_SYNC_BYTES } from '../../protocol/sync.ts'
import { sql } from 'kysely'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import { toIsoString } from '../../core/time.ts'
import { verifyEnrollmentMac } from '../../protocol/enrollment.ts'
import { parseSyncRequest, SYNC_REQUEST_TITLE, type SyncRequest } from '../../protocol/sync-request.ts'
import { isP256Key } from '../../pki/p256-key.ts'
import { formatKeyFingerprint } from '../../pki/fingerprint.ts'
import { parseCsr } from '../../pki/certificate-request.ts'
import { verifyTextByKey } from '../../pki/sign-text.ts'
import { type SatelliteRow } from './satellites.ts'

/** Channel of a request: a file that an administrator has transferred, or the network. */
export type SyncChannel = 'offline' | 'online'

/** A request with a valid signature, and its digest. */
export interface VerifiedSyncRequest {
  readonly request: SyncRequest
  readonly digest: string
}

/** Returns the key that the lines of a request name, or null. */
function readNamedKey(lines: readonly string[]): KeyObject | null {
  const line = lines.find((text) => text.startsWith('Satellite key: '))
  try {
    const der = Buffer.from(line?.slice('Satellite key: '.length).trim() ?? '', 'base64url')
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    return isP256Key(key) ? key : null
  } catch {
    return null
  }
}

/**
 * Parses a request and verifies its signature. Does not check which satellite sent it. @throws LicensingError
 * SIGNED_FILE_*
 */
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

/**
 * Returns the public key of the CA for which a satellite requests a certificate. @throws LicensingError
 * SIGNED_FILE_MALFORMED
 */
export function readIssuingKey({ issuingCa }: SyncRequest): KeyObject {
  const key = parseCsr(
    `-----BEGIN CERTIFICATE REQUEST-----\n${issuingCa}\n-----END CERTIFICATE REQUEST-----\n`,
  )
  if (key) return key.key
  throw new LicensingError(
    'SIGNED_FILE_MALFORMED',
    'The certificate request for the satellite’s CA is invalid.',
  )
}

/** Position of a request in the history of its satellite. */
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
    `The name ${request.name} is bound to the key ${formatKeyFingerprint(row.key ?? '')}, but the request is signed by ${formatKeyFingerprint(request.key)}.`,
  )
}

/**
 * Checks the first request of a satellite. An administrator vouches for a file, an enrollment code for an online
 * request.
 */
export function checkEnrollment(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
  channel: SyncChannel,
): void {
  if (request.enrollment === 'none') {
    if (channel === 'offline') return
    throw createRefusalError(
      'ENROLLMENT_CODE_INVALID',
      'The first online synchronization needs the one-time code.',
    )
  }
  const isValid =
    row.code !== null &&
    (row.code_expires_at ?? 0) > context.at &&
    verifyEnrollmentMac(context.credentials.secrets.decryptSecret(row.code), request, request.enrollment)
  if (!isValid)
    throw createRefusalError(
      'ENROLLMENT_CODE_INVALID',
      `The one-time code is not valid for the satellite ${row.name}, or has expired.`,
    )
}

/** Rejects the id of another authority, since the certificates of both would be confused. */
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
    throw createRefusalError('SYNC_OTHER_SATELLITE', `The id ${satelliteId} belongs to another authority.`)
}

export const formatLastAnswered = (row: SatelliteRow): string =>
  toIsoString(row.answered_at) ?? 'an unknown time'

/** @throws LicensingError SYNC_SUPERSEDED, SYNC_EPOCH_SUPERSEDED */
export async function findLineage(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
  channel: SyncChannel,
): Promise<RequestLineage> {
  if (row.key === null) return request.report === 'full' ? 'next' : 'diverged'
  // By transferring the file, an administrator decides which of the copies continues.
  if (request.epoch < row.epoch && channel === 'offline') return 'diverged'
  if (request.epoch < row.epoch)
    throw createRefusalError(
      'SYNC_EPOCH_SUPERSEDED',
      `The request has epoch ${request.epoch}, but another copy of ${row.name} has already synchronized in epoch ${row.epoch}.`,
    )
  if (request.epoch > row.epoch) return request.report === 'full' ? 'restored' : 'diverged'
  if (request.exchange <= row.sequence) {
    // A request written before the last answered one was delayed. A request written after it comes from a copy.
    if (request.writtenAt <= row.request_at)
      throw createRefusalError(
        'SYNC_SUPERSEDED',
        `Exchange ${request.exchange} of ${row.name} is older than ${row.sequence}, which was already answered.`,
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
  // The first answer was lost, so the satellite reports everything again.
  return row.acknowledged === 0 && request.after === 0 && request.report === 'full' ? 'next' : 'diverged'
}
