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
import type { WantedRows } from './working-set.ts'

/** What an answer is to, and for whom. */
export interface AnswerParts {
  readonly request: Pick<Request | HelloRequest, 'type' | 'messageId' | 'nonce' | 'trustBundle'>
  readonly audience: string
  readonly decision: Decision
}

/** What was decided for a request, and whom the answer is for. */
export interface DecidedRequest extends AnswerParts {
  readonly request: Request
  readonly audience: string
  readonly decision: Decision
}

export const createMalformedError = (why: string) =>
  new LicensingError('REQUEST_MALFORMED', `The message cannot be taken: ${why}.`)

/** @throws LicensingError REQUEST_MALFORMED, PROTOCOL_UNSUPPORTED */
export function parseHello(message: unknown): HelloRequest {
  checkVersion(message)
  const parsed = helloRequestSchema.safeParse(message)
  if (!parsed.success || parsed.data.direction !== 'request')
    throw createMalformedError('it is not a greeting')
  return parsed.data
}

function checkVersion(payload: unknown): void {
  if (typeof payload !== 'object' || payload === null || !('protocol' in payload)) return
  if (payload.protocol === PROTOCOL_VERSION) return
  throw new LicensingError(
    'PROTOCOL_UNSUPPORTED',
    `This authority speaks version ${PROTOCOL_VERSION} of the protocol.`,
  )
}

/** A refusal that goes into a signed answer. */
export const createRefusal = (code: ErrorCode, message: string): Refusal => ({
  outcome: 'refused',
  code,
  message,
  remedy: errorTable[code].remedy,
})

/** A request whose form is right, and which was signed by the key it names. Whose key that is, is not looked at yet. */
export type SignedRequest =
  | {
      readonly request: RegisterRequest
      readonly key: P256Key
      /** The key as SPKI, base64. */
      readonly spki: string
    }
  | {
      readonly request: InstanceRequest
      /** SHA-256 of what is asked. */
      readonly digest: string
      readonly pem: string
      readonly thumbprint: string
      /** The end of its certificate. */
      readonly notAfter: Instant
    }

/**
 * Reads a request and checks its signature: all that can be done before the database is asked.
 *
 * @throws LicensingError REQUEST_MALFORMED, REQUEST_SIGNATURE_INVALID, PROTOCOL_UNSUPPORTED
 */
export async function readExchange(type: RequestType, message: unknown): Promise<SignedRequest> {
  const { sealed, request, digest } = readRequestForm(type, message)
  if (request.type === 'register') {
    const key = parseCsr(request.body.certificateRequest)
    if (!key) throw createMalformedError('its certificate request is not a good one')
    if (!(await verifyMessage(sealed, 'sla-request+jws', key.key))) throw createSignatureError()
    return { request, key, spki: key.spki.toString('base64') }
  }
  const [pem] = getCertificateChain(sealed, 'sla-request+jws') ?? []
  if (pem === undefined) throw createMalformedError('it does not say whose it is')
  const leaf = parseLeafCertificate(pem)
  // Nobody on the way may cause a final refusal: what does not verify gets no signed answer (trust §4).
  if (!leaf || !(await verifyMessage(sealed, 'sla-request+jws', leaf.key))) throw createSignatureError()
  return { request, digest, pem, thumbprint: leaf.thumbprint, notAfter: leaf.notAfter }
}

/** Returns the keys of the rows that deciding these requests needs. */
export const collectWorkingSetKeys = (requests: readonly SignedRequest[]): WantedRows => ({
  thumbprints: requests.flatMap((one) => ('thumbprint' in one ? [one.thumbprint] : [])),
  registrations: requests.flatMap((one) =>
    'key' in one ? [{ tokenId: one.request.body.token.id, key: one.spki, udi: one.request.body.udi }] : [],
  ),
})

function readRequestForm(
  type: RequestType,
  message: unknown,
): { sealed: SignedMessage; request: Request; digest: string } {
  const sealed = signedMessageSchema.safeParse(message)
  if (!sealed.success) throw createMalformedError('it is not a sealed message')
  const payload = decodePayloadUnverified(sealed.data)
  if (typeof payload !== 'object' || payload === null)
    throw createMalformedError('its payload is not a JSON object')
  checkVersion(payload)
  const parsed = requestSchema.safeParse(payload, ENGLISH)
  if (!parsed.success)
    throw createMalformedError(
      `${parsed.error.issues[0]?.path.join('.') ?? 'its payload'} is not of its form`,
    )
  if (parsed.data.type !== type) throw createMalformedError('it was sent to the path of another type')
  if (parsed.data.direction !== 'request') throw createMalformedError('it is not a request')
  return { sealed: sealed.data, request: parsed.data, digest: hashRequest(payload) }
}

/** @throws LicensingError REQUEST_MALFORMED: of half a character there is no canonical form (RFC 8785 §3.2.2.2) */
function hashRequest(payload: object): string {
  try {
    return hashRequestPayload(payload)
  } catch {
    throw createMalformedError('it holds text that is none')
  }
}

/** Why an instance that is no more gets nothing. */
export function getInactiveInstanceRefusal(
  status: Exclude<InstanceRow['status'], 'active'>,
): [ErrorCode, string] {
  switch (status) {
    case 'replaced':
      return ['INSTANCE_REPLACED', 'This product instance was replaced by a newer registration.']
    case 'expired':
      return ['INSTANCE_EXPIRED', 'This product instance did not renew its registration within its year.']
    case 'removed':
    case 'deregistered':
      return ['INSTANCE_REMOVED', 'This product instance was removed at the authority.']
  }
}

export const createSignatureError = () =>
  new LicensingError('REQUEST_SIGNATURE_INVALID', 'The signature of the request does not fit it.')

/** A public key as SPKI, base64. */
export const exportSpki = (key: KeyObject): string =>
  key.export({ type: 'spki', format: 'der' }).toString('base64')
