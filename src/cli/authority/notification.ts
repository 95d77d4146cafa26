import type { Command } from 'commander'
import type { NotificationDocument } from '../../authority/notifications/notification-service.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** What is preselected where expiring licenses are asked for: 90 days before their end. */
const DEFAULT_EXPIRING_DAYS = '90'

/** What a notification tells, in words. */
const formatNotification = ({ daily, status, expiring }: NotificationDocument): string =>
  [
    ...(daily ? ['Daily Event Summary'] : []),
    ...(status ? ['Status Notification'] : []),
    ...(expiring.length > 0 ? [`licenses that end in ${expiring.join(', ')} days`] : []),
  ].join('; ')

/** The commands for people who are told by e-mail. */
export function createNotificationCommand({ json, withAuthority }: AuthorityCli): Command {
  const notification = createCommand('notification').description('people who are told by e-mail')
  notification
    .command('set')
    .description('choose what an address in the domain of the smart account is told')
    .argument('<recipient>', 'e-mail address')
    .option('--virtual-account <name>', 'of one virtual account only')
    .option('--daily', 'Daily Event Summary')
    .option('--status', 'Status Notification: a change of compliance, or of a major alert')
    .option(
      '--expiring [days]',
      `days before licenses end, of 90, 60 and 30: 90,30; without a number ${DEFAULT_EXPIRING_DAYS}`,
    )
    .action(
      (
        recipient: string,
        options: { virtualAccount?: string; daily?: boolean; status?: boolean; expiring?: string | true },
      ) =>
        withAuthority(async (authority, where) => {
          const { virtualAccount, daily = false, status = false, expiring } = options
          const days = expiring === true ? DEFAULT_EXPIRING_DAYS : (expiring ?? '')
          const set = await authority.operations.notifications.set(
            {
              recipient,
              daily,
              status,
              expiring:
                days === ''
                  ? []
                  : days.split(',').map((one) => parseWholeNumber(one.trim(), 'number of days')),
            },
            { ...where, virtualAccount },
          )
          if (json()) printJson(set)
          else
            printText(
              `${set.recipient} is told of ${set.virtualAccount ?? 'the smart account'}: ${formatNotification(set)}.`,
            )
        }),
    )
  notification
    .command('list')
    .description('list them')
    .action(() =>
      withAuthority(async (authority, where) => {
        const notifications = await authority.operations.notifications.list(where)
        if (json()) printJson({ notifications })
        else
          await printTable(
            ['Id', 'Recipient', 'Virtual account', 'Is told of'],
            notifications.map((one) => [
              one.id,
              one.recipient,
              one.virtualAccount ?? 'all',
              formatNotification(one),
            ]),
          )
      }),
    )
  notification
    .command('remove')
    .description('tell somebody nothing any more')
    .argument('<id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        await authority.operations.notifications.remove(id, where)
        if (json()) printJson({ removed: id })
        else printText(`The notification ${id} was removed.`)
      }),
    )
  return notification
}
