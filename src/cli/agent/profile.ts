import type { Command } from 'commander'
import type { ProductProfile } from '../../core/profile.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `profile`. */
export function createProfileCommand({ json, call, dataDir }: AgentCli): Command {
  const profile = createCommand('profile').description(
    'show and replace the product profile: tags, periods and policies',
  )
  profile
    .command('show')
    .description('print the product profile')
    .action(async () => {
      const { printProfile } = await import('../format-profile.ts')
      await printProfile(await call<ProductProfile>('profile-show'), json())
    })
  profile
    .command('replace')
    .description('replace the product profile of an unregistered device')
    .argument('<file>', 'JSON file of the new profile')
    .action(async (file: string) => {
      const [{ SmartAgent }, { readProfileArgument }] = await Promise.all([
        import('../../index.ts'),
        import('../read-profile.ts'),
      ])
      const wanted = readProfileArgument(file)
      const agent = await SmartAgent.open({
        dataDir: dataDir(),
        profile: wanted,
        replaceProfile: 'if-unregistered',
        heartbeat: false,
      })
      await agent.close()
      if (json()) printJson({ profile: wanted })
      else printText('The device has the new product profile.')
    })
  return profile
}
