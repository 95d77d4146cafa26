import { once } from 'node:events'
import { LicensingError } from '../core/errors.ts'
import { AtomicFile } from '../storage/atomic-file.ts'
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
  const attempt = <R>(step: () => R): R => {
    try {
      return step()
    } catch (error) {
      throw toFileError('FILE_UNWRITABLE', path, error)
    }
  }
  const file = attempt(() => new AtomicFile(path))
  try {
    for await (const text of texts) {
      bytes += Buffer.byteLength(text)
      attempt(() => {
        file.write(text)
      })
    }
    attempt(() => {
      file.commit()
    })
    return bytes
  } finally {
    file.close()
  }
}
