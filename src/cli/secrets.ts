import { readFileSync } from 'node:fs'
import { LicensingError } from '../core/errors.ts'
import { errnoCode } from '../core/errno-code.ts'

const ERRNO_MESSAGES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  EISDIR: 'it is a directory',
  ENOTDIR: 'part of its path is not a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
}

/** Creates the error for a file that could not be read or written, with the reason as text. */
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

/** Reads a text file named on the command line. @throws LicensingError FILE_UNREADABLE */
export function readFileArgument(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw toFileError('FILE_UNREADABLE', path, error)
  }
}

/** Reads a binary file named on the command line. @throws LicensingError FILE_UNREADABLE */
export function readBytesArgument(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw toFileError('FILE_UNREADABLE', path, error)
  }
}

/** Reads standard input to its end. */
export async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Reads a secret from an argument, a file, standard input or a prompt with masked input. Standard input is read for `-`,
 * and without an argument when input is piped.
 *
 * @throws LicensingError FILE_UNREADABLE, USAGE, and `missing` if standard input is empty
 */
export async function readSecret(given: {
  argument?: string | undefined
  file?: string | undefined
  what: string
  /** Code of the error for empty standard input. */
  missing?: 'TOKEN_MISSING' | 'SECRET_MISSING'
}): Promise<string> {
  const { missing = 'SECRET_MISSING' } = given
  if (given.file !== undefined && given.argument !== undefined)
    throw new LicensingError('USAGE', `The ${given.what} was given twice: as an argument and as a file.`)
  if (given.file !== undefined) return readFileArgument(given.file)
  if (given.argument !== undefined && given.argument !== '-') return given.argument
  if (given.argument === '-' || !process.stdin.isTTY) {
    const text = await readStandardInput()
    if (text.trim() === '')
      throw new LicensingError(missing, `The ${given.what} is missing: standard input is empty.`, {
        remedy: `Give the ${given.what} on standard input, or name a file that holds it.`,
      })
    return text
  }
  const { default: password } = await import('@inquirer/password')
  return awaitAnswer(password({ message: given.what, mask: true }, { output: process.stderr }))
}

/** Awaits an answer from the terminal. An aborted prompt counts as a refusal. */
async function awaitAnswer<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch {
    throw new LicensingError('CONFIRMATION_REQUIRED', 'The question was not answered. Nothing was changed.', {
      remedy: 'Run the command again and answer the question.',
    })
  }
}

/** Asks for confirmation of an action that cannot be undone. @throws LicensingError CONFIRMATION_REQUIRED */
export async function confirm(question: string, yes: boolean, remedy?: string): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY)
    throw new LicensingError(
      'CONFIRMATION_REQUIRED',
      `${question} No terminal is available for the answer.`,
      {
        ...(remedy !== undefined && { remedy }),
      },
    )
  const { default: confirm } = await import('@inquirer/confirm')
  if (!(await awaitAnswer(confirm({ message: question, default: false }, { output: process.stderr })))) {
    throw new LicensingError('CONFIRMATION_REQUIRED', 'The action was not confirmed. Nothing was changed.', {
      remedy: 'Run the command again and answer yes.',
    })
  }
}
