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
        ? 'register the box with a token'
        : 'register again with a new token, keeping the old registration until then',
    )
    .argument(
      '[token]',
      'registration token; better - for standard input, or --token-file: other users may see arguments',
    )
    .option('--token-file <file>', 'read the token from a file')
    .option('--force', 'overwrite the product instance at the authority')
    .option('--no-wait', 'do not wait for the outcome')
    .action(async (argument: string | undefined, options: RegisterOptions) => {
      const { readSecret } = await import('../secrets.ts')
      const token = await readSecret({ argument, file: options.tokenFile, what: 'registration token' })
      progress('Registration is under way …')
      await printStatus(
        await call<Status>(name, { token, force: options.force ?? false, wait: options.wait }),
      )
    })
}
