import type { AccountContext } from '../context/account-context.ts'
import { type SyncAnswer, formatSyncAnswer } from '../../protocol/sync-answer.ts'
import { type SyncRequest, type SyncCounts } from '../../protocol/sync-request.ts'
import { formatKeyFingerprint } from '../../pki/fingerprint.ts'
import { bundlesAfter } from '../../pki/root-rotation.ts'
import { signTextWithDigest } from '../../pki/sign-text.ts'
import { type SatelliteRow } from './satellites.ts'
import { listCertifiedNames } from './server-names.ts'

/** An answer, and what the manager's people should see of it. */
export interface SyncResponse {
  /** The signed answer: what is carried, or sent back. */
  readonly file: string
  readonly satellite: string
  readonly outcome: SyncAnswer['outcome']
  readonly exchange: number
  readonly epoch: number
  /** Of the satellite's key: compared with what the satellite prints, the first time. */
  readonly fingerprint: string
  /** Whether this exchange bound the name to the key. */
  readonly registered: boolean
  /** It was answered before, and the same answer is given again. */
  readonly again: boolean
  /** The names that its TLS certificates may be for from here on, beside loopback ones. */
  readonly certifiedNames: readonly string[]
  readonly totals: SyncCounts
  readonly notices: readonly string[]
}

/** An answer that takes nothing and gives nothing. */
export const EMPTY_ANSWER = {
  issuingCa: null,
  mandate: null,
  softwareVersion: null,
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
    trustBundles: bundlesAfter(context.credentials.keyRing.identity.trust, 0),
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
