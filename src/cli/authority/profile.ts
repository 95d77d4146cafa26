import type { Command } from 'commander'
import type { AuthorityCli } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `profile`. */
export function createProfileCommand({ json, withAuthority }: AuthorityCli): Command {
  const profile = createCommand('profile').description(
    'show and replace the product profile: tags, SKUs, periods and policies',
  )
  profile
    .command('show')
    .description('print the product profile')
    .action(() =>
      withAuthority(async (authority) => {
        const { printProfile } = await import('../format-profile.ts')
        await printProfile(authority.licenses.profile.current, json())
      }),
    )
  profile
    .command('preview')
    .description('show what a replacement would change')
    .argument('<file>', 'JSON file of the new profile')
    .action(async (file: string) => {
      const { readProfileArgument } = await import('../read-profile.ts')
      const wanted = readProfileArgument(file)
      await withAuthority(async (authority) => {
        const { changes, tagsInUse } = await authority.licenses.profile.preview(wanted)
        if (json()) {
          printJson({ changes, tagsInUse })
          return
        }
        const { formatProfileChanges } = await import('../format-profile.ts')
        printText(formatProfileChanges(changes))
        if (tagsInUse.length > 0)
          printText(`The replacement is refused while ${tagsInUse.join(', ')} is in use.`)
      })
    })
  profile
    .command('replace')
    .description('replace the product profile; satellites get it with their next synchronization')
    .argument('<file>', 'JSON file of the new profile')
    .option('--yes', 'do not ask for confirmation')
    .action(async (file: string, options: { yes?: boolean }) => {
      const [{ readProfileArgument }, { formatProfileChanges }, { confirm }] = await Promise.all([
        import('../read-profile.ts'),
        import('../format-profile.ts'),
        import('../secrets.ts'),
      ])
      const wanted = readProfileArgument(file)
      await withAuthority(async (authority) => {
        if (process.stdin.isTTY && !json()) {
          const { changes } = await authority.licenses.profile.preview(wanted)
          if (changes !== null) {
            printText(formatProfileChanges(changes))
            await confirm('Replace the product profile?', options.yes ?? false)
          }
        }
        const replaced = await authority.licenses.profile.replace(wanted)
        if (json()) printJson({ changes: replaced })
        else printText(replaced === null ? 'The profiles are equal.' : 'The product profile was replaced.')
      })
    })
  return profile
}
