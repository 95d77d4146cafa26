import { readFileSync } from 'node:fs'
import { LicensingError } from '../domain/errors.ts'

/** A file that was named on the command line. @throws LicensingError FILE_UNREADABLE */
export function readNamedFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown reason'
    throw new LicensingError('FILE_UNREADABLE', `The file ${path} could not be read (${code}).`)
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
  if (given.file !== undefined) return readNamedFile(given.file)
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
  return password({ message: given.what, mask: true })
}

/** Asks before something that cannot be undone. @throws LicensingError CONFIRMATION_REQUIRED */
export async function confirmOrRefuse(question: string, yes: boolean): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY)
    throw new LicensingError('CONFIRMATION_REQUIRED', `${question} Nobody is there to answer.`)
  const { default: confirm } = await import('@inquirer/confirm')
  if (!(await confirm({ message: question, default: false }))) {
    throw new LicensingError('CONFIRMATION_REQUIRED', 'It was not confirmed; nothing was changed.', {
      remedy: 'Run it again and answer yes if you mean it.',
    })
  }
}
