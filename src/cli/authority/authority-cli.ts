import type { Command } from 'commander'
import type { Authority } from '../../authority/authority.ts'
import type { AccountSelector } from '../../authority/context/authority-context.ts'
import { LicensingError } from '../../core/errors.ts'
import { runAudited } from './audited-command.ts'

/** Options of the program, and access to the authority, for its commands. */
export interface AuthorityCli {
  readonly json: () => boolean
  readonly dataDir: () => string
  /** The PostgreSQL database that was named; undefined for the one the data directory has. */
  readonly database: () => string | undefined
  /** The smart account that was named. */
  readonly account: () => string | undefined
  /** Opens the authority, does one thing on behalf of the user of the command, closes it. */
  readonly withAuthority: <T>(
    work: (authority: Authority, where: AccountSelector) => Promise<T> | T,
  ) => Promise<T>
}

interface GlobalOptions {
  dataDir?: string
  database?: string
  account?: string
  json?: boolean
}

/** Creates what the commands of a program share. The options are read when a command runs. */
export function createAuthorityCli(program: Command): AuthorityCli {
  const globals = () => program.opts<GlobalOptions>()
  const dataDir = () =>
    globals().dataDir ?? process.env.SMART_AUTHORITY_DATA_DIR ?? '/var/lib/smart-authority'
  // Given as an argument it may hold a password, which the environment keeps to this user.
  const database = () => globals().database ?? process.env.SMART_AUTHORITY_DATABASE
  let running: Command | null = null
  program.hook('preAction', (_, command) => {
    running = command
  })
  return {
    json: () => globals().json ?? false,
    dataDir,
    database,
    account: () => globals().account,
    withAuthority: async (work) => {
      const { Authority } = await import('../../authority/authority.ts')
      const authority = await Authority.open({ dataDir: dataDir(), database: database() })
      try {
        return await runAudited(authority, running, () => work(authority, { account: globals().account }))
      } finally {
        await authority.close()
      }
    },
  }
}

/** A whole number of the command line. @throws LicensingError INVALID_ARGUMENT */
export function parseWholeNumber(text: string, what: string): number {
  if (!/^\d{1,12}$/.test(text))
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The ${what} ${JSON.stringify(text)} is not a whole number, 0 or more.`,
    )
  return Number(text)
}
