import type { X509Certificate } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import { type Instant, iso } from '../../core/time.ts'
import { readFields, writeFields } from '../../protocol/text-format.ts'
import type { Credential } from '../../pki/certificate-generation.ts'
import { signText, verifyText } from '../../pki/sign-text.ts'
import { type Chain, CHAINS, type Place } from './hash-chain.ts'

const TITLE = 'SMART LICENSING AUDIT CHECKPOINT'
const WHAT = 'checkpoint of the audit record'
const FIELDS = [
  ['Authority', 'authority'],
  ['Smart account', 'account'],
  ['Time', 'time'],
  ['Deeds after', 'deedsAfter'],
  ['Deeds to', 'deeds'],
  ['Refusals after', 'refusalsAfter'],
  ['Refusals to', 'refusals'],
] as const

/** What an authority's audit record held, at an instant. */
export interface Checkpoint {
  readonly authority: string
  readonly account: string
  readonly at: Instant
  /** What was pruned last, from the beginning of each chain. */
  readonly begins: Readonly<Record<Chain, Place>>
  readonly ends: Readonly<Record<Chain, Place>>
}

/** A checkpoint as signed text: whoever can write the database, and has no key of the authority, cannot make one. */
export function writeCheckpoint(
  { authority, account, at, begins, ends }: Checkpoint,
  by: Credential,
): string {
  const place = ({ number, hash }: Place) => `${number} ${hash}`
  const values = {
    authority,
    account,
    time: iso(at),
    deedsAfter: place(begins.deeds),
    deeds: place(ends.deeds),
    refusalsAfter: place(begins.refusals),
    refusals: place(ends.refusals),
  }
  return signText([TITLE, ...writeFields(FIELDS, values)], by)
}

/**
 * Reads a checkpoint whose signature is right.
 *
 * @throws LicensingError SIGNED_FILE_MALFORMED, SIGNED_FILE_TRUNCATED, SIGNED_FILE_ALTERED, SIGNED_FILE_UNTRUSTED,
 * SIGNED_FILE_SIGNER_EXPIRED
 */
export function readCheckpoint(text: string, roots: readonly X509Certificate[]): Checkpoint {
  const read = (lines: readonly string[]): Checkpoint => {
    const fields = readFields(lines, 1, FIELDS, malformed)
    const at = Date.parse(fields.time ?? '')
    if (Number.isNaN(at)) throw malformed('its time is none')
    const places = (suffix: string) =>
      Object.fromEntries(
        CHAINS.map((chain) => [chain, placeOf(fields[`${chain}${suffix}`] ?? '')]),
      ) as Record<Chain, Place>
    return {
      authority: fields.authority ?? '',
      account: fields.account ?? '',
      at,
      begins: places('After'),
      ends: places(''),
    }
  }
  const { lines, signer } = verifyText(text, {
    what: WHAT,
    title: TITLE,
    role: 'audit-signer',
    roots,
    at: (unchecked) => read(unchecked).at,
  })
  const checkpoint = read(lines)
  if (signer.authorityId !== checkpoint.authority)
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      `The ${WHAT} cannot be used: it was signed by another authority than it names.`,
    )
  return checkpoint
}

function placeOf(text: string): Place {
  const [, number, hash] = /^(\d{1,15}) ([0-9a-f]{64}|beginning)$/.exec(text) ?? []
  if (number === undefined || hash === undefined) throw malformed('it does not say where a chain ended')
  return { number: Number(number), hash }
}

const malformed = (why: string) =>
  new LicensingError('SIGNED_FILE_MALFORMED', `The ${WHAT} cannot be used: ${why}.`)
