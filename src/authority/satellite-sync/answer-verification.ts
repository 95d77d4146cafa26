import { type X509Certificate } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import { extractRotations } from '../../protocol/text-format.ts'
import { parseSignedText } from '../../protocol/signed-text.ts'
import { parseSyncAnswer, SYNC_ANSWER_TITLE, type SyncAnswer } from '../../protocol/sync-answer.ts'
import { ChainError, parseCertificates, parseRoots } from '../../pki/chain-validation.ts'
import { formatCertificateFingerprint, fingerprintsEqual } from '../../pki/fingerprint.ts'
import { verifyDelegation } from '../../pki/delegation.ts'
import { verifyText } from '../../pki/sign-text.ts'
import {
  applyRotations,
  type TrustAnchors,
  parseTrustAnchors,
  formatTrustedRoots,
} from '../../pki/root-rotation.ts'
import { MAX_SYNC_BYTES } from '../../protocol/sync.ts'
import { type Synchronization } from './sync-repository.ts'

/** Whose root is believed when none is known: one whose fingerprint was compared, or whichever comes. */
export type RootTrust = { readonly fingerprint: string } | 'skip-verification' | null

/** An answer whose signature is right and that is for this satellite, with the roots that are believed from it on. */
export interface VerifiedAnswer {
  readonly answer: SyncAnswer
  readonly digest: string
  readonly anchors: TrustAnchors
  readonly root: string
}

// What comes down

/**
 * The fingerprint of the root in an answer, where this satellite knows none yet and somebody must say whether it is the
 * right one; null where it knows its root.
 *
 * @throws LicensingError SIGNED_FILE_*
 */
export function getUntrustedRootFingerprint(sync: Synchronization, text: string): string | null {
  if (sync.credentials.keyRing.identity.root !== null) return null
  const { lines } = parseSignedText(text, { ...ANSWER_FORMAT, maxLength: MAX_SYNC_BYTES })
  return formatCertificateFingerprint(parseSyncAnswer(lines).root)
}

export function verifyAnswer(sync: Synchronization, text: string, trust: RootTrust): VerifiedAnswer {
  const known = sync.credentials.keyRing.identity.root
  const given = known ?? resolveRoot(text, trust)
  const held = { ...parseTrustAnchors(given), number: getRootVersion(sync, known) }
  // Each bundle is signed by a root that is known here: a satellite that has missed its overlap learns of it by the answer.
  const anchors = applyRotations(held, extractRotations(text), sync.at)
  const root = anchors === held ? given : formatTrustedRoots(anchors, sync.at)
  const { lines, signer, digest } = verifyText(text, {
    ...ANSWER_FORMAT,
    role: 'sync',
    roots: parseAnswerRoots(root),
    maxLength: MAX_SYNC_BYTES,
    at: (unchecked) => {
      const line = unchecked.find((one) => one.startsWith('Answered: '))
      return Date.parse(line?.slice('Answered: '.length).trim() ?? '') || 0
    },
  })
  const answer = parseSyncAnswer(lines)
  const { identity } = sync.credentials.keyRing
  if (answer.satelliteId !== identity.id || answer.smartAccount !== sync.account.domain)
    throw new LicensingError(
      'SYNC_OTHER_SATELLITE',
      `The answer is for the satellite ${answer.name} of ${answer.smartAccount}, another than this one.`,
    )
  const { managerId } = sync.facts
  if (signer.authorityId !== answer.managerId || (managerId !== null && answer.managerId !== managerId))
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      'The answer is of another manager than this satellite’s.',
    )
  return { answer, digest, anchors, root }
}

/** The number of the bundle that is held: of a root that came with its answer, none is known yet. */
function getRootVersion(sync: Synchronization, known: string | null): number {
  return known === null ? 0 : sync.credentials.keyRing.identity.trust.number
}

/** The root of an answer, where none is known and somebody answers for it (trust §8). */
function resolveRoot(text: string, trust: RootTrust): string {
  const { lines } = parseSignedText(text, { ...ANSWER_FORMAT, maxLength: MAX_SYNC_BYTES })
  const { root } = parseSyncAnswer(lines)
  const fingerprint = formatCertificateFingerprint(root)
  if (trust === null)
    throw new LicensingError(
      'CONFIRMATION_REQUIRED',
      `The root certificate in the answer was not confirmed: its fingerprint is ${fingerprint}.`,
      {
        remedy:
          'Compare it with what the manager prints with `trust show`, and give it with --trust-fingerprint; --yes takes it unseen.',
      },
    )
  if (trust !== 'skip-verification' && !fingerprintsEqual(trust.fingerprint, fingerprint))
    throw new LicensingError(
      'SYNC_FINGERPRINT_MISMATCH',
      `The fingerprint of the root certificate in the answer is ${fingerprint}.`,
    )
  return root
}

export function checkDelegation(
  sync: Synchronization,
  {
    answer,
    issuingCa,
    mandate: text,
    root,
  }: { answer: SyncAnswer; issuingCa: string; mandate: string; root: string },
): void {
  const { identity } = sync.credentials.keyRing
  const roots = parseAnswerRoots(root)
  const good = parseCaCertificates(issuingCa).every(
    (one) =>
      sync.credentials.satellite.isForIssuingKey(one.toString()) &&
      roots.some((issuer) => one.checkIssued(issuer) && one.verify(issuer.publicKey)),
  )
  if (!good)
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      'The certificate in the answer is not one for this satellite’s CA, signed by the root.',
    )
  const mandate = verifyDelegation(text, {
    roots,
    satelliteId: identity.id,
    account: sync.account.domain,
    issuingCa,
  })
  if (mandate.epoch !== answer.epoch || mandate.sequence !== answer.exchange)
    throw new LicensingError('MANDATE_INVALID', 'The mandate in the answer is of another exchange.')
}

const ANSWER_FORMAT = { what: 'synchronization answer', title: SYNC_ANSWER_TITLE }

/** @throws LicensingError SIGNED_FILE_UNTRUSTED */
export function parseCaCertificates(pem: string): X509Certificate[] {
  try {
    return parseCertificates(pem)
  } catch (error) {
    if (!(error instanceof ChainError)) throw error
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      'The certificate of the satellite’s CA in the answer cannot be read.',
    )
  }
}

/** @throws LicensingError SIGNED_FILE_UNTRUSTED */
function parseAnswerRoots(pem: string): X509Certificate[] {
  try {
    return parseRoots(pem)
  } catch (error) {
    if (!(error instanceof ChainError)) throw error
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      `The root certificate cannot be used: ${error.message}.`,
    )
  }
}
