import type { Command } from 'commander'
import type { Authority } from '../../authority/authority.ts'
import type { AccountSelector } from '../../authority/context/authority-context.ts'
import { LicensingError } from '../../core/errors.ts'
import { getUserName } from './audited-command.ts'
import type { AuthorityCli } from './authority-cli.ts'
import { readCode } from '../codes.ts'
import { createTransferCommand } from './transfer.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `instance`. */
export function createInstanceCommand(cli: AuthorityCli): Command {
  const instance = createCommand('instance').description('manage the product instances of the smart account')
  const { json, withAuthority } = cli
  instance
    .command('list')
    .description('list the product instances')
    .action(() =>
      withAuthority(async (authority, where) => {
        const instances = await authority.instances.list(where)
        if (json()) printJson({ instances })
        else {
          await printTable(
            ['ID', 'Product', 'Serial', 'Virtual account', 'Satellite', 'Status', 'Last contact', 'Licenses'],
            instances.map((instance) => [
              instance.id,
              instance.udi.pid,
              instance.udi.serial,
              instance.virtualAccount,
              instance.satellite ?? '',
              instance.inReview ? `${instance.status}, in review` : instance.status,
              instance.lastContactAt ?? 'never',
              instance.entitlements.map(({ tag, count }) => `${tag} ${count}`).join(', '),
            ]),
          )
        }
      }),
    )
  instance
    .command('show')
    .description('show a product instance')
    .argument('<id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        const found = await authority.instances.get(id, where)
        if (json()) printJson(found)
        else printText(JSON.stringify(found, null, 2))
      }),
    )
  instance
    .command('remove')
    .description('remove a product instance and return its licenses to the pool')
    .argument('<id>')
    .option('--return-code <code>', 'return code of a device with a reservation; - for standard input')
    .option('--return-code-file <file>', 'read the return code from a file')
    .option('--without-return-code', 'remove a lost device that works from a reservation; needs --reason')
    .option(
      '--reason <text>',
      'why the device has no return code; recorded in the event log and the audit log',
    )
    .action((id: string, options: RemoveOptions) =>
      withAuthority(async (authority, where) => {
        const { pid, serial, virtualAccount, removed } = await removeInstance(authority, where, id, options)
        if (json()) printJson({ removed })
        else
          printText(`${pid}, serial ${serial}, was removed. Its licenses were returned to ${virtualAccount}.`)
      }),
    )
  instance.addCommand(createTransferCommand('instance', cli))
  instance
    .command('review')
    .description('mark a product instance as reviewed after a restore')
    .argument('<id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        const { udi, virtualAccount } = await authority.instances.review(id, where)
        if (json()) printJson({ confirmed: id })
        else printText(`${udi.pid}, serial ${udi.serial}, of ${virtualAccount} is confirmed.`)
      }),
    )

  return instance
}

interface RemoveOptions {
  returnCode?: string
  returnCodeFile?: string
  withoutReturnCode?: boolean
  reason?: string
}

/** Removes an instance. A reservation ends by its return code, or by a reason when the device is lost. */
async function removeInstance(
  authority: Authority,
  where: AccountSelector,
  id: string,
  options: RemoveOptions,
) {
  const { returnCode, returnCodeFile, withoutReturnCode = false, reason } = options
  if (withoutReturnCode !== (reason !== undefined))
    throw new LicensingError(
      'USAGE',
      '--without-return-code and --reason belong together. Give both, or neither.',
    )
  if (returnCode === undefined && returnCodeFile === undefined && reason === undefined) {
    const { id: removed, udi, virtualAccount } = await authority.instances.remove(id, where)
    return { ...udi, virtualAccount, removed }
  }
  if (reason !== undefined && (returnCode !== undefined || returnCodeFile !== undefined))
    throw new LicensingError(
      'USAGE',
      '--without-return-code cannot be combined with a return code. Give one of the two.',
    )
  const ended =
    reason === undefined
      ? await authority.reservations.acceptReturnCode(
          id,
          await readCode({ argument: returnCode, file: returnCodeFile, what: 'return code' }),
          where,
        )
      : await authority.reservations.writeOff(id, { reason, by: getUserName() }, where)
  return { ...ended.udi, virtualAccount: ended.virtualAccount, removed: ended.instanceId }
}
