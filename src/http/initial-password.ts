import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { SecretFileStore } from '../storage/private-files.ts'
import type { AuthService } from './auth-service.ts'

const INITIAL_PASSWORD_FILE = 'first-password'

/** Where the pages keep what is theirs, in a data directory. */
export const getConsoleDirectory = (dataDir: string): string => join(dataDir, 'console')

/**
 * Makes the first user where there is none. Their one-time password goes into a file for its owner alone, not into a log.
 *
 * @returns that file, as long as the password in it is good; null after it was changed
 */
export async function ensureInitialPassword(auth: AuthService, dataDir: string): Promise<string | null> {
  const directory = getConsoleDirectory(dataDir)
  const files = new SecretFileStore(directory)
  await auth.ensureInitialUser((password) => {
    files.put(INITIAL_PASSWORD_FILE, `${password}\n`)
  })
  return files.has(INITIAL_PASSWORD_FILE) ? join(directory, INITIAL_PASSWORD_FILE) : null
}

/** The first password was changed, or set anew: what the file holds is good for nothing. */
export function deleteInitialPassword(dataDir: string): void {
  rmSync(join(getConsoleDirectory(dataDir), INITIAL_PASSWORD_FILE), { force: true })
}
