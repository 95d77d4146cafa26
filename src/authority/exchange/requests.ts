import type { KeyObject } from 'node:crypto'
import { ENGLISH } from '../../core/english.ts'
import type { Instant } from '../../core/time.ts'
import { type ErrorCode, errorTable, LicensingError } from '../../core/errors.ts'
import { hashRequestPayload } from '../../protocol/digest.ts'
import {
  type Decision,
  type HelloRequest,
  helloRequestSchema,
  PROTOCOL_VERSION,
  type InstanceRequest,
  type Refusal,
  type RegisterRequest,
  type Request,
  requestSchema,
  type RequestType,
  type SignedMessage,
  signedMessageSchema,
} from '../../protocol/messages.ts'
import { parseCsr } from '../../pki/certificate-request.ts'
import { parseLeafCertificate } from '../../pki/leaf-certificate.ts'
import type { P256Key } from '../../pki/p256-key.ts'
import { decodePayloadUnverified, verifyMessage, getCertificateChain } from '../../pki/signed-message.ts'
import type { InstanceRow } from '../inventory/instances.ts'
import type { WorkingSetKeys } from './working-set.ts'

/** Contents of an answer: the request, the recipient and the decision. */
export interface AnswerParts {
  readonly request: Pick<Request | HelloRequest, 'type' | 'messageId' | 'nonce' | 'trustBundle'>
  readonly audience: string
  readonly decision: Decision
}

/** A request of an agent with its decision. */
export interface DecidedRequest extends AnswerParts {
  readonly request: Request
  readonly audience: string
  readonly decision: Decision
}

export const createMalformedError = (reason: string) =>
  new LicensingError('REQUEST_MALFORMED', `The request is malformed: ${reason}.`)

/** @throws LicensingError REQUEST_MALFORMED, PROTOCOL_UNSUPPORTED */
export function parseHello(message: unknown): HelloRequest {
  checkVersion(message)
  const parsed = helloRequestSchema.safeParse(message)
  if (!parsed.success || parsed.data.direction !== 'request')
    throw createMalformedError('it is not a hello request')
  return parsed.data
}

function checkVersion(payload: unknown): void {
  if (typeof payload !== 'object' || payload === null || !('protocol' in payload)) return
  if (payload.protocol === PROTOCOL_VERSION) return
  throw new LicensingError(
    'PROTOCOL_UNSUPPORTED',
    `This authority supports version ${PROTOCOL_VERSION} of the protocol.`,
  )
}

/** Creates a refusal for a signed answer. */
export const createRefusal = (code: ErrorCode, message: string): Refusal => ({
  outcome: 'refused',
  code,
  message,
  remedy: errorTable[code].remedy,
})

/** A well-formed request that was signed by the key it names. The owner of that key is not checked yet. */
export type SignedRequest =
  | {
      readonly request: RegisterRequest
      readonly key: P256Key
      /** The public key as SPKI, base64. */
      readonly spki: string
    }
  | {
      readonly request: InstanceRequest
      /** SHA-256 of the request without its nonce. */
      readonly digest: string
      readonly pem: string
      readonly thumbprint: string
      /** The end of the signing certificate. */
      readonly notAfter: Instant
    }

/**
 * Reads a request and verifies its signature, without using the database.
 *
 * @throws LicensingError REQUEST_MALFORMED, REQUEST_SIGNATURE_INVALID, PROTOCOL_UNSUPPORTED
 */
export async function readSignedRequest(type: RequestType, message: unknown): Promise<SignedRequest> {
  const { signed, request, digest } = parseRequest(type, message)
  if (request.type === 'register') {
    const key = parseCsr(request.body.certificateRequest)
    if (!key) throw createMalformedError('its certificate request is invalid')
    if (!(await verifyMessage(signed, 'sla-request+jws', key.key))) throw createSignatureError()
    return { request, key, spki: key.spki.toString('base64') }
  }
  const [pem] = getCertificateChain(signed, 'sla-request+jws') ?? []
  if (pem === undefined) throw createMalformedError('it has no certificate')
  const leaf = parseLeafCertificate(pem)
  // An invalid signature gets no signed answer. Otherwise anyone on the network path could cause a final refusal.
  if (!leaf || !(await verifyMessage(signed, 'sla-request+jws', leaf.key))) throw createSignatureError()
  return { request, digest, pem, thumbprint: leaf.thumbprint, notAfter: leaf.notAfter }
}

/** Returns the keys of the rows that the decisions on these requests need. */
export const collectWorkingSetKeys = (requests: readonly SignedRequest[]): WorkingSetKeys => ({
  thumbprints: requests.flatMap((request) => ('thumbprint' in request ? [request.thumbprint] : [])),
  registrations: requests.flatMap((signed) =>
    'key' in signed
      ? [{ tokenId: signed.request.body.token.id, key: signed.spki, udi: signed.request.body.udi }]
      : [],
  ),
})

function parseRequest(
  type: RequestType,
  message: unknown,
): { signed: SignedMessage; request: Request; digest: string } {
  const signed = signedMessageSchema.safeParse(message)
  if (!signed.success) throw createMalformedError('it is not a signed message')
  const payload = decodePayloadUnverified(signed.data)
  if (typeof payload !== 'object' || payload === null)
    throw createMalformedError('its payload is not a JSON object')
  checkVersion(payload)
  const parsed = requestSchema.safeParse(payload, ENGLISH)
  if (!parsed.success)
    throw createMalformedError(`${parsed.error.issues[0]?.path.join('.') ?? 'its payload'} is invalid`)
  if (parsed.data.type !== type) throw createMalformedError('it was sent to the path of another request type')
  if (parsed.data.direction !== 'request') throw createMalformedError('it is not a request')
  return { signed: signed.data, request: parsed.data, digest: hashRequest(payload) }
}

/** @throws LicensingError REQUEST_MALFORMED, since a lone surrogate has no canonical form (RFC 8785 §3.2.2.2) */
function hashRequest(payload: object): string {
  try {
    return hashRequestPayload(payload)
  } catch {
    throw createMalformedError('it contains text that is not valid Unicode')
  }
}

/** Returns the refusal for an instance that is not active. */
export function getInactiveInstanceRefusal(
  status: Exclude<InstanceRow['status'], 'active'>,
): [ErrorCode, string] {
  switch (status) {
    case 'replaced':
      return ['INSTANCE_REPLACED', 'This product instance was replaced by a newer registration.']
    case 'expired':
      return ['INSTANCE_EXPIRED', 'This product instance did not renew its registration within a year.']
    case 'removed':
    case 'deregistered':
      return ['INSTANCE_REMOVED', 'This product instance was removed at the authority.']
  }
}

export const createSignatureError = () =>
  new LicensingError('REQUEST_SIGNATURE_INVALID', 'The signature of the request is invalid.')

/** Returns a public key as SPKI, base64. */
export const exportSpki = (key: KeyObject): string =>
  key.export({ type: 'spki', format: 'der' }).toString('base64')
