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
    .description('buy licenses, and see what was bought')
    .addHelpText('after', '\n`order --sku …` and `order --tag …` place one: see `order place --help`.')

  order
    .command('place', { isDefault: true })
    .description('buy licenses into a virtual account; for a buyer without a smart account, --buyer')
    .option('--sku <sku>', 'SKU of the catalog')
    .option('--tag <tag>', 'entitlement tag')
    .requiredOption('--quantity <n>', 'how many')
    .option('--virtual-account <name>', 'the virtual account; the default one unless named')
    .option('--term <days>', 'days the licenses last; for ever unless given')
    .option('--buyer <address>', 'e-mail of a buyer who has no smart account yet')
    .action((options: OrderOptions) =>
      withAuthority(async (authority, where) => {
        const { sku, tag, virtualAccount, buyer } = options
        if (buyer !== undefined && virtualAccount !== undefined)
          throw new LicensingError(
            'USAGE',
            'A buyer without a smart account has no virtual account: give one of both.',
          )
        const wanted = {
          sku,
          tag,
          quantity: parseWholeNumber(options.quantity, 'quantity'),
          termDays: options.term === undefined ? undefined : parseWholeNumber(options.term, 'term'),
        }
        const placed =
          buyer === undefined
            ? await authority.orders.create({ ...where, virtualAccount, ...wanted })
            : await authority.orders.createForBuyer({ ...wanted, buyer })
        if (json()) printJson(placed)
        else printText(formatOrder(placed))
      }),
    )
  order
    .command('list')
    .description('what was bought, and what waits for a smart account')
    .action(() =>
      withAuthority(async (authority, where) => {
        const orders = await authority.orders.list(where)
        if (json()) printJson({ orders })
        else
          await printTable(
            ['Id', 'Placed', 'What', 'Status', 'Virtual account', 'Buyer', 'Reminders'],
            orders.map((one) => [
              one.id,
              one.placedAt,
              one.tag === null ? `version ${one.version ?? ''}` : `${one.quantity} of ${one.tag}`,
              one.status,
              one.virtualAccount ?? '-',
              one.buyer ?? '-',
              one.reminders,
            ]),
          )
      }),
    )
  order
    .command('assign')
    .description('assign an order that waited to a virtual account')
    .argument('<id>')
    .option('--virtual-account <name>', 'the virtual account; the default one unless named')
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
  const what =
    order.tag === null ? `software version ${order.version ?? ''}` : `${order.quantity} of ${order.tag}`
  if (order.status !== 'fulfilled')
    return `${what}: order ${order.id} ${order.status === 'waiting' ? 'waits for a smart account' : 'is for a person to call about'}.`
  return `${what} ordered into ${order.virtualAccount ?? ''}${order.endsAt === null ? '' : `, until ${order.endsAt}`}.`
}

interface OrderOptions {
  sku?: string
  tag?: string
  quantity: string
  virtualAccount?: string
  term?: string
  buyer?: string
}
