import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { IV, keyOf, SALT, TAG } from './encrypted-files.ts'

/**
 * Lines as one file that only its passphrase opens, written as they come: the title, salt and IV, then gzip under AES-256-GCM by a
 * key of scrypt, and the tag last.
 */
export async function sealLines(
  lines: AsyncIterable<string>,
  passphrase: string,
  title: string,
  write: (chunk: Buffer) => void,
): Promise<void> {
  const [salt, iv] = [randomBytes(SALT), randomBytes(IV)]
  const prefix = Buffer.concat([Buffer.from(`${title}\n`), salt])
  const cipher = createCipheriv('aes-256-gcm', await keyOf(passphrase, salt), iv).setAAD(prefix)
  write(Buffer.concat([prefix, iv]))
  await pipeline(
    Readable.from(withEnds(lines)),
    createGzip(),
    cipher,
    async (sealed: AsyncIterable<Buffer>) => {
      for await (const chunk of sealed) write(chunk)
    },
  )
  write(cipher.getAuthTag())
}

async function* withEnds(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`
}

/** The lines of a text that comes in pieces. */
async function* linesIn(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    for (let end = text.indexOf(10); end !== -1; end = text.indexOf(10, from)) {
      yield text.subarray(from, end).toString('utf8')
      from = end + 1
    }
    rest = text.subarray(from)
  }
  if (rest.length > 0) yield rest.toString('utf8')
}

/**
 * The lines of such a file, given one after the other before its seal is known to be right: what is made of them must be thrown
 * away when this says no.
 *
 * @returns whether it was the right passphrase, and the file as it was written; false for any other file
 */
export async function openLines(
  file: Buffer,
  passphrase: string,
  title: string,
  take: (line: string) => Promise<void>,
): Promise<boolean> {
  const first = Buffer.from(`${title}\n`)
  const body = first.length + SALT + IV
  if (!file.subarray(0, first.length).equals(first) || file.length < body + TAG) return false
  const salt = file.subarray(first.length, first.length + SALT)
  const decipher = createDecipheriv(
    'aes-256-gcm',
    await keyOf(passphrase, salt),
    file.subarray(first.length + SALT, body),
  )
    .setAAD(file.subarray(0, first.length + SALT))
    .setAuthTag(file.subarray(file.length - TAG))
  let failed: unknown = null
  try {
    await pipeline(
      Readable.from([file.subarray(body, file.length - TAG)]),
      decipher,
      createGunzip(),
      async (plain: AsyncIterable<Buffer>) => {
        for await (const line of linesIn(plain)) {
          try {
            await take(line)
          } catch (thrown) {
            failed = thrown
            throw thrown
          }
        }
      },
    )
    return true
  } catch {
    // What the taker could not take may be because it was never written: without the passphrase nobody knows.
    if (failed instanceof Error && failed.name === 'LicensingError') throw failed
    return false
  }
}
