import { Option } from 'commander'
import type { Authority } from '../../authority/authority.ts'

/** Where the root's key is, for a command that needs it. */
export interface RootKeyOptions {
  readonly rootKey?: string
  readonly passphraseFile?: string
}

/** The options of a command that the root's key is needed for. */
export const createRootKeyOptions = (): Option[] => [
  new Option(
    '--root-key <file>',
    'the root’s key, from `trust root export`, where it is not on this machine',
  ),
  new Option(
    '--passphrase-file <file>',
    'read the passphrase of that file from a file; - for standard input',
  ),
]

/** A passphrase from a file, standard input or the terminal. */
export async function readPassphrase(file: string | undefined, what: string): Promise<string> {
  const { readSecret } = await import('../secrets.ts')
  const given = file === '-' ? { argument: '-' } : { file }
  return (await readSecret({ ...given, what })).replace(/\r?\n$/, '')
}

/**
 * Brings the root's key for this one command, where it is given.
 *
 * @returns its passphrase; null where no key was given
 */
export async function loadRootKey(authority: Authority, options: RootKeyOptions): Promise<string | null> {
  const { rootKey, passphraseFile } = options
  if (rootKey === undefined) return null
  const { readBytesArgument } = await import('../secrets.ts')
  const file = readBytesArgument(rootKey)
  const passphrase = await readPassphrase(passphraseFile, 'passphrase of the root’s key')
  await authority.security.trust.loadRootKey(file, passphrase)
  return passphrase
}
