import type { Command } from 'commander'
import type { Authority } from '../../authority/authority.ts'
import type { AccountSelector } from '../../authority/context/authority-context.ts'
import { LicensingError } from '../../core/errors.ts'
import { runAudited } from './audited-command.ts'

/** Program options and access to the authority, passed to each command. */
export interface AuthorityCli {
  readonly json: () => boolean
  readonly dataDir: () => string
  /** PostgreSQL URL given by the user. Undefined selects the database recorded in the data directory. */
  readonly database: () => string | undefined
  /** Smart account given with `--account`. */
  readonly account: () => string | undefined
  /** Opens the authority, runs `work` on behalf of the current user, and closes the authority. */
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

/** Creates the context shared by all commands. The program options are read when a command runs. */
export function createAuthorityCli(program: Command): AuthorityCli {
  const globals = () => program.opts<GlobalOptions>()
  const dataDir = () =>
    globals().dataDir ?? process.env.SMART_AUTHORITY_DATA_DIR ?? '/var/lib/smart-authority'
  // The environment variable hides a password in the URL from other users, who can see arguments.
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

/** Parses a whole number of 0 or more. @throws LicensingError INVALID_ARGUMENT */
export function parseWholeNumber(text: string, what: string): number {
  if (!/^\d{1,12}$/.test(text))
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The ${what} ${JSON.stringify(text)} is not a whole number of 0 or more.`,
    )
  return Number(text)
}
