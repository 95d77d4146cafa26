import { createHash, createPrivateKey, createPublicKey, randomBytes, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import { VERSION } from '../core/version.ts'
import {
  type Answer,
  getMessagePath,
  HELLO_AUDIENCE,
  type HelloRequest,
  PROTOCOL_VERSION,
  type RequestType,
  type SignedMessage,
} from '../protocol/messages.ts'
import { parseToken, computeTokenMac } from '../protocol/token.ts'
import {
  ChainError,
  validateChain,
  type CertificateInfo,
  computeThumbprint,
} from '../pki/chain-validation.ts'
import { readCertificate } from '../pki/certificate-cache.ts'
import { signMessage } from '../pki/signed-message.ts'
import type { Transport } from '../transports/transport.ts'
import { type TrustedRoots, type VerifiedAnswer, verifyAnswer } from './answer-verification.ts'
import type { Identity, PendingRequest, Product, PendingRegistration } from './persisted-state.ts'

const createNonce = (): string => randomBytes(24).toString('base64url')
const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('base64url')

/** Returns the audience of an answer to a key that has no product instance yet. */
export const keyAudience = (privateKey: string): string =>
  `key:${sha256(createPublicKey(createPrivateKey(privateKey)).export({ type: 'spki', format: 'der' }))}`

/** Transport to the authority, with the trusted roots. */
export interface AuthorityConnection extends TrustedRoots {
  readonly transport: Transport
}

/** Sends a hello request, to verify the authority's signature. Changes nothing on either side. */
export async function sendHello(
  connection: AuthorityConnection,
  authorityId: string | null,
): Promise<VerifiedAnswer> {
  const [root] = connection.roots
  if (!root)
    throw new LicensingError('TRUST_ANCHOR_MISSING', 'No root certificate of the authority is installed.')
  const request: HelloRequest = {
    ...createEnvelope(randomUUID(), createNonce(), computeThumbprint(root), {
      epoch: 0,
      trustBundle: connection.anchors.number,
    }),
    type: 'hello',
  }
  const text = await connection.transport.post(getMessagePath('hello'), JSON.stringify(request))
  return verifyAnswer(text, connection, {
    type: 'hello',
    messageId: request.messageId,
    nonce: request.nonce,
    audience: HELLO_AUDIENCE,
    authorityId,
    notBefore: null,
    epoch: 0,
    delegation: null,
    earliestNow: 0,
    requestedEntitlements: null,
  })
}

/** Sends a registration. The token's secret authenticates the request and is not sent. */
export async function sendRegistration(
  connection: AuthorityConnection,
  pendingRegistration: PendingRegistration,
  secrets: { token: string; key: string; oldKey: string | null },
  device: { product: Product; identity: Identity | null; messageId: string; earliestNow: Instant },
): Promise<VerifiedAnswer> {
  const token = parseToken(secrets.token)
  const { pid, version, serial } = device.product
  const [root] = connection.roots
  if (!root)
    throw new LicensingError('TRUST_ANCHOR_MISSING', 'No root certificate of the authority is installed.')
  const nonce = createNonce()
  const claim = {
    audience: computeThumbprint(root),
    nonce,
    certificateRequest: pendingRegistration.certificateRequest,
    udi: { pid, version, serial },
    force: pendingRegistration.force,
  }
  const payload = {
    ...createEnvelope(device.messageId, nonce, claim.audience, {
      epoch: device.identity?.epoch ?? 0,
      trustBundle: connection.anchors.number,
    }),
    type: 'register' as const,
    body: {
      certificateRequest: pendingRegistration.certificateRequest,
      udi: claim.udi,
      hostname: hostname().slice(0, 253),
      agentVersion: VERSION,
      force: pendingRegistration.force,
      token: { id: token.id, account: token.account, mac: computeTokenMac(token.secret, claim) },
      previous: await signReplacementProof(pendingRegistration, secrets.oldKey, device.identity),
    },
  }
  const answer = await exchange(connection, 'register', payload, {
    key: secrets.key,
    certificates: [],
    authorityId: null,
  })
  const verified = await verifyAnswer(answer, connection, {
    type: 'register',
    messageId: device.messageId,
    nonce,
    audience: keyAudience(secrets.key),
    authorityId: null,
    notBefore: null,
    epoch: 0,
    delegation: null,
    earliestNow: device.earliestNow,
    requestedEntitlements: null,
  })
  if (verified.decision.outcome === 'accepted' && verified.type === 'register') {
    checkIdentity(verified.decision, verified, connection, { key: secrets.key, instanceId: null })
  }
  return verified
}

/** Signs a proof that this device has the private key of the registration that it replaces. */
async function signReplacementProof(
  registering: PendingRegistration,
  oldKey: string | null,
  identity: Identity | null,
): Promise<string | null> {
  if (oldKey === null || identity === null) return null
  const proof = await signMessage(
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

/** Registered device that sends a request. */
interface RequestingDevice {
  readonly identity: Identity
  readonly keys: { identity: string; requested: string | null }
  readonly earliestNow: Instant
  /** Last accepted answer as the authority signed it. Null before one. */
  readonly lastSignedAnswer: SignedMessage | null
}

/** Codes of refusals because the device's history differs from what the authority remembers. */
const HISTORY_CODES: readonly string[] = ['INSTANCE_DIVERGED', 'SEQUENCE_SUPERSEDED']

/**
 * Sends a request of a registered device. A repeated request is the same message, signed with a new nonce. If the authority
 * does not know the device's history, sends the request once more with the last answer as proof, because the database of
 * the authority may have gone back.
 */
export async function sendPendingRequest(
  connection: AuthorityConnection,
  pendingRequest: PendingRequest,
  device: RequestingDevice,
): Promise<VerifiedAnswer> {
  const { lastSignedAnswer } = device
  const send = (proof: SignedMessage | null) => sendOnce(connection, pendingRequest, device, proof)
  let answer: VerifiedAnswer
  try {
    answer = await send(null)
  } catch (error) {
    // An authority that went back to before its last restore answers in an earlier epoch.
    if (!(error instanceof LicensingError) || error.code !== 'ANSWER_STALE' || lastSignedAnswer === null)
      throw error
    return send(lastSignedAnswer)
  }
  const { decision } = answer
  const isUnknownHistory = decision.outcome === 'refused' && HISTORY_CODES.includes(decision.code)
  return isUnknownHistory && lastSignedAnswer !== null ? send(lastSignedAnswer) : answer
}

async function sendOnce(
  connection: AuthorityConnection,
  pendingRequest: PendingRequest,
  { identity, keys, earliestNow }: RequestingDevice,
  lastSignedAnswer: SignedMessage | null,
): Promise<VerifiedAnswer> {
  const nonce = createNonce()
  const payload = {
    ...createEnvelope(pendingRequest.messageId, nonce, identity.authority.id, {
      epoch: identity.epoch,
      trustBundle: pendingRequest.trustBundle ?? identity.trustBundle,
    }),
    instanceId: identity.instanceId,
    sequence: pendingRequest.sequence,
    lastAnswer: identity.lastAnswer,
    ...(lastSignedAnswer !== null && { lastSignedAnswer }),
    type: pendingRequest.kind,
    body: pendingRequest.body,
  }
  const answer = await exchange(connection, pendingRequest.kind, payload, {
    key: keys.identity,
    certificates: identity.certificates.slice(0, 1),
    authorityId: identity.authority.id,
  })
  const verified = await verifyAnswer(answer, connection, {
    type: pendingRequest.kind,
    messageId: pendingRequest.messageId,
    nonce,
    audience: identity.instanceId,
    authorityId: identity.authority.id,
    notBefore: identity.lastTime,
    epoch: identity.epoch,
    delegation: identity.mandate,
    earliestNow,
    requestedEntitlements:
      pendingRequest.kind === 'authorize'
        ? (pendingRequest.body.entitlements as { tag: string; count: number }[])
        : null,
  })
  if (verified.decision.outcome === 'accepted' && verified.type === 'renew' && keys.requested !== null) {
    checkIdentity(verified.decision, verified, connection, {
      key: keys.requested,
      instanceId: identity.instanceId,
    })
  }
  return verified
}

const createEnvelope = (
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

/** Signs a request, sends it, and returns the text of the answer. */
async function exchange(
  connection: AuthorityConnection,
  type: RequestType,
  payload: object,
  by: { key: string; certificates: readonly string[]; authorityId: string | null },
): Promise<string> {
  const { key, certificates, authorityId } = by
  const signed = await signMessage(payload, {
    type: 'sla-request+jws',
    privateKey: createPrivateKey(key),
    ...(certificates.length > 0 && { certificates }),
  })
  return connection.transport.post(getMessagePath(type), JSON.stringify(signed), null, {}, authorityId)
}

/** Checks that a certificate in an answer matches the device's key, its instance id, and its authority. */
function checkIdentity(
  accepted: { certificates: readonly string[] },
  answer: Answer,
  { roots }: TrustedRoots,
  { key, instanceId }: { key: string; instanceId: string | null },
): void {
  const refuse = (reason: string) =>
    new LicensingError('ANSWER_CERTIFICATE_INVALID', `The certificate in the answer ${reason}.`)
  let certificate: CertificateInfo
  try {
    certificate = validateChain(accepted.certificates, {
      role: 'instance',
      at: Date.parse(answer.time),
      roots,
    })
  } catch (error) {
    if (error instanceof ChainError)
      throw refuse(`is not the certificate of a product instance: ${error.message}`)
    throw error
  }
  const id = instanceId ?? ('instanceId' in accepted ? accepted.instanceId : '')
  if (certificate.instanceId !== id) throw refuse('is for another product instance')
  if (certificate.authorityId !== answer.authority.id) throw refuse('was issued by another authority')
  if (!certificate.certificate.checkPrivateKey(createPrivateKey(key)))
    throw refuse('does not match the key of this device')
}

/** Returns the expiry date of an ID certificate. */
export const getCertificateExpiry = (certificates: readonly string[]): Instant =>
  certificates[0] === undefined ? 0 : Date.parse(readCertificate(certificates[0]).validTo)

export const getLeafThumbprint = (certificates: readonly string[]): string =>
  certificates[0] === undefined ? '' : computeThumbprint(readCertificate(certificates[0]))

/** Returns the members of an identity that an answer updates. */
export const identityUpdateFrom = (answer: VerifiedAnswer) => ({
  lastAnswer: answer.hash,
  lastTime: Date.parse(answer.time),
  epoch: answer.epoch,
  trustBundle: answer.trustBundle,
  ...(answer.delegation && {
    mandate: { epoch: answer.delegation.epoch, sequence: answer.delegation.sequence },
  }),
})
