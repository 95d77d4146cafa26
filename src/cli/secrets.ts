import { readFileSync } from 'node:fs'
import { LicensingError } from '../core/errors.ts'
import { errnoCode } from '../core/errno-code.ts'

const ERRNO_MESSAGES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  EISDIR: 'it is a directory',
  ENOTDIR: 'part of its path is no directory',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
}

/** Why a file could not be read or written, in words. */
export function toFileError(
  code: 'FILE_UNREADABLE' | 'FILE_UNWRITABLE',
  path: string,
  error: unknown,
): LicensingError {
  if (error instanceof LicensingError) return error
  const errno = errnoCode(error) || 'unknown reason'
  const what = code === 'FILE_UNREADABLE' ? 'read' : 'written'
  return new LicensingError(code, `The file ${path} could not be ${what}: ${ERRNO_MESSAGES[errno] ?? errno}.`)
}

/** A file that was named on the command line. @throws LicensingError FILE_UNREADABLE */
export function readFileArgument(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw toFileError('FILE_UNREADABLE', path, error)
  }
}

/** A binary file that was named on the command line. @throws LicensingError FILE_UNREADABLE */
export function readBytesArgument(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw toFileError('FILE_UNREADABLE', path, error)
  }
}

/** All of standard input. */
export async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * A secret from where it was given: argument, file, standard input (`-`, or nothing given and input piped), or
 * a prompt that shows nothing.
 *
 * @throws LicensingError TOKEN_MISSING, FILE_UNREADABLE
 */
export async function readSecret(given: {
  argument?: string | undefined
  file?: string | undefined
  what: string
}): Promise<string> {
  if (given.file !== undefined && given.argument !== undefined)
    throw new LicensingError('USAGE', `The ${given.what} was given twice: as an argument and as a file.`)
  if (given.file !== undefined) return readFileArgument(given.file)
  if (given.argument !== undefined && given.argument !== '-') return given.argument
  if (given.argument === '-' || !process.stdin.isTTY) {
    const text = await readStandardInput()
    if (text.trim() === '')
      throw new LicensingError('TOKEN_MISSING', `No ${given.what} came on standard input.`, {
        remedy: 'Give it on standard input, or name a file that holds it.',
      })
    return text
  }
  const { default: password } = await import('@inquirer/password')
  return awaitAnswer(password({ message: given.what, mask: true }, { output: process.stderr }))
}

/** An answer from the terminal; one that was broken off is a no. Standard output is for the result alone. */
async function awaitAnswer<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch {
    throw new LicensingError('CONFIRMATION_REQUIRED', 'It was not answered; nothing was changed.', {
      remedy: 'Run it again and answer, if you mean it.',
    })
  }
}

/** Asks before something that cannot be undone. @throws LicensingError CONFIRMATION_REQUIRED */
export async function confirm(question: string, yes: boolean, remedy?: string): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY)
    throw new LicensingError('CONFIRMATION_REQUIRED', `${question} Nobody is there to answer.`, {
      ...(remedy !== undefined && { remedy }),
    })
  const { default: confirm } = await import('@inquirer/confirm')
  if (!(await awaitAnswer(confirm({ message: question, default: false }, { output: process.stderr })))) {
    throw new LicensingError('CONFIRMATION_REQUIRED', 'It was not confirmed; nothing was changed.', {
      remedy: 'Run it again and answer yes if you mean it.',
    })
  }
}
