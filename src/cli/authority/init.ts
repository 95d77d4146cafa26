import type { Command } from 'commander'
import { LicensingError } from '../../core/errors.ts'
import type { AuthorityCli } from './authority-cli.ts'
import { parseEndpoint } from './manager-endpoint.ts'
import { readCode } from '../codes.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import type { ProxyOptions } from '../proxy-settings.ts'

/** Creates the command `init`. */
export function createInitCommand(cli: AuthorityCli): Command {
  const { json, dataDir, database } = cli
  return createCommand('init')
    .description(
      'create the data directory of a new authority with its first smart account (--account DOMAIN)',
    )
    .option('--role <role>', 'manager or satellite', 'manager')
    .option('--profile <file>', 'JSON file of the product profile (default: the conferencing profile)')
    .option('--accept-agreement', 'accept the license agreement of the smart account')
    .option('--allow-fault-injection', 'allow fault injection; agents display a test-mode warning')
    .option('--name <name>', 'satellite: its name at the manager, as given to `satellite add`')
    .option(
      '--trust <file>',
      'satellite: root certificate of the manager (default: the one in the first answer of the manager, after you confirm it)',
    )
    .option(
      '--manager <url>',
      'satellite: URL of the manager; without it, the satellite synchronizes offline by files',
    )
    .option(
      '--code-file <file>',
      'satellite: read the one-time code of `satellite add` from a file; - for standard input',
    )
    .option('--via <proxy>', 'satellite: reach the manager through a proxy, http[s]://HOST[:3128]')
    .option('--username <user>', 'satellite: user name for the proxy; the password is prompted for')
    .option('--password-file <file>', 'satellite: read the password from a file')
    .action(async (options: InitOptions) => {
      const account = cli.account()
      if (account === undefined)
        throw new LicensingError('USAGE', 'The smart account is missing. Give --account DOMAIN.')
      const satellite = await readSatelliteOptions(options)
      const profile =
        options.profile === undefined
          ? null
          : (await import('../read-profile.ts')).readProfileArgument(options.profile)
      const { manager, name } = options
      const { Authority } = await import('../../authority/authority.ts')
      await Authority.init({
        dataDir: dataDir(),
        account,
        acceptAgreement: options.acceptAgreement ?? false,
        test: options.allowFaultInjection ?? false,
        database: database(),
        ...(profile && { profile }),
        ...(satellite && { satellite }),
      })
      if (json()) printJson({ dataDir: dataDir(), account, role: options.role, ...(satellite && { name }) })
      else if (satellite)
        printText(
          `The satellite ${satellite.name} for ${account} was created in ${dataDir()}. ${manager === undefined ? 'To register it, run `sync export FILE`, take the file to the manager, and import the answer with `sync import`' : 'Register it with `sync run`'}.`,
        )
      else
        printText(
          `The authority for ${account} was created in ${dataDir()}. Serve it with \`smart-authority serve\`.`,
        )
    })
}

interface InitOptions extends ProxyOptions {
  role: string
  profile?: string
  acceptAgreement?: boolean
  allowFaultInjection?: boolean
  name?: string
  trust?: string
  manager?: string
  codeFile?: string
}

/** Reads the options of a satellite, or returns undefined for a manager. @throws LicensingError USAGE, INVALID_ARGUMENT, FILE_UNREADABLE */
async function readSatelliteOptions(options: InitOptions) {
  const { role, name, trust, manager, codeFile, profile } = options
  if (role !== 'manager' && role !== 'satellite')
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The role ${JSON.stringify(role)} is unknown. Choose manager or satellite.`,
    )
  if (role === 'manager') {
    if (name !== undefined || trust !== undefined || manager !== undefined || codeFile !== undefined)
      throw new LicensingError(
        'USAGE',
        '--name, --trust, --manager and --code-file require --role satellite.',
      )
    return undefined
  }
  if (profile !== undefined)
    throw new LicensingError(
      'USAGE',
      '--profile requires --role manager. A satellite gets the profile of its manager.',
    )
  if (name === undefined)
    throw new LicensingError('USAGE', 'The name of the satellite is missing. Give --name NAME.')
  if (manager !== undefined && trust === undefined)
    throw new LicensingError(
      'USAGE',
      '--manager requires the root certificate of the manager. Give --trust ROOT.pem, from `trust export` at the manager.',
    )
  const { readFileArgument } = await import('../secrets.ts')
  return {
    name,
    ...(trust !== undefined && { trust: readFileArgument(trust) }),
    ...(manager !== undefined && { manager: await parseEndpoint(manager, options) }),
    ...(codeFile !== undefined && {
      code: await readCode({
        ...(codeFile === '-' ? { argument: '-' } : { file: codeFile }),
        what: 'one-time code',
      }),
    }),
  }
}
