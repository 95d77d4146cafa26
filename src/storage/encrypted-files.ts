import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'

const [packed, unpacked] = [promisify(gzip), promisify(gunzip)]
export const SALT = 16
export const IV = 12
export const TAG = 16
const KEY = 32
/** scrypt (RFC 7914): 32 MiB and some tens of milliseconds for each guess of a passphrase. */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }

export const keyOf = (passphrase: string, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFC'), salt, KEY, COST, (failed, key) => {
      if (failed) reject(failed)
      else resolve(key)
    })
  })

/** A file as one of a bundle. */
export interface BundledFile {
  readonly name: string
  readonly bytes: Buffer
}

/** Files as one file that only its passphrase opens: gzip, then AES-256-GCM under a key by scrypt. */
export async function sealFiles(
  files: readonly BundledFile[],
  passphrase: string,
  title: string,
): Promise<Buffer> {
  const head = Buffer.from(JSON.stringify(files.map(({ name, bytes }) => ({ name, length: bytes.length }))))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(head.length)
  const plain = await packed(Buffer.concat([length, head, ...files.map(({ bytes }) => bytes)]))
  const [salt, iv] = [randomBytes(SALT), randomBytes(IV)]
  const prefix = Buffer.concat([Buffer.from(`${title}\n`), salt])
  const cipher = createCipheriv('aes-256-gcm', await keyOf(passphrase, salt), iv).setAAD(prefix)
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([prefix, iv, cipher.getAuthTag(), sealed])
}

/**
 * The files of a bundle.
 *
 * @returns null for what is no such bundle, is damaged, or has another passphrase: which of them, nobody can tell
 */
export async function openFiles(
  bundle: Buffer,
  passphrase: string,
  title: string,
): Promise<BundledFile[] | null> {
  const first = Buffer.from(`${title}\n`)
  let at = first.length
  const take = (length: number) => bundle.subarray(at, (at += length))
  if (!bundle.subarray(0, at).equals(first) || bundle.length < at + SALT + IV + TAG) return null
  const [salt, iv, tag] = [take(SALT), take(IV), take(TAG)]
  try {
    const decipher = createDecipheriv('aes-256-gcm', await keyOf(passphrase, salt), iv)
      .setAAD(Buffer.concat([first, salt]))
      .setAuthTag(tag)
    const plain = await unpacked(Buffer.concat([decipher.update(bundle.subarray(at)), decipher.final()]))
    const length = plain.readUInt32BE()
    // What follows was written by `sealFiles`: the seal says so.
    const list = JSON.parse(plain.subarray(4, 4 + length).toString()) as { name: string; length: number }[]
    let from = 4 + length
    return list.map((file) => ({ name: file.name, bytes: plain.subarray(from, (from += file.length)) }))
  } catch {
    return null
  }
}
