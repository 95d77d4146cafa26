import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  randomUUID,
  type X509Certificate,
} from 'node:crypto'
import { hostname } from 'node:os'
import { ENGLISH } from '../core/english.ts'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import { VERSION } from '../core/version.ts'
import { answerHash } from '../protocol/digest.ts'
import { compareMandates, type Mandate } from '../protocol/delegation.ts'
import {
  type Answer,
  answerSchema,
  exchangePath,
  HELLO_AUDIENCE,
  type HelloRequest,
  PROTOCOL_VERSION,
  type RequestType,
  sealedSchema,
} from '../protocol/messages.ts'
import { parseToken, tokenMac } from '../protocol/token.ts'
import { ChainError, type Chained, checkChain, type Checked, thumbprint } from '../pki/chain-validation.ts'
import { readCertificate } from '../pki/certificate-cache.ts'
import { verifyMandate } from '../pki/delegation.ts'
import { adoptBundles, type Anchors } from '../pki/root-rotation.ts'
import { peek, seal, sealedBy, sealedCertificates } from '../pki/signed-message.ts'
import type { Transport } from '../transports/transport.ts'
import type { Identity, Outstanding, Product, Registering } from './persisted-state.ts'

const newNonce = (): string => randomBytes(24).toString('base64url')
const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('base64url')

/** How a key that has no instance yet is addressed in an answer. */
export const keyAudience = (privateKey: string): string =>
  `key:${sha256(createPublicKey(createPrivateKey(privateKey)).export({ type: 'spki', format: 'der' }))}`

/** What an exchange needs of the box: how to reach, and whom to believe. */
export interface Road {
  readonly transport: Transport
  /** The roots that are believed now, the newest first, and by which bundle. */
  readonly roots: readonly X509Certificate[]
  readonly anchors: Anchors
}

/** Asks an authority whether it is one: nothing is changed on either side. */
export async function sendHello(road: Road, authorityId: string | null): Promise<OpenedAnswer> {
  const [root] = road.roots
  if (!root)
    throw new LicensingError('TRUST_ANCHOR_MISSING', 'The box has no root certificate of its authority.')
  const asked: HelloRequest = {
    ...envelope(randomUUID(), newNonce(), thumbprint(root), { epoch: 0, trustBundle: road.anchors.number }),
    type: 'hello',
  }
  const text = await road.transport.post(exchangePath('hello'), JSON.stringify(asked))
  return open(text, road, {
    type: 'hello',
    messageId: asked.messageId,
    nonce: asked.nonce,
    audience: HELLO_AUDIENCE,
    authorityId,
    notBefore: null,
    epoch: 0,
    mandate: null,
    ranTo: 0,
    asked: null,
  })
}

/** Registers: the token's secret signs the request and does not travel (trust §5). */
export async function sendRegistration(
  road: Road,
  registering: Registering,
  secrets: { token: string; key: string; oldKey: string | null },
  box: { product: Product; identity: Identity | null; messageId: string; ranTo: Instant },
): Promise<OpenedAnswer> {
  const token = parseToken(secrets.token)
  const { pid, version, serial } = box.product
  const [root] = road.roots
  if (!root)
    throw new LicensingError('TRUST_ANCHOR_MISSING', 'The box has no root certificate of its authority.')
  const nonce = newNonce()
  const claim = {
    audience: thumbprint(root),
    nonce,
    certificateRequest: registering.certificateRequest,
    udi: { pid, version, serial },
    force: registering.force,
  }
  const payload = {
    ...envelope(box.messageId, nonce, claim.audience, {
      epoch: box.identity?.epoch ?? 0,
      trustBundle: road.anchors.number,
    }),
    type: 'register' as const,
    body: {
      certificateRequest: registering.certificateRequest,
      udi: claim.udi,
      hostname: hostname().slice(0, 253),
      agentVersion: VERSION,
      force: registering.force,
      token: { id: token.id, account: token.account, mac: tokenMac(token.secret, claim) },
      previous: await proveOldKey(registering, secrets.oldKey, box.identity),
    },
  }
  const answer = await exchange(road, 'register', payload, secrets.key, [], null)
  const checked = await open(answer.text, road, {
    type: 'register',
    messageId: box.messageId,
    nonce,
    audience: keyAudience(secrets.key),
    authorityId: null,
    notBefore: null,
    epoch: 0,
    mandate: null,
    ranTo: box.ranTo,
    asked: null,
  })
  if (checked.decision.outcome === 'accepted' && checked.type === 'register') {
    checkIdentity(checked.decision, secrets.key, road, checked, null)
  }
  return checked
}

/** Proof that this box still holds the key of the registration it replaces (trust §6). */
async function proveOldKey(
  registering: Registering,
  oldKey: string | null,
  identity: Identity | null,
): Promise<string | null> {
  if (oldKey === null || identity === null) return null
  const proof = await seal(
    {
      use: 'replace',
      instanceId: identity.instanceId,
      certificateRequest: sha256(registering.certificateRequest),
    },
    {
      type: 'sla-proof+jws',
      privateKey: createPrivateKey(oldKey),
      certificates: identity.certificates.slice(0, 1),
    },
  )
  return `${proof.protected}.${proof.payload}.${proof.signature}`
}

/** Sends, or sends again, a request of a registered box: the same message, sealed for a new nonce. */
export async function sendOutstanding(
  road: Road,
  outstanding: Outstanding,
  identity: Identity,
  keys: { identity: string; requested: string | null },
  ranTo: Instant,
): Promise<OpenedAnswer> {
  const nonce = newNonce()
  const payload = {
    ...envelope(outstanding.messageId, nonce, identity.authority.id, {
      epoch: identity.epoch,
      trustBundle: outstanding.trustBundle ?? identity.trustBundle,
    }),
    instanceId: identity.instanceId,
    sequence: outstanding.sequence,
    lastAnswer: identity.lastAnswer,
    type: outstanding.kind,
    body: outstanding.body,
  }
  const answer = await exchange(
    road,
    outstanding.kind,
    payload,
    keys.identity,
    identity.certificates.slice(0, 1),
    identity.authority.id,
  )
  const checked = await open(answer.text, road, {
    type: outstanding.kind,
    messageId: outstanding.messageId,
    nonce,
    audience: identity.instanceId,
    authorityId: identity.authority.id,
    notBefore: identity.lastTime,
    epoch: identity.epoch,
    mandate: identity.mandate,
    ranTo,
    asked:
      outstanding.kind === 'authorize'
        ? (outstanding.body.entitlements as { tag: string; count: number }[])
        : null,
  })
  if (checked.decision.outcome === 'accepted' && checked.type === 'renew' && keys.requested !== null) {
    checkIdentity(checked.decision, keys.requested, road, checked, identity.instanceId)
  }
  return checked
}

const envelope = (
  messageId: string,
  nonce: string,
  audience: string,
  { epoch, trustBundle }: Pick<Identity, 'epoch' | 'trustBundle'>,
) => ({
  protocol: PROTOCOL_VERSION,
  direction: 'request' as const,
  messageId,
  nonce,
  audience,
  epoch,
  trustBundle,
})

async function exchange(
  road: Road,
  type: RequestType,
  payload: object,
  privateKey: string,
  certificates: readonly string[],
  authorityId: string | null,
): Promise<{ text: string }> {
  const sealed = await seal(payload, {
    type: 'sla-request+jws',
    privateKey: createPrivateKey(privateKey),
    ...(certificates.length > 0 && { certificates }),
  })
  return {
    text: await road.transport.post(exchangePath(type), JSON.stringify(sealed), null, {}, authorityId),
  }
}

/** An answer that was believed, with the hash that goes back with the next request. */
export type OpenedAnswer = Answer & {
  readonly hash: string
  /** What the time is from here on: a satellite does not set it back behind what this box knows to have passed. */
  readonly now: Instant
  /** The mandate that a satellite has shown; null from a manager. */
  readonly seen: Pick<Mandate, 'epoch' | 'sequence'> | null
  /** The roots that are believed from here on, where it brought newer ones; null where it did not. */
  readonly anchors: Anchors | null
}

/** @throws LicensingError ANSWER_MALFORMED: of half a character there is no canonical form (RFC 8785 §3.2.2.2) */
function hashOf(messageId: string, decision: unknown): string {
  try {
    return answerHash(messageId, decision)
  } catch {
    throw new LicensingError('ANSWER_MALFORMED', 'The answer holds text that is none.')
  }
}

interface Expected {
  readonly type: Answer['type']
  readonly messageId: string
  readonly nonce: string
  readonly audience: string
  /** Null at a registration, which learns it. */
  readonly authorityId: string | null
  readonly notBefore: Instant | null
  readonly epoch: number
  /** The newest mandate that this box has seen of the satellite: no older one counts. */
  readonly mandate: Pick<Mandate, 'epoch' | 'sequence'> | null
  /** What the time is at least, by how long this box has run since it was told the time. */
  readonly ranTo: Instant
  /** What was asked to be authorized; null for other requests. */
  readonly asked: readonly { readonly tag: string; readonly count: number }[] | null
}

/**
 * Opens an answer, and believes it only when everything about it is as it must be: signature, signer, its
 * role and authority, direction, type, addressee, request, nonce, time, version.
 *
 * @throws LicensingError of kind `answer` or ANSWER_NOT_JSON: none of them changes anything
 */
export async function open(
  text: string,
  road: Pick<Road, 'roots' | 'anchors'>,
  expected: Expected,
): Promise<OpenedAnswer> {
  const sealed = sealedSchema.safeParse(parseJson(text))
  if (!sealed.success) throw new LicensingError('ANSWER_MALFORMED', 'The answer is not a sealed message.')
  const certificates = sealedCertificates(sealed.data, 'sla-answer+jws')
  if (certificates === null)
    throw new LicensingError('ANSWER_MALFORMED', 'The seal of the answer is not of this protocol.')
  // Whose key it is comes after whether it fits: nothing is read that the seal does not cover.
  if (!(await sealedBy(sealed.data, 'sla-answer+jws', leafKey(certificates)))) {
    throw new LicensingError('ANSWER_SIGNATURE_INVALID', 'The signature of the answer does not fit it.')
  }
  const raw = peek(sealed.data)
  checkVersion(raw)
  const parsed = answerSchema.safeParse(raw, ENGLISH)
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join('.') ?? ''
    throw new LicensingError(
      'ANSWER_MALFORMED',
      `The answer has not the form of the protocol, at ${where || 'its top'}.`,
    )
  }
  const answer = parsed.data
  const time = Date.parse(answer.time)
  const signer = checkSigner(certificates, road.roots, time)
  if (answer.direction !== 'answer')
    throw new LicensingError('ANSWER_WRONG_DIRECTION', 'The message is not an answer.')
  if (
    answer.authority.id !== signer.authorityId ||
    (expected.authorityId !== null && answer.authority.id !== expected.authorityId)
  ) {
    throw new LicensingError(
      'ANSWER_WRONG_AUTHORITY',
      'The answer is of another authority than the one this box is registered with.',
    )
  }
  if (answer.type !== expected.type)
    throw new LicensingError('ANSWER_WRONG_TYPE', `The answer is to a request of the type ${answer.type}.`)
  if (answer.audience !== expected.audience)
    throw new LicensingError('ANSWER_WRONG_AUDIENCE', 'The answer is addressed to another box.')
  if (answer.messageId !== expected.messageId)
    throw new LicensingError('ANSWER_WRONG_REQUEST', 'The answer belongs to another request.')
  if (answer.nonce !== expected.nonce)
    throw new LicensingError('ANSWER_NONCE_MISMATCH', 'The answer was made for an earlier attempt.')
  // In a later epoch an authority may have gone back in time, by what it was shown (trust §9).
  const before = answer.epoch === expected.epoch && expected.notBefore !== null && time < expected.notBefore
  if (before || answer.epoch < expected.epoch) {
    throw new LicensingError('ANSWER_STALE', 'The answer is older than one already accepted.')
  }
  checkEntitlements(answer, expected.asked)
  const mandate = checkMandate(
    answer,
    { signer, issuingCa: certificates[1] ?? '', roots: road.roots },
    expected,
  )
  // The hash is over what was sent, with whatever a newer authority may add to it.
  const sent = raw as { decision: unknown }
  const hash = hashOf(answer.messageId, sent.decision)
  const satellite = signer.authorityId !== signer.managerId
  const now = satellite ? Math.max(time, expected.ranTo) : time
  const anchors = adoptBundles(road.anchors, answer.trustBundles ?? [], time)
  return {
    ...(mandate ? capped(answer, mandate) : answer),
    hash,
    now,
    seen: mandate,
    anchors: anchors === road.anchors ? null : anchors,
  }
}

/** An authorization answers for each tag that was asked, as it was asked, and its sum is what its rows say. */
function checkEntitlements(answer: Answer, asked: Expected['asked']): void {
  if (answer.type !== 'authorize' || answer.decision.outcome !== 'accepted' || asked === null) return
  const { entitlements, compliance } = answer.decision
  const key = ({ tag, count }: { tag: string; count: number }) => `${tag} ${count}`
  const same =
    entitlements.length === asked.length &&
    new Set(entitlements.map(key)).size === entitlements.length &&
    asked.every((one) => entitlements.some((row) => key(row) === key(one)))
  const covered = entitlements.every(({ count, status }) => count === 0 || status === 'in-compliance')
  if (!same || covered !== (compliance === 'in-compliance'))
    throw new LicensingError(
      'ANSWER_MALFORMED',
      'The answer does not say of each tag that was asked how it stands.',
    )
}

/**
 * A satellite acts under the mandate of its manager: what it grants is believed for as long, and as far, as that goes
 * (trust §7). What it refuses needs none.
 */
function checkMandate(
  answer: Answer,
  by: { signer: Chained; issuingCa: string; roots: readonly X509Certificate[] },
  expected: Expected,
): Mandate | null {
  const { authorityId, managerId, account } = by.signer
  if ((authorityId === managerId) !== (answer.authority.role === 'manager'))
    throw new LicensingError(
      'ANSWER_WRONG_AUTHORITY',
      'The answer is of an authority of another role than it says.',
    )
  if (authorityId === managerId) return null
  const grants =
    answer.decision.outcome === 'accepted' && (answer.type === 'register' || answer.type === 'authorize')
  if (answer.mandate === null) {
    if (!grants) return null
    throw new LicensingError('MANDATE_MISSING', 'The satellite shows no mandate of its manager.')
  }
  const { roots, issuingCa } = by
  const mandate = verifyMandate(answer.mandate, { roots, satelliteId: authorityId, account, issuingCa })
  if (expected.mandate && compareMandates(mandate, expected.mandate) < 0)
    throw new LicensingError(
      'MANDATE_SUPERSEDED',
      `The satellite shows mandate ${mandate.sequence} of epoch ${mandate.epoch}; this box has seen ${expected.mandate.sequence} of epoch ${expected.mandate.epoch}.`,
    )
  if (!grants) return mandate
  // Its own clock is not the measure: one that was stopped would make a mandate of ever.
  if (Math.max(Date.parse(answer.time), expected.ranTo) >= Date.parse(mandate.notAfter))
    throw new LicensingError('MANDATE_EXPIRED', `The mandate of the satellite ended at ${mandate.notAfter}.`)
  if (answer.type === 'authorize' && answer.decision.outcome === 'accepted')
    for (const { tag, count, status } of answer.decision.entitlements) {
      const given = mandate.quantities.find((one) => one.tag === tag)?.quantity ?? 0
      if (status === 'in-compliance' && count > given)
        throw new LicensingError(
          'MANDATE_EXCEEDED',
          `The satellite says that ${count} of ${tag} are covered; its manager gave it ${given}.`,
        )
    }
  return mandate
}

/** No authorization outlasts the mandate that it was given under. */
function capped(answer: Answer, { notAfter }: Mandate): Answer {
  if (answer.type !== 'authorize' || answer.decision.outcome !== 'accepted') return answer
  const { deadlineAt } = answer.decision
  if (Date.parse(deadlineAt) <= Date.parse(notAfter)) return answer
  return { ...answer, decision: { ...answer.decision, deadlineAt: notAfter } }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new LicensingError('ANSWER_NOT_JSON', 'The answer is not JSON.')
  }
}

function checkVersion(raw: unknown): void {
  const protocol = typeof raw === 'object' && raw !== null && 'protocol' in raw ? raw.protocol : undefined
  if (typeof protocol === 'number' && protocol !== PROTOCOL_VERSION) {
    throw new LicensingError('ANSWER_PROTOCOL_VERSION', `The answer is of protocol version ${protocol}.`)
  }
}

const untrusted = (why: string) =>
  new LicensingError(
    'ANSWER_SIGNER_UNTRUSTED',
    `The answer is not signed by an authority this box trusts: ${why}.`,
  )

function leafKey(certificates: readonly string[]): KeyObject {
  try {
    return readCertificate(certificates[0] ?? '').publicKey
  } catch {
    throw untrusted('it names no certificate')
  }
}

function checkSigner(
  certificates: readonly string[],
  roots: readonly X509Certificate[],
  at: Instant,
): Chained {
  try {
    return checkChain(certificates, { role: 'answer-signer', at, roots })
  } catch (thrown) {
    if (!(thrown instanceof ChainError)) throw thrown
    if (thrown.reason !== 'role') throw untrusted(thrown.message)
    throw new LicensingError(
      'ANSWER_SIGNER_ROLE',
      `The answer is signed by a certificate that is not for answers: ${thrown.message}.`,
    )
  }
}

/** A certificate that came with an answer is this box's only if it fits its key, its id and its authority. */
function checkIdentity(
  accepted: { certificates: readonly string[] },
  key: string,
  road: Road,
  answer: Answer,
  instanceId: string | null,
): void {
  const refuse = (why: string) =>
    new LicensingError('ANSWER_CERTIFICATE_INVALID', `The certificate in the answer ${why}.`)
  let checked: Checked
  try {
    checked = checkChain(accepted.certificates, {
      role: 'instance',
      at: Date.parse(answer.time),
      roots: road.roots,
    })
  } catch (thrown) {
    if (thrown instanceof ChainError) throw refuse(`is not one of an instance: ${thrown.message}`)
    throw thrown
  }
  const id = instanceId ?? ('instanceId' in accepted ? accepted.instanceId : '')
  if (checked.instanceId !== id) throw refuse('is for another instance')
  if (checked.authorityId !== answer.authority.id) throw refuse('is of another authority')
  if (!checked.certificate.checkPrivateKey(createPrivateKey(key)))
    throw refuse('is not for the key of this box')
}

/** The end of an identity certificate, by its own date. */
export const expiryOf = (certificates: readonly string[]): Instant =>
  certificates[0] === undefined ? 0 : Date.parse(readCertificate(certificates[0]).validTo)

export const thumbprintOf = (certificates: readonly string[]): string =>
  certificates[0] === undefined ? '' : thumbprint(readCertificate(certificates[0]))

/** What the box remembers of an answer. */
export const rememberAnswer = (answer: OpenedAnswer) => ({
  lastAnswer: answer.hash,
  lastTime: Date.parse(answer.time),
  epoch: answer.epoch,
  trustBundle: answer.trustBundle,
  ...(answer.seen && { mandate: { epoch: answer.seen.epoch, sequence: answer.seen.sequence } }),
})
