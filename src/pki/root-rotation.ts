import { createPrivateKey, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import { type Instant, toIsoString } from '../core/time.ts'
import { readCertificate } from './certificate-cache.ts'
import type { Issuer } from './certificate-generation.ts'
import { ChainError, readCertificateInfo, parseRoots, computeThumbprint } from './chain-validation.ts'
import {
  decodePayloadUnverified,
  signMessage,
  getCertificateChain,
  verifySignature,
} from './signed-message.ts'

/**
 * Root rotation statement (docs/security.md): the numbered list of the roots to trust from then on. The previous root
 * and the new root sign it. A device or server that trusts either root accepts a statement with a higher number than
 * its own.
 */
export interface RootRotation {
  /** Version, from 2. Number 1 is the authority's first root, for which there is no statement. */
  readonly number: number
  /** Id of the authority that owns the roots. */
  readonly managerId: string
  readonly issuedAt: Instant
  /** Instant until which the older roots, after the first, are trusted. */
  readonly until: Instant
  /** PEM, newest first. */
  readonly roots: readonly string[]
}

/** Trusted roots and the number of their rotation statement. The number is 0 for roots that an administrator installed. */
export interface TrustAnchors {
  readonly number: number
  /** PEM, newest first. `until` is null for a root that is trusted until it is replaced. */
  readonly roots: readonly { readonly pem: string; readonly until: Instant | null }[]
}

export const trustAnchorsSchema: z.ZodType<TrustAnchors> = z.object({
  number: z.int().min(0),
  roots: z.array(z.object({ pem: z.string(), until: z.number().nullable() })).min(1),
})

/** Limit of the statements in one file or message. */
const MAX_ROTATIONS = 50
const MAX_ROOTS = 4

const payloadSchema = z.object({
  use: z.literal('trust-bundle'),
  number: z.int().min(2),
  managerId: z.uuid(),
  issuedAt: z.iso.datetime({ precision: 3 }),
  until: z.iso.datetime({ precision: 3 }),
  roots: z.array(z.string().max(8192)).min(1).max(MAX_ROOTS),
})

/** Signed statement: a JWS with a signature by each root (RFC 7515 §7.2.1). */
const signedSchema = z.object({
  payload: z.string().max(65_536),
  signatures: z
    .array(z.object({ protected: z.string().max(16_384), signature: z.string().max(128) }))
    .min(1)
    .max(MAX_ROOTS),
})

/** Offline file with the statements of an authority, oldest first. */
const fileSchema = z.object({ trustBundles: z.array(signedSchema).min(1).max(MAX_ROTATIONS) })

/** Signs a statement with each of the roots: JSON. */
export async function signRootRotation(rotation: RootRotation, signers: readonly Issuer[]): Promise<string> {
  const { number, managerId, issuedAt, until, roots } = rotation
  const payload = {
    use: 'trust-bundle',
    number,
    managerId,
    issuedAt: toIsoString(issuedAt),
    until: toIsoString(until),
    roots,
  }
  const signed = await Promise.all(
    signers.map(({ certificate, privateKey }) =>
      signMessage(payload, {
        type: 'sla-trust-bundle+jws',
        privateKey: createPrivateKey(privateKey),
        certificates: [certificate],
      }),
    ),
  )
  return JSON.stringify({
    payload: signed[0]?.payload,
    signatures: signed.map(({ protected: head, signature }) => ({ protected: head, signature })),
  })
}

/** Formats the signed statements as an offline file. */
export const formatRootRotations = (bundles: readonly string[]): string =>
  `${JSON.stringify({ trustBundles: bundles.map((text) => JSON.parse(text) as unknown) }, null, 2)}\n`

/** Parses the signed statements of an offline file. Returns null for any other text. */
export function parseRootRotations(text: string): string[] | null {
  try {
    const parsed = fileSchema.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data.trustBundles.map((rotation) => JSON.stringify(rotation)) : null
  } catch {
    return null
  }
}

/** Parses root certificates that an administrator installs. @throws ChainError */
export const parseTrustAnchors = (pem: string): TrustAnchors => ({
  number: 0,
  roots: parseRoots(pem).map((root) => ({ pem: root.toString(), until: null })),
})

/** Returns the roots that are trusted at an instant. */
export const getTrustedRoots = ({ roots }: TrustAnchors, at: Instant): X509Certificate[] =>
  roots.filter(({ until }) => until === null || at < until).map(({ pem }) => readCertificate(pem))

/** Returns the roots that are trusted at an instant, as PEM. */
export const formatTrustedRoots = (anchors: TrustAnchors, at: Instant): string =>
  getTrustedRoots(anchors, at)
    .map((root) => root.toString())
    .join('')

/** Returns the statement in a text. Returns null if no trusted root has signed it. */
function verifyRotation(text: string, held: readonly X509Certificate[]): RootRotation | null {
  let signed: z.infer<typeof signedSchema>
  try {
    signed = signedSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
  const { payload } = signed
  for (const { protected: head, signature } of signed.signatures) {
    const message = { protected: head, payload, signature }
    const [pem] = getCertificateChain(message, 'sla-trust-bundle+jws') ?? []
    const root = pem === undefined ? undefined : findSameCertificate(pem, held)
    if (!root || !verifySignature(message, root.publicKey)) continue
    const bundle = payloadSchema.safeParse(decodePayloadUnverified(message))
    if (!bundle.success || bundle.data.managerId !== readCertificateInfo(root).authorityId) return null
    const { issuedAt, until, ...rest } = bundle.data
    return { ...rest, issuedAt: Date.parse(issuedAt), until: Date.parse(until) }
  }
  return null
}

function findSameCertificate(pem: string, held: readonly X509Certificate[]): X509Certificate | undefined {
  try {
    const thumbprint = computeThumbprint(new X509Certificate(pem))
    return held.find((certificate) => computeThumbprint(certificate) === thumbprint)
  } catch {
    return undefined
  }
}

/** Returns true if every certificate of a statement is a root of its authority. */
function isWellFormed({ roots, managerId }: RootRotation): boolean {
  try {
    return parseRoots(roots.join('\n')).every((root) => readCertificateInfo(root).authorityId === managerId)
  } catch (error) {
    if (error instanceof ChainError) return false
    throw error
  }
}

/**
 * Applies the statements in the order of their numbers. A statement is applied if it is newer than the current one and
 * signed by a root that is then trusted. Other statements are ignored.
 *
 * @param held trust anchors before the call
 * @param at current time. Signatures of a root whose overlap has ended are not valid
 * @returns the new trust anchors; the same object if no statement was applied
 */
export function applyRotations(held: TrustAnchors, texts: readonly string[], at: Instant): TrustAnchors {
  let current = held
  // The number is not verified yet, so it is used only for sorting.
  const getVersion = (text: string): number => parseRotationVersion(text) ?? 0
  const sortedTexts = [...texts].slice(0, MAX_ROTATIONS).sort((a, b) => getVersion(a) - getVersion(b))
  for (const text of sortedTexts) {
    const rotation = verifyRotation(text, getTrustedRoots(current, at))
    if (!rotation || rotation.number <= current.number || !isWellFormed(rotation)) continue
    current = {
      number: rotation.number,
      roots: rotation.roots.map((pem, i) => ({ pem, until: i === 0 ? null : rotation.until })),
    }
  }
  return current
}

/** Decodes a signed statement without verifying it. Returns null for any other text. */
function decodeRotationUnverified(text: string): z.infer<typeof payloadSchema> | null {
  try {
    const { payload } = signedSchema.parse(JSON.parse(text))
    return payloadSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  } catch {
    return null
  }
}

/** Returns the unverified number of a signed statement. Returns null for any other text. */
export const parseRotationVersion = (text: string): number | null =>
  decodeRotationUnverified(text)?.number ?? null

/**
 * Returns the signed statements after a number, oldest first.
 *
 * @param trust newest number, and the signed statements up to it
 * @param number number that the recipient has
 */
export const listRotationsAfter = (
  trust: { readonly number: number; readonly bundles: readonly string[] },
  number: number,
): readonly string[] =>
  trust.number <= number ? [] : trust.bundles.filter((text) => (parseRotationVersion(text) ?? 0) > number)

/** Returns the unverified roots of a signed statement. */
export const parseRotationRoots = (text: string): X509Certificate[] =>
  (decodeRotationUnverified(text)?.roots ?? []).map((pem) => new X509Certificate(pem))

/**
 * Applies the statements of an offline file.
 *
 * @throws LicensingError TRUST_BUNDLE_REFUSED if no statement is newer and signed by a trusted root
 */
export function installRotations(held: TrustAnchors, texts: readonly string[], at: Instant): TrustAnchors {
  const updated = applyRotations(held, texts, at)
  if (updated !== held) return updated
  const newest = Math.max(0, ...texts.map((text) => parseRotationVersion(text) ?? 0))
  throw new LicensingError(
    'TRUST_BUNDLE_REFUSED',
    newest <= held.number && held.number > 0
      ? `The newest root rotation in the file is number ${newest}, but number ${held.number} is already installed.`
      : 'None of the root rotations in the file is signed by a trusted root certificate.',
  )
}
