import type { AccountContext } from '../context/account-context.ts'
import { type SyncAnswer, formatSyncAnswer } from '../../protocol/sync-answer.ts'
import { type SyncRequest, type SyncCounts } from '../../protocol/sync-request.ts'
import { formatKeyFingerprint } from '../../pki/fingerprint.ts'
import { listRotationsAfter } from '../../pki/root-rotation.ts'
import { signTextWithDigest } from '../../pki/sign-text.ts'
import { type SatelliteRow } from './satellites.ts'
import { listCertifiedNames } from './server-names.ts'

/** The answer to a satellite, and details for the administrators of the manager. */
export interface SyncResponse {
  /** The signed answer, to be sent or transferred as a file. */
  readonly file: string
  readonly satellite: string
  readonly outcome: SyncAnswer['outcome']
  readonly exchange: number
  readonly epoch: number
  /** Fingerprint of the satellite's key. At the first exchange, administrators compare it at both sides. */
  readonly fingerprint: string
  /** True if this exchange bound the name to the key. */
  readonly registered: boolean
  /** True if the request was answered before and gets the same answer. */
  readonly again: boolean
  /** The names that its TLS certificates may have from now on, besides loopback names. */
  readonly certifiedNames: readonly string[]
  readonly totals: SyncCounts
  readonly notices: readonly string[]
}

/** The fields of an answer that changes nothing. */
export const EMPTY_ANSWER = {
  issuingCa: null,
  mandate: null,
  softwareVersion: null,
  profile: null,
  virtualAccounts: [],
  lots: [],
  ended: [],
  known: [],
  notices: [],
} as const

export async function signAnswer(
  context: AccountContext,
  answer: SyncAnswer,
): Promise<{ text: string; digest: string }> {
  return signTextWithDigest(
    formatSyncAnswer(answer),
    await context.credentials.signer(context.tx, 'sync', context.at),
  )
}

export function createCommonFields(context: AccountContext, request: SyncRequest, digest: string) {
  return {
    name: request.name,
    satelliteId: request.satelliteId,
    smartAccount: context.account.domain,
    managerId: context.credentials.keyRing.identity.id,
    request: digest,
    answeredAt: context.at,
    trustBundle: context.credentials.keyRing.identity.trust.number,
    trustBundles: listRotationsAfter(context.credentials.keyRing.identity.trust, 0),
    root: context.credentials.keyRing.roots[0]?.toString() ?? '',
  }
}

export function toSyncResponse(
  row: SatelliteRow,
  request: SyncRequest,
  file: string,
  rest: Pick<SyncResponse, 'outcome' | 'again' | 'registered' | 'notices'>,
): SyncResponse {
  return {
    file,
    satellite: row.name,
    exchange: request.exchange,
    epoch: request.epoch,
    fingerprint: formatKeyFingerprint(request.key),
    totals: request.totals,
    certifiedNames: listCertifiedNames(row.issuing_ca),
    ...rest,
  }
}
