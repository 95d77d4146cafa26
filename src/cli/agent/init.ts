import { type Command, Option } from 'commander'
import type { Size } from '../../conferencing/index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `init`. */
export function createInitCommand({ json, dataDir }: AgentCli): Command {
  return createCommand('init')
    .description('create the data directory of a new device')
    .requiredOption('--pid <pid>', 'product ID')
    .requiredOption('--serial <sn>', 'serial number')
    .option('--version <version>', 'product version', '1.0')
    .option('--profile <file>', 'JSON file of the product profile (default: the conferencing profile)')
    .addOption(
      new Option('--size <size>', 'deployment size')
        .choices(['micro', 'small', 'medium', 'large'])
        .default('small'),
    )
    .option(
      '--trust <file>',
      'root certificate of the authority, as `smart-authority trust export` prints it',
    )
    .option('--tls-ca <file>', 'additional CA certificate for TLS')
    .action(
      async (options: {
        pid: string
        serial: string
        version: string
        size: Size
        profile?: string
        trust?: string
        tlsCa?: string
      }) => {
        const [{ SmartAgent }, { conferencing }, { readFileArgument }, { readProfileArgument }] =
          await Promise.all([
            import('../../index.ts'),
            import('../../conferencing/index.ts'),
            import('../secrets.ts'),
            import('../read-profile.ts'),
          ])
        await SmartAgent.init({
          dataDir: dataDir(),
          product: {
            pid: options.pid,
            serial: options.serial,
            version: options.version,
          },
          module: conferencing({ size: options.size }),
          ...(options.profile !== undefined && {
            profile: readProfileArgument(options.profile),
          }),
          ...(options.trust !== undefined && { trust: readFileArgument(options.trust) }),
          ...(options.tlsCa !== undefined && { tlsCa: readFileArgument(options.tlsCa) }),
        })
        if (json()) printJson({ dataDir: dataDir() })
        else
          printText(
            `The agent for ${options.pid}, serial ${options.serial}, was created in ${dataDir()}. Its evaluation period has begun.`,
          )
      },
    )
}
