import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { SecretFiles } from '../storage/private-files.ts'
import type { SignInDesk } from './auth-service.ts'

const FIRST_PASSWORD = 'first-password'

/** Where the pages keep what is theirs, in a data directory. */
export const consoleDirectory = (dataDir: string): string => join(dataDir, 'console')

/**
 * Makes the first user where there is none. Their one-time password goes into a file for its owner alone, not into a log.
 *
 * @returns that file, as long as the password in it is good; null after it was changed
 */
export async function firstPassword(desk: SignInDesk, dataDir: string): Promise<string | null> {
  const directory = consoleDirectory(dataDir)
  const files = new SecretFiles(directory)
  await desk.begin((password) => {
    files.put(FIRST_PASSWORD, `${password}\n`)
  })
  return files.has(FIRST_PASSWORD) ? join(directory, FIRST_PASSWORD) : null
}

/** The first password was changed, or set anew: what the file holds is good for nothing. */
export function forgetFirstPassword(dataDir: string): void {
  rmSync(join(consoleDirectory(dataDir), FIRST_PASSWORD), { force: true })
}
