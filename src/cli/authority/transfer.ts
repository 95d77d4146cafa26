import type { Command } from 'commander'
import type { Authority } from '../../authority/authority.ts'
import type { AccountSelector } from '../../authority/context/authority-context.ts'
import type { TransferDocument } from '../../authority/inventory/transfers.ts'
import type { TransferOptions } from '../../authority/services/transfer.ts'
import { LicensingError } from '../../core/errors.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

interface Options {
  from?: string
  to: string
  tag?: string
  quantity?: string
  yes?: boolean
  dryRun?: boolean
}

type Transfer = (authority: Authority, where: AccountSelector & TransferOptions) => Promise<TransferDocument>

/** Creates `license transfer` or `instance transfer`. Both show the effects before asking for confirmation. */
export function createTransferCommand(
  what: 'license' | 'instance',
  { json, withAuthority }: AuthorityCli,
): Command {
  const run = (options: Options, transfer: Transfer) =>
    withAuthority(async (authority, where) => {
      const { dryRun = false, yes = false } = options
      const preview = await transfer(authority, { ...where, preview: true })
      const asks = process.stdin.isTTY && !json() && !yes && !dryRun
      if (!json() && (dryRun || asks)) await printEffects(preview)
      if (dryRun) {
        if (json()) printJson(preview)
        return
      }
      if (asks) {
        const { confirm } = await import('../secrets.ts')
        await confirm(`Transfer ${preview.what} from ${preview.from} to ${preview.to}?`, false)
      }
      const done = await transfer(authority, { ...where, confirmed: yes || asks })
      if (json()) printJson(done)
      else {
        if (!asks) await printEffects(done)
        printText(
          done.status === 'waiting'
            ? `${done.what} will move from ${done.from} to ${done.to} after the satellite has confirmed: see \`satellite list\`.`
            : `${done.what} moved from ${done.from} to ${done.to}.`,
        )
      }
    })
  const command = createCommand('transfer')
    .description(
      what === 'license'
        ? 'move licenses from one virtual account to another'
        : 'move a registered product instance and its usage to another virtual account',
    )
    .requiredOption('--to <name>', 'target virtual account')
    .option('--dry-run', 'show the effects without making changes')
    .option('--yes', 'do not ask for confirmation, even if a pool becomes out of compliance')
  if (what === 'instance') {
    command
      .argument('<id>')
      .action((id: string, options: Options) =>
        run(options, (authority, where) => authority.instances.transfer(id, { ...where, to: options.to })),
      )
  } else {
    command
      .option('--from <name>', 'source virtual account (default: the default virtual account)')
      .requiredOption('--tag <tag>', 'entitlement tag')
      .requiredOption('--quantity <n>', 'number of licenses')
      .action((options: Options) =>
        run(options, async (authority, where) => {
          const from =
            options.from ??
            (await authority.accounts.listVirtualAccounts(where)).find(({ isDefault }) => isDefault)?.name
          if (from === undefined)
            throw new LicensingError('USAGE', 'The source virtual account is missing. Give --from NAME.')
          return authority.licenses.transfer({
            ...where,
            tag: options.tag ?? '',
            quantity: parseWholeNumber(options.quantity ?? '', 'quantity'),
            from,
            to: options.to,
          })
        }),
      )
  }
  return command
}

async function printEffects({ effects }: TransferDocument): Promise<void> {
  const format = (counts: TransferDocument['effects'][number]['before']) =>
    `${counts.quantity} owned, ${counts.inUse + counts.reserved} in use: ${counts.status === 'in-compliance' ? 'in compliance' : 'OUT OF COMPLIANCE'}`
  if (effects.length === 0) return
  await printTable(
    ['Virtual account', 'Tag', 'Before', 'After'],
    effects.map((effect) => [effect.virtualAccount, effect.tag, format(effect.before), format(effect.after)]),
  )
}
