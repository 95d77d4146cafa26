import { Option } from 'commander'
import type { Authority } from '../../authority/authority.ts'

/** Location of the root key, for commands that need it. */
export interface RootKeyOptions {
  readonly rootKey?: string
  readonly passphraseFile?: string
}

/** Creates the options of commands that need the root key. */
export const createRootKeyOptions = (): Option[] => [
  new Option(
    '--root-key <file>',
    'root key file from `trust root export`; required when the key is not on this host',
  ),
  new Option(
    '--passphrase-file <file>',
    'read the passphrase of the root key from a file; - for standard input',
  ),
]

/** Reads a passphrase from a file, standard input or the terminal. */
export async function readPassphrase(file: string | undefined, what: string): Promise<string> {
  const { readSecret } = await import('../secrets.ts')
  const given = file === '-' ? { argument: '-' } : { file }
  return (await readSecret({ ...given, what })).replace(/\r?\n$/, '')
}

/**
 * Loads the root key for this one command, if `--root-key` is given.
 *
 * @returns the passphrase of the key, or null without `--root-key`
 */
export async function loadRootKey(authority: Authority, options: RootKeyOptions): Promise<string | null> {
  const { rootKey, passphraseFile } = options
  if (rootKey === undefined) return null
  const { readBytesArgument } = await import('../secrets.ts')
  const file = readBytesArgument(rootKey)
  const passphrase = await readPassphrase(passphraseFile, 'passphrase of the root key')
  await authority.security.trust.loadRootKey(file, passphrase)
  return passphrase
}
