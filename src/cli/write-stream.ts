import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { open, rename, rm } from 'node:fs/promises'
import { LicensingError } from '../core/errors.ts'
import { toFileError } from './secrets.ts'

/**
 * Writes texts in sequence to a file readable by this user only, or to standard output for `-`. The file is renamed into
 * place at the end. Standard output is written with backpressure.
 *
 * @returns the number of bytes
 * @throws LicensingError FILE_UNWRITABLE, and the errors of `texts`
 */
export async function writeStream(path: string, texts: AsyncIterable<string>): Promise<number> {
  if (path === '') throw new LicensingError('INVALID_ARGUMENT', 'The path of the output file is empty.')
  let bytes = 0
  if (path === '-') {
    for await (const text of texts) {
      bytes += Buffer.byteLength(text)
      if (!process.stdout.write(text)) await once(process.stdout, 'drain')
    }
    return bytes
  }
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  const unwritable = (error: unknown) => toFileError('FILE_UNWRITABLE', path, error)
  const file = await open(temporary, 'wx', 0o600).catch((error: unknown) => {
    throw unwritable(error)
  })
  try {
    for await (const text of texts) {
      bytes += Buffer.byteLength(text)
      await file.appendFile(text).catch((error: unknown) => {
        throw unwritable(error)
      })
    }
    await file.sync()
    await rename(temporary, path).catch((error: unknown) => {
      throw unwritable(error)
    })
    return bytes
  } finally {
    await file.close()
    await rm(temporary, { force: true })
  }
}
