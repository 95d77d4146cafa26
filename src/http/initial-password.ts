import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { SecretFileStore } from '../storage/private-files.ts'
import type { AuthService } from './auth-service.ts'

const INITIAL_PASSWORD_FILE = 'first-password'

/** Returns the directory of the console's files in a data directory. */
export const getConsoleDirectory = (dataDir: string): string => join(dataDir, 'console')

/**
 * Creates the first user if there is none, and stores the one-time password in a private file instead of a log.
 *
 * @returns path of the file while its password is valid; null after the password was changed
 */
export async function ensureInitialPassword(auth: AuthService, dataDir: string): Promise<string | null> {
  const directory = getConsoleDirectory(dataDir)
  const files = new SecretFileStore(directory)
  await auth.ensureInitialUser((password) => {
    files.put(INITIAL_PASSWORD_FILE, `${password}\n`)
  })
  return files.has(INITIAL_PASSWORD_FILE) ? join(directory, INITIAL_PASSWORD_FILE) : null
}

/** Deletes the file of the one-time password once the password is no longer valid. */
export function deleteInitialPassword(dataDir: string): void {
  rmSync(join(getConsoleDirectory(dataDir), INITIAL_PASSWORD_FILE), { force: true })
}
