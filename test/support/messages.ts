import type { KeyObject } from 'node:crypto'
import type { SignedMessage } from '../../src/protocol/messages.ts'
import { signMessage, getCertificateChain } from '../../src/pki/signed-message.ts'
import { StolenKeys } from './keys.ts'

/** Decoded header and payload of a signed message. */
export interface MessageParts {
  header: Record<string, unknown>
  payload: Record<string, unknown>
}

const decode = (text: string) =>
  JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Record<string, unknown>
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

export const decodeMessage = (body: string): MessageParts => {
  const signed = JSON.parse(body) as SignedMessage
  return { header: decode(signed.protected), payload: decode(signed.payload) }
}

type Path = readonly (string | number)[]

/** Lists the paths of all leaf values, including empty arrays and objects. */
export function listLeafPaths(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? value.map((element, index) => [index, element])
    : Object.entries(value)
  return entries.length === 0
    ? [path]
    : entries.flatMap(([key, child]) => listLeafPaths(child, [...path, key]))
}

/** Returns a slightly different value of the same type. */
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

/** Returns a copy with the value at a path changed. */
export function flipAt<T>(value: T, path: Path): T {
  const [key, ...rest] = path
  if (key === undefined) return flipValue(value) as T
  const copy = structuredClone(value) as Record<string | number, unknown>
  copy[key] = flipAt(copy[key], rest)
  return copy as T
}

/** Lists copies of a message with one changed field each, or a changed signature, all without a new signature. */
export function listFlips(body: string): { name: string; body: string }[] {
  const signed = JSON.parse(body) as SignedMessage
  const { header, payload } = decodeMessage(body)
  const flipPart = (part: 'protected' | 'payload', content: Record<string, unknown>) =>
    listLeafPaths(content).map((path) => ({
      name: `${part} ${path.join('.')}`,
      body: JSON.stringify({ ...signed, [part]: encode(flipAt(content, path)) }),
    }))
  return [
    ...flipPart('protected', header),
    ...flipPart('payload', payload),
    { name: 'signature', body: JSON.stringify(flipAt(signed, ['signature'])) },
    {
      name: 'an additional field',
      body: JSON.stringify({ ...signed, payload: encode({ ...payload, more: 1 }) }),
    },
  ]
}

/** Returns the private key with which an authority signs its answers. */
export const getAnswerKey = (authorityDir: string): KeyObject =>
  new StolenKeys(authorityDir).key('answer-signer')

/** Changes an answer and signs it again with the authority's key. */
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
