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
 * How a root is replaced (trust §10): a numbered bundle of the roots that are believed from then on, signed by the root
 * before it and by its own. Whoever holds either takes it; nobody takes one of a lower number.
 */
export interface RootRotation {
  /** 1 is the root that an authority was made with, which no bundle tells of. */
  readonly number: number
  /** The authority whose roots they are. */
  readonly managerId: string
  readonly issuedAt: Instant
  /** How long the roots after the first are believed beside it. */
  readonly until: Instant
  /** PEM; the newest first. */
  readonly roots: readonly string[]
}

/** The roots that are believed, and by which bundle: 0 for roots that were given by hand. */
export interface TrustAnchors {
  readonly number: number
  /** PEM, the newest first; null for one that is believed until it is replaced. */
  readonly roots: readonly { readonly pem: string; readonly until: Instant | null }[]
}

export const trustAnchorsSchema: z.ZodType<TrustAnchors> = z.object({
  number: z.int().min(0),
  roots: z.array(z.object({ pem: z.string(), until: z.number().nullable() })).min(1),
})

/** More rotations than that are not between what somebody holds and what is given. */
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

/** A bundle as it travels: a JWS with a signature by each root (RFC 7515 §7.2.1). */
const signedSchema = z.object({
  payload: z.string().max(65_536),
  signatures: z
    .array(z.object({ protected: z.string().max(16_384), signature: z.string().max(128) }))
    .min(1)
    .max(MAX_ROOTS),
})

/** What is carried as a file: the bundles of an authority, the oldest first. */
const fileSchema = z.object({ trustBundles: z.array(signedSchema).min(1).max(MAX_ROTATIONS) })

/** Signs a bundle by each of the roots: JSON. */
export async function signRootRotation(bundle: RootRotation, by: readonly Issuer[]): Promise<string> {
  const { number, managerId, issuedAt, until, roots } = bundle
  const payload = {
    use: 'trust-bundle',
    number,
    managerId,
    issuedAt: toIsoString(issuedAt),
    until: toIsoString(until),
    roots,
  }
  const signed = await Promise.all(
    by.map(({ certificate, privateKey }) =>
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

/** The bundles as one file that is carried. */
export const formatRootRotations = (bundles: readonly string[]): string =>
  `${JSON.stringify({ trustBundles: bundles.map((text) => JSON.parse(text) as unknown) }, null, 2)}\n`

/** The bundles of a file; null for a file that is none of bundles. */
export function parseRootRotations(text: string): string[] | null {
  try {
    const parsed = fileSchema.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data.trustBundles.map((one) => JSON.stringify(one)) : null
  } catch {
    return null
  }
}

/** Roots that were given by hand. @throws ChainError */
export const parseTrustAnchors = (pem: string): TrustAnchors => ({
  number: 0,
  roots: parseRoots(pem).map((root) => ({ pem: root.toString(), until: null })),
})

/** The roots that are believed at an instant. */
export const getTrustedRoots = ({ roots }: TrustAnchors, at: Instant): X509Certificate[] =>
  roots.filter(({ until }) => until === null || at < until).map(({ pem }) => readCertificate(pem))

/** The same as PEM. */
export const formatTrustedRoots = (anchors: TrustAnchors, at: Instant): string =>
  getTrustedRoots(anchors, at)
    .map((root) => root.toString())
    .join('')

/** Reads a bundle, and whether a root that is held has signed it; null otherwise, and for what is no bundle. */
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
    const print = computeThumbprint(new X509Certificate(pem))
    return held.find((one) => computeThumbprint(one) === print)
  } catch {
    return undefined
  }
}

/** Whether every root of a bundle is a root, and of the same authority. */
function isWellFormed({ roots, managerId }: RootRotation): boolean {
  try {
    return parseRoots(roots.join('\n')).every((root) => readCertificateInfo(root).authorityId === managerId)
  } catch (error) {
    if (error instanceof ChainError) return false
    throw error
  }
}

/**
 * Takes every bundle that is newer than what is held and signed by a root that is held by then, in the order of their
 * numbers. What does not fit changes nothing.
 *
 * @param at the time that is known here: a root whose overlap has passed signs nothing any more
 * @returns what is held from then on: the same object when nothing was taken
 */
export function applyRotations(held: TrustAnchors, texts: readonly string[], at: Instant): TrustAnchors {
  let now = held
  // Unchecked so far: only the order is made of it.
  const getVersion = (text: string): number => parseRotationVersion(text) ?? 0
  const inOrder = [...texts].slice(0, MAX_ROTATIONS).sort((a, b) => getVersion(a) - getVersion(b))
  for (const text of inOrder) {
    const bundle = verifyRotation(text, getTrustedRoots(now, at))
    if (!bundle || bundle.number <= now.number || !isWellFormed(bundle)) continue
    now = {
      number: bundle.number,
      roots: bundle.roots.map((pem, i) => ({ pem, until: i === 0 ? null : bundle.until })),
    }
  }
  return now
}

/** What a bundle says, unchecked; null for what is no bundle. */
function decodeRotationUnverified(text: string): z.infer<typeof payloadSchema> | null {
  try {
    const { payload } = signedSchema.parse(JSON.parse(text))
    return payloadSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  } catch {
    return null
  }
}

/** What a bundle says its number is, unchecked; null when it says none. */
export const parseRotationVersion = (text: string): number | null =>
  decodeRotationUnverified(text)?.number ?? null

/**
 * Returns the signed bundles that the holder of an older one lacks, the oldest first.
 *
 * @param trust the newest number, and the signed bundles up to it
 * @param number the number of the holder's bundle
 */
export const bundlesAfter = (
  trust: { readonly number: number; readonly bundles: readonly string[] },
  number: number,
): readonly string[] =>
  trust.number <= number ? [] : trust.bundles.filter((text) => (parseRotationVersion(text) ?? 0) > number)

/** The roots that a bundle tells of, unchecked. */
export const parseRotationRoots = (text: string): X509Certificate[] =>
  (decodeRotationUnverified(text)?.roots ?? []).map((pem) => new X509Certificate(pem))

/**
 * Takes the bundles of a file that somebody carried.
 *
 * @throws LicensingError TRUST_BUNDLE_REFUSED: nothing of it is newer and signed by a root that is held
 */
export function installRotations(held: TrustAnchors, texts: readonly string[], at: Instant): TrustAnchors {
  const taken = applyRotations(held, texts, at)
  if (taken !== held) return taken
  const newest = Math.max(0, ...texts.map((text) => parseRotationVersion(text) ?? 0))
  throw new LicensingError(
    'TRUST_BUNDLE_REFUSED',
    newest <= held.number && held.number > 0
      ? `The file tells of bundle ${newest}, and bundle ${held.number} is installed already.`
      : 'None of the bundles in the file is signed by a root certificate that is believed here.',
  )
}
