import type { KeyObject } from 'node:crypto'
import type { SignedMessage } from '../../src/protocol/messages.ts'
import { signMessage, getCertificateChain } from '../../src/pki/signed-message.ts'
import { StolenKeys } from './keys.ts'

/** A sealed message taken apart, for changing it. */
export interface MessageParts {
  header: Record<string, unknown>
  payload: Record<string, unknown>
}

const decode = (text: string) =>
  JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Record<string, unknown>
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

export const decodeMessage = (body: string): MessageParts => {
  const sealed = JSON.parse(body) as SignedMessage
  return { header: decode(sealed.protected), payload: decode(sealed.payload) }
}

type Path = readonly (string | number)[]

/** The path of every value that has none inside, empty lists and objects too. */
export function listLeafPaths(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? value.map((one, index) => [index, one])
    : Object.entries(value)
  return entries.length === 0 ? [path] : entries.flatMap(([key, one]) => listLeafPaths(one, [...path, key]))
}

/** Another value of the same kind, as near as can be. */
function flipValue(value: unknown): unknown {
  switch (typeof value) {
    case 'boolean':
      return !value
    case 'number':
      return value + 1
    case 'string': {
      const middle = Math.floor(value.length / 2)
      return value === ''
        ? 'x'
        : `${value.slice(0, middle)}${value[middle] === 'A' ? 'B' : 'A'}${value.slice(middle + 1)}`
    }
    default:
      return value === null ? 'x' : Array.isArray(value) ? ['x'] : { x: 1 }
  }
}

/** A copy with the value at the path flipped. */
export function flipAt<T>(value: T, path: Path): T {
  const [key, ...rest] = path
  if (key === undefined) return flipValue(value) as T
  const copy = structuredClone(value) as Record<string | number, unknown>
  copy[key] = flipAt(copy[key], rest)
  return copy as T
}

/** Every way to change one field of a message, its signature left as it was; and the signature itself. */
export function listFlips(body: string): { name: string; body: string }[] {
  const sealed = JSON.parse(body) as SignedMessage
  const { header, payload } = decodeMessage(body)
  const of = (part: 'protected' | 'payload', whole: Record<string, unknown>) =>
    listLeafPaths(whole).map((path) => ({
      name: `${part} ${path.join('.')}`,
      body: JSON.stringify({ ...sealed, [part]: encode(flipAt(whole, path)) }),
    }))
  return [
    ...of('protected', header),
    ...of('payload', payload),
    { name: 'signature', body: JSON.stringify(flipAt(sealed, ['signature'])) },
    { name: 'a field more', body: JSON.stringify({ ...sealed, payload: encode({ ...payload, more: 1 }) }) },
  ]
}

/** The private key of the authority that fits what it signs answers with. */
export const getAnswerKey = (authorityDir: string): KeyObject =>
  new StolenKeys(authorityDir).key('answer-signer')

/** Signs an answer again after a change, as only its authority could. */
export async function resign(
  body: string,
  privateKey: KeyObject,
  change: (payload: Record<string, unknown>) => void,
  certificates?: readonly string[],
): Promise<string> {
  const { payload } = decodeMessage(body)
  change(payload)
  const chain = certificates ?? getCertificateChain(JSON.parse(body) as SignedMessage, 'sla-answer+jws') ?? []
  return JSON.stringify(
    await signMessage(payload, { type: 'sla-answer+jws', privateKey, certificates: chain }),
  )
}
