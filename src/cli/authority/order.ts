import type { Command } from 'commander'
import type { OrderDocument } from '../../authority/inventory/orders.ts'
import { LicensingError } from '../../core/errors.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `order`. */
export function createOrderCommand({ json, withAuthority }: AuthorityCli): Command {
  const order = createCommand('order')
    .description('order licenses and list orders')
    .addHelpText('after', '\n`order --sku …` and `order --tag …` place an order: see `order place --help`.')

  order
    .command('place', { isDefault: true })
    .description('order licenses for a virtual account, or with --buyer for a buyer without a smart account')
    .option('--sku <sku>', 'SKU in the catalog')
    .option('--tag <tag>', 'entitlement tag')
    .requiredOption('--quantity <n>', 'number of licenses')
    .option('--virtual-account <name>', 'virtual account (default: the default virtual account)')
    .option('--term <days>', 'validity in days (default: perpetual)')
    .option('--buyer <address>', 'e-mail address of a buyer without a smart account')
    .action((options: OrderOptions) =>
      withAuthority(async (authority, where) => {
        const { sku, tag, virtualAccount, buyer } = options
        if (buyer !== undefined && virtualAccount !== undefined)
          throw new LicensingError(
            'USAGE',
            '--buyer cannot be combined with --virtual-account. Give one of the two.',
          )
        const item = {
          sku,
          tag,
          quantity: parseWholeNumber(options.quantity, 'quantity'),
          termDays: options.term === undefined ? undefined : parseWholeNumber(options.term, 'term'),
        }
        const placed =
          buyer === undefined
            ? await authority.orders.create({ ...where, virtualAccount, ...item })
            : await authority.orders.createForBuyer({ ...item, buyer })
        if (json()) printJson(placed)
        else printText(formatOrder(placed))
      }),
    )
  order
    .command('list')
    .description('list the orders, including those waiting for a smart account')
    .action(() =>
      withAuthority(async (authority, where) => {
        const orders = await authority.orders.list(where)
        if (json()) printJson({ orders })
        else
          await printTable(
            ['ID', 'Placed', 'Item', 'Status', 'Virtual account', 'Buyer', 'Reminders'],
            orders.map((order) => [
              order.id,
              order.placedAt,
              order.tag === null ? `version ${order.version ?? ''}` : `${order.quantity} of ${order.tag}`,
              order.status,
              order.virtualAccount ?? '-',
              order.buyer ?? '-',
              order.reminders,
            ]),
          )
      }),
    )
  order
    .command('assign')
    .description('assign a waiting order to a virtual account')
    .argument('<id>')
    .option('--virtual-account <name>', 'virtual account (default: the default virtual account)')
    .action((id: string, options: { virtualAccount?: string }) =>
      withAuthority(async (authority, where) => {
        const assigned = await authority.orders.assign(id, {
          ...where,
          virtualAccount: options.virtualAccount,
        })
        if (json()) printJson(assigned)
        else printText(formatOrder(assigned))
      }),
    )

  return order
}

/** Formats an order as one line. */
function formatOrder(order: OrderDocument): string {
  const item =
    order.tag === null ? `software version ${order.version ?? ''}` : `${order.quantity} of ${order.tag}`
  if (order.status !== 'fulfilled')
    return `${item}: order ${order.id} ${order.status === 'waiting' ? 'is waiting for a smart account' : 'needs a call to the buyer'}.`
  return `${item} ordered into ${order.virtualAccount ?? ''}${order.endsAt === null ? '' : `, until ${order.endsAt}`}.`
}

interface OrderOptions {
  sku?: string
  tag?: string
  quantity: string
  virtualAccount?: string
  term?: string
  buyer?: string
}
