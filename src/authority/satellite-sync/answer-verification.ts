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

/** Trust in the root of a first answer: a compared fingerprint, no verification, or null for no confirmation yet. */
export type RootTrust = { readonly fingerprint: string } | 'skip-verification' | null

/** A verified answer for this satellite, with the roots that are trusted from now on. */
export interface VerifiedAnswer {
  readonly answer: SyncAnswer
  readonly digest: string
  readonly anchors: TrustAnchors
  readonly root: string
}

// Answers from the manager

/**
 * Returns the fingerprint of the root in an answer, for confirmation by an administrator. Returns null if this
 * satellite knows its root already.
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
  const current = { ...parseTrustAnchors(given), number: getRootVersion(sync, known) }
  // Each rotation statement is signed by a known root. So a satellite that has missed an overlap can follow by the
  // answer.
  const anchors = applyRotations(current, extractRotations(text), sync.at)
  const root = anchors === current ? given : formatTrustedRoots(anchors, sync.at)
  const { lines, signer, digest } = verifyText(text, {
    ...ANSWER_FORMAT,
    role: 'sync',
    roots: parseAnswerRoots(root),
    maxLength: MAX_SYNC_BYTES,
    at: (unchecked) => {
      const line = unchecked.find((text) => text.startsWith('Answered: '))
      return Date.parse(line?.slice('Answered: '.length).trim() ?? '') || 0
    },
  })
  const answer = parseSyncAnswer(lines)
  const { identity } = sync.credentials.keyRing
  if (answer.satelliteId !== identity.id || answer.smartAccount !== sync.account.domain)
    throw new LicensingError(
      'SYNC_OTHER_SATELLITE',
      `The answer is for the satellite ${answer.name} of ${answer.smartAccount}, not for this satellite.`,
    )
  const { managerId } = sync.facts
  if (signer.authorityId !== answer.managerId || (managerId !== null && answer.managerId !== managerId))
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      'The answer was signed by another manager than this satellite’s.',
    )
  return { answer, digest, anchors, root }
}

/** Returns the version of the known root, or 0 if the root came with this answer. */
function getRootVersion(sync: Synchronization, known: string | null): number {
  return known === null ? 0 : sync.credentials.keyRing.identity.trust.number
}

/** Returns the root of an answer that an administrator has confirmed. Used while no root is known. */
function resolveRoot(text: string, trust: RootTrust): string {
  const { lines } = parseSignedText(text, { ...ANSWER_FORMAT, maxLength: MAX_SYNC_BYTES })
  const { root } = parseSyncAnswer(lines)
  const fingerprint = formatCertificateFingerprint(root)
  if (trust === null)
    throw new LicensingError(
      'CONFIRMATION_REQUIRED',
      `The root certificate in the answer is not confirmed. Its fingerprint is ${fingerprint}.`,
      {
        remedy:
          'Compare it with the output of `trust show` at the manager, and pass it with --trust-fingerprint. --yes accepts it without comparison.',
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
  const isValid = parseCaCertificates(issuingCa).every(
    (certificate) =>
      sync.credentials.satellite.isForIssuingKey(certificate.toString()) &&
      roots.some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)),
  )
  if (!isValid)
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      'The certificate in the answer is not for this satellite’s CA, or is not signed by the root.',
    )
  const mandate = verifyDelegation(text, {
    roots,
    satelliteId: identity.id,
    account: sync.account.domain,
    issuingCa,
  })
  if (mandate.epoch !== answer.epoch || mandate.sequence !== answer.exchange)
    throw new LicensingError(
      'MANDATE_INVALID',
      'The delegation (mandate) in the answer belongs to another exchange.',
    )
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
      'The certificate of the satellite’s CA in the answer is malformed.',
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
