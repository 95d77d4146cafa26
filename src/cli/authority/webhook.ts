import { type Command, Option } from 'commander'
import type { EventDocument } from '../../authority/events/event-log.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

interface AddOptions {
  readonly secretFile?: string
  readonly type?: string[]
  readonly severity?: EventDocument['severity']
  readonly ca?: string
}

/** Creates the command `webhook`. */
export function createWebhookCommand({ json, withAuthority }: AuthorityCli): Command {
  const webhook = createCommand('webhook').description('manage webhooks that receive events')
  webhook
    .command('add')
    .description('add a webhook and print its secret, which is not shown again')
    .argument('<url>', 'https URL of the receiver, or http on this host')
    .option('--secret-file <file>', 'file with the secret, whsec_… (default: a generated secret)')
    .option('--type <type...>', 'event types, as in the event log (default: all)')
    .addOption(
      new Option('--severity <severity>', 'minimum severity')
        .choices(['info', 'minor', 'major'])
        .default('info'),
    )
    .option('--ca <file>', 'additional CA certificate for the TLS connection to the receiver')
    .action((url: string, options: AddOptions) =>
      withAuthority(async (authority, where) => {
        const { readFileArgument } = await import('../secrets.ts')
        const added = await authority.operations.webhooks.add(
          {
            url,
            secret: await readWebhookSecret(options.secretFile),
            types: options.type,
            severity: options.severity,
            ca: options.ca === undefined ? undefined : readFileArgument(options.ca),
          },
          where,
        )
        if (json()) printJson(added)
        else printText(`${added.secret}\nis the secret of the webhook ${added.id}. It is not shown again.`)
      }),
    )
  webhook
    .command('list')
    .description('list the webhooks with their delivery status')
    .action(() =>
      withAuthority(async (authority, where) => {
        const webhooks = await authority.operations.webhooks.list(where)
        if (json()) printJson({ webhooks })
        else
          await printTable(
            ['ID', 'URL', 'Events', 'Delivered', 'Queued', 'Failed', 'Last failure'],
            webhooks.map((webhook) => [
              webhook.id,
              webhook.url,
              `${webhook.types?.join(', ') ?? 'all'}${webhook.severity === 'info' ? '' : `, ${webhook.severity} or higher`}`,
              webhook.delivered,
              webhook.waiting,
              webhook.dead,
              webhook.failure ?? '-',
            ]),
          )
      }),
    )
  webhook
    .command('remove')
    .description('remove a webhook and its queued messages')
    .argument('<id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        await authority.operations.webhooks.remove(id, where)
        if (json()) printJson({ removed: id })
        else printText(`The webhook ${id} was removed.`)
      }),
    )
  webhook
    .command('rotate')
    .description('replace the secret of a webhook; the previous secret also signs during the overlap')
    .argument('<id>')
    .option('--secret-file <file>', 'file with the new secret, whsec_… (default: a generated secret)')
    .option('--overlap <hours>', 'hours for which both secrets sign', '24')
    .action((id: string, options: { secretFile?: string; overlap: string }) =>
      withAuthority(async (authority, where) => {
        const secret = await readWebhookSecret(options.secretFile)
        const overlap = parseWholeNumber(options.overlap, 'overlap')
        const rotated = await authority.operations.webhooks.rotate(id, { secret, overlap }, where)
        if (json()) printJson(rotated)
        else
          printText(
            `${rotated.secret}\nis the new secret of ${id}. The previous secret is valid until ${rotated.oldUntil}.`,
          )
      }),
    )
  webhook
    .command('test')
    .description('send a message of the type WEBHOOK_TEST now')
    .argument('<id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        await authority.operations.webhooks.test(id, where)
        if (json()) printJson({ delivered: true })
        else printText('The receiver accepted the message.')
      }),
    )
  webhook
    .command('send')
    .description('send due messages now; a serving authority does this automatically')
    .action(() =>
      withAuthority(async (authority) => {
        const delivered = await authority.operations.webhooks.deliver()
        if (json()) printJson({ delivered })
        else printText(`${delivered} ${delivered === 1 ? 'message was' : 'messages were'} delivered.`)
      }),
    )
  webhook
    .command('failed')
    .description('list messages whose delivery failed permanently')
    .option('--limit <n>', 'number of oldest messages', '1000')
    .action((options: { limit: string }) =>
      withAuthority(async (authority, where) => {
        const dead = await authority.operations.webhooks.listFailed(
          where,
          parseWholeNumber(options.limit, 'limit'),
        )
        if (json()) printJson({ dead })
        else
          await printTable(
            ['ID', 'Webhook', 'Event', 'Type', 'Attempts', 'Failure'],
            dead.map((delivery) => [
              delivery.id,
              delivery.webhook,
              delivery.event,
              delivery.type,
              delivery.attempts,
              delivery.failure ?? '-',
            ]),
          )
      }),
    )
  webhook
    .command('retry')
    .description('retry a failed delivery, or all failed deliveries of a webhook')
    .argument('<id>', 'ID of the delivery or of the webhook')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        const retried = await authority.operations.webhooks.retry(id, where)
        if (json()) printJson({ retried })
        else printText(`${retried} ${retried === 1 ? 'delivery is' : 'deliveries are'} queued again.`)
      }),
    )
  return webhook
}

async function readWebhookSecret(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const { readSecret } = await import('../secrets.ts')
  return (
    await readSecret({
      file: file === '-' ? undefined : file,
      ...(file === '-' && { argument: '-' }),
      what: 'secret',
    })
  ).trim()
}
