import { LicensingError } from '../core/errors.ts'

/**
 * Offline file: readable text with the signer's certificates and a signature as its last lines. The signature covers
 * every line before it, without trailing blanks and ended by LF. A mail program or an editor may therefore change
 * line endings and trailing blanks, and nothing else. No line is outside the signature.
 */
export interface SignedText {
  /** Exact text that the signature covers. */
  readonly signed: string
  /** Lines before the certificates. */
  readonly lines: readonly string[]
  /** PEM, leaf first. */
  readonly certificates: readonly string[]
  /** ECDSA over P-256 and SHA-256: r and s, 64 bytes. */
  readonly signature: Buffer
}

const BEGIN_CERTIFICATE = '-----BEGIN CERTIFICATE-----'
const END_CERTIFICATE = '-----END CERTIFICATE-----'
const BEGIN_SIGNATURE = '-----BEGIN SIGNATURE-----'
const END_SIGNATURE = '-----END SIGNATURE-----'
const SIGNATURE_BYTES = 64
const BASE64_LINE_LENGTH = 64
/** Upper bound: a chain has two certificates, and up to three issuing CA certificates during a root rotation. */
const MAX_CERTIFICATES = 4
/** Default limit in characters; longer files are rejected unparsed. */
const MAX_TEXT_LENGTH = 100_000

/** Bounds the number of lines of a long file, because each line costs memory of its own. */
const MIN_AVERAGE_LINE_LENGTH = 16

function hasMoreLines(text: string, maxLines: number): boolean {
  let lines = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if ((code === 0x0a || code === 0x0d) && ++lines > maxLines) return true
  }
  return false
}

/** Splits a text at any line ending, without trailing blanks, trailing empty lines and the byte order mark. */
function splitLines(text: string): string[] {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .map(trimTrailingBlanks)
  while (lines.at(-1) === '') lines.pop()
  return lines
}

/** Scans from the end, because a regular expression would take quadratic time on blanks inside the line. */
function trimTrailingBlanks(line: string): string {
  let end = line.length
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--
  return line.slice(0, end)
}

const wrapBase64 = (base64: string): string[] =>
  base64.match(new RegExp(`.{1,${BASE64_LINE_LENGTH}}`, 'g')) ?? []

/** Returns the text that the signature covers: the lines and the certificates. */
export function formatTextToSign(lines: readonly string[], certificates: readonly string[]): string {
  const pem = certificates.map((certificate) => certificate.trim())
  return splitLines([...lines, ...pem].join('\n')).join('\n')
}

/** Returns the whole file: the signed text and its signature. */
export const formatSignedText = (signed: string, signature: Uint8Array): string =>
  [signed, BEGIN_SIGNATURE, ...wrapBase64(Buffer.from(signature).toString('base64')), END_SIGNATURE, ''].join(
    '\n',
  )

/** Decodes base64; null unless the text is the canonical encoding. */
function decodeCanonicalBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

/**
 * Parses a signed file. Verifies neither the signature nor the signer.
 *
 * @param what name of the file in error messages: `authorization file`
 * @param title expected first line
 * @param maxLength limit of the file in characters
 * @throws LicensingError SIGNED_FILE_MALFORMED, SIGNED_FILE_TRUNCATED, SIGNED_FILE_ALTERED
 */
export function parseSignedText(
  text: string,
  { what, title, maxLength = MAX_TEXT_LENGTH }: { what: string; title: string; maxLength?: number },
): SignedText {
  const fail = (code: 'MALFORMED' | 'TRUNCATED' | 'ALTERED', why: string) =>
    new LicensingError(`SIGNED_FILE_${code}`, `The ${what} cannot be used: ${why}.`)
  if (text.length > maxLength) throw fail('MALFORMED', 'it is far too large')
  if (text.trim() === '') throw fail('MALFORMED', 'it is empty')
  // UTF-16 that was read as UTF-8 contains NUL characters.
  if (text.includes('\u0000'))
    throw fail('MALFORMED', 'it is not plain text in UTF-8; an editor may have saved it in another encoding')
  if (hasMoreLines(text, Math.max(MAX_TEXT_LENGTH, maxLength / MIN_AVERAGE_LINE_LENGTH)))
    throw fail('MALFORMED', 'it has far too many lines')
  const all = splitLines(text)
  if (all[0] !== title) {
    throw all.includes(title)
      ? fail('ALTERED', 'text was added before its first line')
      : fail('MALFORMED', `it does not begin with the line "${title}"`)
  }
  const begin = all.indexOf(BEGIN_SIGNATURE)
  const end = all.indexOf(END_SIGNATURE)
  if (begin === -1 || end === -1) throw fail('TRUNCATED', 'its last lines are missing')
  if (end !== all.length - 1) throw fail('ALTERED', 'text was added after its last line')
  // The signature does not cover itself, so only its canonical form is accepted.
  const written = all.slice(begin + 1, end)
  const signature = decodeCanonicalBase64(written.join(''))
  if (signature?.length !== SIGNATURE_BYTES || wrapBase64(written.join('')).join() !== written.join())
    throw fail('ALTERED', 'its signature lines were changed')
  const body = all.slice(0, begin)
  const first = body.indexOf(BEGIN_CERTIFICATE)
  const certificates: string[] = []
  for (let at = first === -1 ? body.length : first; at < body.length;) {
    const last = body.indexOf(END_CERTIFICATE, at)
    const block = body.slice(at, last + 1)
    if (
      certificates.length === MAX_CERTIFICATES ||
      body[at] !== BEGIN_CERTIFICATE ||
      last === -1 ||
      decodeCanonicalBase64(block.slice(1, -1).join('')) === null
    )
      throw fail('ALTERED', 'its certificates were changed')
    certificates.push(`${block.join('\n')}\n`)
    at = last + 1
  }
  return {
    signed: body.join('\n'),
    lines: body.slice(0, first === -1 ? undefined : first),
    certificates,
    signature,
  }
}
