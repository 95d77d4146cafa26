import { type X509Certificate } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import { bundlesIn } from '../../protocol/text-format.ts'
import { readSignedText } from '../../protocol/signed-text.ts'
import { readSyncAnswer, SYNC_ANSWER_TITLE, type SyncAnswer } from '../../protocol/sync-answer.ts'
import { ChainError, readCertificates, readRoots } from '../../pki/chain-validation.ts'
import { certificateFingerprint, sameFingerprint } from '../../pki/fingerprint.ts'
import { verifyMandate } from '../../pki/delegation.ts'
import { verifyText } from '../../pki/sign-text.ts'
import { adoptBundles, type Anchors, anchorsOf, rootsPem } from '../../pki/root-rotation.ts'
import { MAX_SYNC_BYTES } from '../../protocol/sync.ts'
import { type Synchronization } from './sync-repository.ts'

/** Whose root is believed when none is known: one whose fingerprint was compared, or whichever comes. */
export type TrustGiven = { readonly fingerprint: string } | 'unseen' | null

/** An answer whose signature is right and that is for this satellite, with the roots that are believed from it on. */
export interface VerifiedAnswer {
  readonly answer: SyncAnswer
  readonly digest: string
  readonly anchors: Anchors
  readonly root: string
}

// What comes down

/**
 * The fingerprint of the root in an answer, where this satellite knows none yet and somebody must say whether it is the
 * right one; null where it knows its root.
 *
 * @throws LicensingError SIGNED_FILE_*
 */
export function untrustedRootFingerprint(sync: Synchronization, text: string): string | null {
  if (sync.credentials.keyRing.identity.root !== null) return null
  const { lines } = readSignedText(text, { ...ANSWER, longest: MAX_SYNC_BYTES })
  return certificateFingerprint(readSyncAnswer(lines).root)
}

export function verifyAnswer(sync: Synchronization, text: string, trust: TrustGiven): VerifiedAnswer {
  const known = sync.credentials.keyRing.identity.root
  const given = known ?? resolveRoot(text, trust)
  const held = { ...anchorsOf(given), number: heldRootVersion(sync, known) }
  // Each bundle is signed by a root that is known here: a satellite that has missed its overlap learns of it by the answer.
  const anchors = adoptBundles(held, bundlesIn(text), sync.at)
  const root = anchors === held ? given : rootsPem(anchors, sync.at)
  const { lines, signer, digest } = verifyText(text, {
    ...ANSWER,
    role: 'sync',
    roots: rootsOf(root),
    longest: MAX_SYNC_BYTES,
    at: (unchecked) => {
      const line = unchecked.find((one) => one.startsWith('Answered: '))
      return Date.parse(line?.slice('Answered: '.length).trim() ?? '') || 0
    },
  })
  const answer = readSyncAnswer(lines)
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
function heldRootVersion(sync: Synchronization, known: string | null): number {
  return known === null ? 0 : sync.credentials.keyRing.identity.trust.number
}

/** The root of an answer, where none is known and somebody answers for it (trust §8). */
function resolveRoot(text: string, trust: TrustGiven): string {
  const { lines } = readSignedText(text, { ...ANSWER, longest: MAX_SYNC_BYTES })
  const { root } = readSyncAnswer(lines)
  const fingerprint = certificateFingerprint(root)
  if (trust === null)
    throw new LicensingError(
      'CONFIRMATION_REQUIRED',
      `The root certificate in the answer was not confirmed: its fingerprint is ${fingerprint}.`,
      {
        remedy:
          'Compare it with what the manager prints with `trust show`, and give it with --trust-fingerprint; --yes takes it unseen.',
      },
    )
  if (trust !== 'unseen' && !sameFingerprint(trust.fingerprint, fingerprint))
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
  const roots = rootsOf(root)
  const good = certificatesOf(issuingCa).every(
    (one) =>
      sync.credentials.satellite.isForIssuingKey(one.toString()) &&
      roots.some((issuer) => one.checkIssued(issuer) && one.verify(issuer.publicKey)),
  )
  if (!good)
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      'The certificate in the answer is not one for this satellite’s CA, signed by the root.',
    )
  const mandate = verifyMandate(text, {
    roots,
    satelliteId: identity.id,
    account: sync.account.domain,
    issuingCa,
  })
  if (mandate.epoch !== answer.epoch || mandate.sequence !== answer.exchange)
    throw new LicensingError('MANDATE_INVALID', 'The mandate in the answer is of another exchange.')
}

const ANSWER = { what: 'synchronisation answer', title: SYNC_ANSWER_TITLE }

/** @throws LicensingError SIGNED_FILE_UNTRUSTED */
export function certificatesOf(pem: string): X509Certificate[] {
  try {
    return readCertificates(pem)
  } catch (thrown) {
    if (!(thrown instanceof ChainError)) throw thrown
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      'The certificate of the satellite’s CA in the answer cannot be read.',
    )
  }
}

/** @throws LicensingError SIGNED_FILE_UNTRUSTED */
function rootsOf(pem: string): X509Certificate[] {
  try {
    return readRoots(pem)
  } catch (thrown) {
    if (!(thrown instanceof ChainError)) throw thrown
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      `The root certificate cannot be used: ${thrown.message}.`,
    )
  }
}
