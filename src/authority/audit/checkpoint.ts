import type { X509Certificate } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { parseFields, formatFields } from '../../protocol/text-format.ts'
import type { Credential } from '../../pki/certificate-generation.ts'
import { signText, verifyText } from '../../pki/sign-text.ts'
import type { ChainPosition } from './hash-chain.ts'

const TITLE = 'SMART LICENSING AUDIT CHECKPOINT'
const FILE_KIND = 'checkpoint of the audit log'
const FIELDS = [
  ['Authority', 'authority'],
  ['Smart account', 'account'],
  ['Time', 'time'],
  ['Entries after', 'anchor'],
  ['Entries to', 'head'],
] as const

/** The extent of an authority's audit log at an instant. */
export interface Checkpoint {
  readonly authority: string
  readonly account: string
  readonly at: Instant
  /** The last entry that was pruned from the beginning. */
  readonly anchor: ChainPosition
  readonly head: ChainPosition
}

/** Formats and signs a checkpoint. The key is outside the database, so write access to the database is not enough to forge one. */
export function writeCheckpoint(
  { authority, account, at, anchor, head }: Checkpoint,
  by: Credential,
): string {
  const format = ({ number, hash }: ChainPosition) => `${number} ${hash}`
  const values = {
    authority,
    account,
    time: toIsoString(at),
    anchor: format(anchor),
    head: format(head),
  }
  return signText([TITLE, ...formatFields(FIELDS, values)], by)
}

/**
 * Reads a checkpoint and verifies its signature.
 *
 * @throws LicensingError SIGNED_FILE_MALFORMED, SIGNED_FILE_TRUNCATED, SIGNED_FILE_ALTERED, SIGNED_FILE_UNTRUSTED,
 * SIGNED_FILE_SIGNER_EXPIRED
 */
export function readCheckpoint(text: string, roots: readonly X509Certificate[]): Checkpoint {
  const read = (lines: readonly string[]): Checkpoint => {
    const fields = parseFields(lines, 1, FIELDS, createMalformedError)
    const at = Date.parse(fields.time ?? '')
    if (Number.isNaN(at)) throw createMalformedError('its time is not valid')
    return {
      authority: fields.authority ?? '',
      account: fields.account ?? '',
      at,
      anchor: parsePosition(fields.anchor ?? ''),
      head: parsePosition(fields.head ?? ''),
    }
  }
  const { lines, signer } = verifyText(text, {
    what: FILE_KIND,
    title: TITLE,
    role: 'audit-signer',
    roots,
    at: (unchecked) => read(unchecked).at,
  })
  const checkpoint = read(lines)
  if (signer.authorityId !== checkpoint.authority)
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      `The ${FILE_KIND} cannot be used: it names another authority than the one that signed it.`,
    )
  return checkpoint
}

function parsePosition(text: string): ChainPosition {
  const [, number, hash] = /^(\d{1,15}) ([0-9a-f]{64}|genesis)$/.exec(text) ?? []
  if (number === undefined || hash === undefined)
    throw createMalformedError('a position in the audit log is missing or not valid')
  return { number: Number(number), hash }
}

const createMalformedError = (why: string) =>
  new LicensingError('SIGNED_FILE_MALFORMED', `The ${FILE_KIND} cannot be used: ${why}.`)
