import type { Command } from 'commander'
import { type AuthorityCli, wholeNumber } from './authority-cli.ts'
import { printJson, printText } from './output.ts'

/** The commands for what is in doubt after a restore: a person has looked, and it is as it is. */
export function addReviewCommands(
  instance: Command,
  token: Command,
  { json, withAuthority }: AuthorityCli,
): void {
  instance
    .command('confirm')
    .description('after a restore: it was looked at, and is as the list says')
    .argument('<id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        const { udi, virtualAccount } = await authority.instances.review(id, where)
        if (json()) printJson({ confirmed: id })
        else printText(`${udi.pid}, serial ${udi.serial}, of ${virtualAccount} is confirmed.`)
      }),
    )
  token
    .command('confirm')
    .description('after a restore: it registers again')
    .argument('<token>', 'its id')
    .option('--uses <n>', 'how often it was used by now, where that is known to be more than the list says')
    .action((id: string, options: { uses?: string }) =>
      withAuthority(async (authority, where) => {
        const uses = options.uses === undefined ? {} : { uses: wholeNumber(options.uses, 'number of uses') }
        const confirmed = await authority.tokens.review(id, { ...where, ...uses })
        if (json()) printJson(confirmed)
        else printText(`Token ${confirmed.id} is confirmed.`)
      }),
    )
}
