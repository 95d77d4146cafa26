import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'

interface RegisterOptions {
  tokenFile?: string
  force?: boolean
  wait: boolean
}

/** Creates the command `register` or `reregister`. */
export function createRegisterCommand(
  name: 'register' | 'reregister',
  { call, printStatus, progress }: AgentCli,
): Command {
  return createCommand(name)
    .description(
      name === 'register'
        ? 'register the device with a token'
        : 'register again with a new token; the old registration stays valid until the new one succeeds',
    )
    .argument(
      '[token]',
      'registration token, or - for standard input; other users can see arguments, so prefer - or --token-file',
    )
    .option('--token-file <file>', 'read the token from a file')
    .option('--force', 'overwrite the product instance at the authority')
    .option('--no-wait', 'do not wait for the outcome')
    .action(async (argument: string | undefined, options: RegisterOptions) => {
      const { readSecret } = await import('../secrets.ts')
      const token = await readSecret({
        argument,
        file: options.tokenFile,
        what: 'registration token',
        missing: 'TOKEN_MISSING',
      })
      progress('Registering …')
      await printStatus(
        await call<Status>(name, { token, force: options.force ?? false, wait: options.wait }),
      )
    })
}
