import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ReadableStream } from 'node:stream/web'
import { createGunzip, createGzip } from 'node:zlib'
import type { Decrypter, Encrypter } from 'age-encryption'
import { AGE_WORK_FACTOR } from './age-work-factor.ts'

const PIECE_BYTES = 64 * 1024

/** Callback for the lines of a file, in their order. */
export type LineHandler = (line: string) => Promise<void>

/** Normalizes a passphrase to NFC, because keyboards compose accented letters differently. */
const normalizePassphrase = (passphrase: string): string => passphrase.normalize('NFC')

/** Creates an encrypter for a passphrase. Loads the package on demand, because that takes a third of a second. */
async function createEncrypter(passphrase: string): Promise<Encrypter> {
  const { Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  encrypter.setPassphrase(normalizePassphrase(passphrase))
  encrypter.setScryptWorkFactor(AGE_WORK_FACTOR)
  return encrypter
}

/**
 * Creates a decrypter for one file. The decrypter keeps the file key, so that the key is derived only once even if
 * the file is read twice.
 *
 * @returns null for a file in another format, with a damaged header, or with another passphrase
 */
async function createDecrypter(file: Buffer, passphrase: string): Promise<Decrypter | null> {
  const { Decrypter } = await import('age-encryption')
  const headerDecrypter = new Decrypter()
  headerDecrypter.addPassphrase(normalizePassphrase(passphrase))
  try {
    const fileKey = await headerDecrypter.decryptHeader(file)
    const decrypter = new Decrypter()
    decrypter.addIdentity({ unwrapFileKey: () => fileKey })
    return decrypter
  } catch {
    return null
  }
}

/** Encrypts a text with a passphrase, in the age format (age-encryption.org/v1). */
export async function encryptText(text: string, passphrase: string): Promise<Buffer> {
  const encrypter = await createEncrypter(passphrase)
  return Buffer.from(await encrypter.encrypt(text))
}

/**
 * Decrypts the text of a file.
 *
 * @returns null for a file that is in another format, is damaged, or has another passphrase
 */
export async function decryptText(file: Buffer, passphrase: string): Promise<string | null> {
  const decrypter = await createDecrypter(file, passphrase)
  try {
    return (await decrypter?.decrypt(file, 'text')) ?? null
  } catch {
    return null
  }
}

/** Compresses a stream of lines with gzip and encrypts the result as a file in the age format. */
export async function encryptLines(
  lines: AsyncIterable<string>,
  passphrase: string,
  write: (chunk: Buffer) => void,
): Promise<void> {
  const encrypter = await createEncrypter(passphrase)
  await pipeline(
    Readable.from(appendLineBreaks(lines)),
    createGzip(),
    async function* (compressed: AsyncIterable<Buffer>) {
      yield* Readable.fromWeb(await encrypter.encrypt(ReadableStream.from(compressed)))
    },
    async (encrypted: AsyncIterable<Uint8Array>) => {
      for await (const chunk of encrypted) write(Buffer.from(chunk))
    },
  )
}

async function* appendLineBreaks(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`
}

/** Splits a stream of chunks into lines. */
async function* splitIntoLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
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

function* splitIntoPieces(file: Buffer): Generator<Uint8Array> {
  for (let from = 0; from < file.length; from += PIECE_BYTES) yield file.subarray(from, from + PIECE_BYTES)
}

/** Encrypted file of lines, opened with its passphrase. */
export class EncryptedLines {
  readonly #file: Buffer
  readonly #decrypter: Decrypter

  private constructor(file: Buffer, decrypter: Decrypter) {
    this.#file = file
    this.#decrypter = decrypter
  }

  /** Opens a file. @returns null for a file in another format, with a damaged header, or with another passphrase */
  static async open(file: Buffer, passphrase: string): Promise<EncryptedLines | null> {
    const decrypter = await createDecrypter(file, passphrase)
    return decrypter && new EncryptedLines(file, decrypter)
  }

  /**
   * Passes the lines to `handleLine`, in their order. Each line is authentic, but a truncated file is detected
   * only at its end.
   * The caller must discard its results if the file is damaged.
   *
   * @returns false for a damaged or truncated file
   * @throws the errors of `handleLine`
   */
  async read(handleLine: LineHandler): Promise<boolean> {
    const decrypter = this.#decrypter
    const failures: unknown[] = []
    try {
      await pipeline(
        Readable.from(splitIntoPieces(this.#file)),
        async function* (encrypted: AsyncIterable<Uint8Array>) {
          yield* Readable.fromWeb(await decrypter.decrypt(ReadableStream.from(encrypted)))
        },
        createGunzip(),
        async (text: AsyncIterable<Buffer>) => {
          for await (const line of splitIntoLines(text)) {
            try {
              await handleLine(line)
            } catch (error) {
              failures.push(error)
              throw error
            }
          }
        },
      )
      return true
    } catch {
      if (failures.length > 0) throw failures[0]
      return false
    }
  }
}
