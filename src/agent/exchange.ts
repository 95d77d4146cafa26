import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  randomUUID,
  X509Certificate,
} from 'node:crypto'
import { hostname } from 'node:os'
import { LicensingError } from '../domain/errors.ts'
import type { Instant } from '../domain/instant.ts'
import { VERSION } from '../domain/version.ts'
import { answerHash } from '../protocol/digest.ts'
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
import { ChainError, type Checked, checkChain, thumbprint } from '../trust/chain.ts'
import { peek, seal, sealedBy, sealedCertificates } from '../trust/seal.ts'
import type { Transport } from '../transports/transport.ts'
import type { Identity, Outstanding, Product, Registering } from './facts.ts'

const newNonce = (): string => randomBytes(24).toString('base64url')
const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('base64url')

/** How a key that has no instance yet is addressed in an answer. */
export const keyAudience = (privateKey: string): string =>
  `key:${sha256(createPublicKey(createPrivateKey(privateKey)).export({ type: 'spki', format: 'der' }))}`

/** What an exchange needs of the box: how to reach, and whom to believe. */
export interface Road {
  readonly transport: Transport
  readonly roots: readonly X509Certificate[]
}

/** Asks an authority whether it is one: nothing is changed on either side. */
export async function sendHello(road: Road, authorityId: string | null): Promise<OpenedAnswer> {
  const [root] = road.roots
  if (!root)
    throw new LicensingError('TRUST_ANCHOR_MISSING', 'The box has no root certificate of its authority.')
  const asked: HelloRequest = {
    ...envelope(randomUUID(), newNonce(), thumbprint(root), null),
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
  })
}

/** Registers: the token's secret signs the request and does not travel (trust §5). */
export async function sendRegistration(
  road: Road,
  registering: Registering,
  secrets: { token: string; key: string; oldKey: string | null },
  box: { product: Product; identity: Identity | null; messageId: string },
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
    ...envelope(box.messageId, nonce, claim.audience, box.identity),
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
  const answer = await exchange(road, 'register', payload, secrets.key, [])
  const checked = await open(answer.text, road, {
    type: 'register',
    messageId: box.messageId,
    nonce,
    audience: keyAudience(secrets.key),
    authorityId: null,
    notBefore: null,
    epoch: 0,
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
    { type: 'sla-proof+jws', privateKey: oldKey, certificates: identity.certificates.slice(0, 1) },
  )
  return `${proof.protected}.${proof.payload}.${proof.signature}`
}

/** Sends, or sends again, a request of a registered box: the same message, sealed for a new nonce. */
export async function sendOutstanding(
  road: Road,
  outstanding: Outstanding,
  identity: Identity,
  keys: { identity: string; requested: string | null },
): Promise<OpenedAnswer> {
  const nonce = newNonce()
  const payload = {
    ...envelope(outstanding.messageId, nonce, identity.authority.id, identity),
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
  )
  const checked = await open(answer.text, road, {
    type: outstanding.kind,
    messageId: outstanding.messageId,
    nonce,
    audience: identity.instanceId,
    authorityId: identity.authority.id,
    notBefore: identity.lastTime,
    epoch: identity.epoch,
  })
  if (checked.decision.outcome === 'accepted' && checked.type === 'renew' && keys.requested !== null) {
    checkIdentity(checked.decision, keys.requested, road, checked, identity.instanceId)
  }
  return checked
}

const envelope = (messageId: string, nonce: string, audience: string, identity: Identity | null) => ({
  protocol: PROTOCOL_VERSION,
  direction: 'request' as const,
  messageId,
  nonce,
  audience,
  epoch: identity?.epoch ?? 0,
  trustBundle: identity?.trustBundle ?? 0,
})

async function exchange(
  road: Road,
  type: RequestType,
  payload: object,
  privateKey: string,
  certificates: readonly string[],
): Promise<{ text: string }> {
  const sealed = await seal(payload, {
    type: 'sla-request+jws',
    privateKey,
    ...(certificates.length > 0 && { certificates }),
  })
  return { text: await road.transport.post(exchangePath(type), JSON.stringify(sealed)) }
}

/** An answer that was believed, with the hash that goes back with the next request. */
export type OpenedAnswer = Answer & { readonly hash: string }

interface Expected {
  readonly type: Answer['type']
  readonly messageId: string
  readonly nonce: string
  readonly audience: string
  /** Null at a registration, which learns it. */
  readonly authorityId: string | null
  readonly notBefore: Instant | null
  readonly epoch: number
}

/**
 * Opens an answer, and believes it only when everything about it is as it must be: signature, signer, its
 * role and authority, direction, type, addressee, request, nonce, time, version.
 *
 * @throws LicensingError of kind `answer` or ANSWER_NOT_JSON: none of them changes anything
 */
export async function open(
  text: string,
  road: Pick<Road, 'roots'>,
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
  const parsed = answerSchema.safeParse(raw)
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
  if ((expected.notBefore !== null && time < expected.notBefore) || answer.epoch < expected.epoch) {
    throw new LicensingError('ANSWER_STALE', 'The answer is older than one already accepted.')
  }
  // The hash is over what was sent, with whatever a newer authority may add to it.
  const sent = raw as { decision: unknown }
  return { ...answer, hash: answerHash(answer.messageId, sent.decision) }
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
    return new X509Certificate(certificates[0] ?? '').publicKey
  } catch {
    throw untrusted('it names no certificate')
  }
}

function checkSigner(
  certificates: readonly string[],
  roots: readonly X509Certificate[],
  at: Instant,
): Checked {
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
  if (checked.name !== id) throw refuse('is for another instance')
  if (checked.authorityId !== answer.authority.id) throw refuse('is of another authority')
  if (!checked.certificate.checkPrivateKey(createPrivateKey(key)))
    throw refuse('is not for the key of this box')
}

/** The end of an identity certificate, by its own date. */
export const expiryOf = (certificates: readonly string[]): Instant =>
  certificates[0] === undefined ? 0 : Date.parse(new X509Certificate(certificates[0]).validTo)

export const thumbprintOf = (certificates: readonly string[]): string =>
  certificates[0] === undefined ? '' : thumbprint(new X509Certificate(certificates[0]))

/** What the box remembers of an answer. */
export const rememberAnswer = (answer: OpenedAnswer) => ({
  lastAnswer: answer.hash,
  lastTime: Date.parse(answer.time),
  epoch: answer.epoch,
  trustBundle: answer.trustBundle,
})
