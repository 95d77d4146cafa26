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
  const instance = createCommand('instance').description('product instances of the smart account')
  const { json, withAuthority } = cli
  instance
    .command('list')
    .description('list them')
    .action(() =>
      withAuthority(async (authority, where) => {
        const instances = await authority.instances.list(where)
        if (json()) printJson({ instances })
        else {
          await printTable(
            ['Id', 'Product', 'Serial', 'Virtual account', 'Satellite', 'Status', 'Last contact', 'Licenses'],
            instances.map((one) => [
              one.id,
              one.udi.pid,
              one.udi.serial,
              one.virtualAccount,
              one.satellite ?? '',
              one.inReview ? `${one.status}, in review` : one.status,
              one.lastContactAt ?? 'never',
              one.entitlements.map(({ tag, count }) => `${tag} ${count}`).join(', '),
            ]),
          )
        }
      }),
    )
  instance
    .command('show')
    .description('show one')
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
    .description('remove one: its licenses go back to the pool')
    .argument('<id>')
    .option('--return-code <code>', 'of a box that works from a reservation; - for standard input')
    .option('--return-code-file <file>', 'read the return code from a file')
    .option('--lost-box <reason>', 'remove a box that is lost without its return code; this is recorded')
    .action((id: string, options: { returnCode?: string; returnCodeFile?: string; lostBox?: string }) =>
      withAuthority(async (authority, where) => {
        const { pid, serial, virtualAccount, removed } = await removeInstance(authority, where, id, options)
        if (json()) printJson({ removed })
        else printText(`${pid}, serial ${serial}, was removed; its licenses are back in ${virtualAccount}.`)
      }),
    )
  instance.addCommand(createTransferCommand('instance', cli))
  instance
    .command('review')
    .description('after a restore: it was looked at, and is as the list says')
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

/** Removes an instance in the way that fits it: a reservation ends by its return code, or by who answers for a lost box. */
async function removeInstance(
  authority: Authority,
  where: AccountSelector,
  id: string,
  options: { returnCode?: string; returnCodeFile?: string; lostBox?: string },
) {
  const { returnCode, returnCodeFile, lostBox } = options
  if (returnCode === undefined && returnCodeFile === undefined && lostBox === undefined) {
    const { id: removed, udi, virtualAccount } = await authority.instances.remove(id, where)
    return { ...udi, virtualAccount, removed }
  }
  if (lostBox !== undefined && (returnCode !== undefined || returnCodeFile !== undefined))
    throw new LicensingError('USAGE', 'A box that gave its return code is not lost: give one of both.')
  const ended =
    lostBox === undefined
      ? await authority.reservations.acceptReturnCode(
          id,
          await readCode({ argument: returnCode, file: returnCodeFile, what: 'return code' }),
          where,
        )
      : await authority.reservations.writeOff(id, { reason: lostBox, by: getUserName() }, where)
  return { ...ended.udi, virtualAccount: ended.virtualAccount, removed: ended.instanceId }
}
