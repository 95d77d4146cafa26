import type { Command } from 'commander'
import type { NotificationDocument } from '../../authority/notifications/notification-service.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Days before the end of a license at which `--expiring` warns by default. */
const DEFAULT_EXPIRING_DAYS = '90'

/** Formats the contents of a notification as text. */
const formatNotification = ({ daily, status, expiring }: NotificationDocument): string =>
  [
    ...(daily ? ['Daily Event Summary'] : []),
    ...(status ? ['Status Notification'] : []),
    ...(expiring.length > 0 ? [`licenses that end in ${expiring.join(', ')} days`] : []),
  ].join('; ')

/** Creates the command `notification`. */
export function createNotificationCommand({ json, withAuthority }: AuthorityCli): Command {
  const notification = createCommand('notification').description('manage e-mail notifications')
  notification
    .command('set')
    .description('set the notifications for an e-mail address in the domain of the smart account')
    .argument('<recipient>', 'e-mail address')
    .option('--virtual-account <name>', 'limit to one virtual account')
    .option('--daily', 'Daily Event Summary')
    .option('--status', 'Status Notification: changes of compliance and of major alerts')
    .option(
      '--expiring [days]',
      `days before licenses end: 90, 60 or 30, as in 90,30 (default: ${DEFAULT_EXPIRING_DAYS})`,
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
                  : days.split(',').map((text) => parseWholeNumber(text.trim(), 'number of days')),
            },
            { ...where, virtualAccount },
          )
          if (json()) printJson(set)
          else
            printText(
              `${set.recipient} is notified about ${set.virtualAccount ?? 'the smart account'}: ${formatNotification(set)}.`,
            )
        }),
    )
  notification
    .command('list')
    .description('list the notifications')
    .action(() =>
      withAuthority(async (authority, where) => {
        const notifications = await authority.operations.notifications.list(where)
        if (json()) printJson({ notifications })
        else
          await printTable(
            ['ID', 'Recipient', 'Virtual account', 'Notifications'],
            notifications.map((notification) => [
              notification.id,
              notification.recipient,
              notification.virtualAccount ?? 'all',
              formatNotification(notification),
            ]),
          )
      }),
    )
  notification
    .command('remove')
    .description('remove a notification')
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
