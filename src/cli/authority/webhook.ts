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

/** The commands for programs that are told of events. */
export function createWebhookCommand({ json, withAuthority }: AuthorityCli): Command {
  const webhook = createCommand('webhook').description('programs that are told of events as they happen')
  webhook
    .command('add')
    .description('tell a receiver of every event from now on; the secret is printed this once')
    .argument('<url>', 'https, or http on this machine')
    .option('--secret-file <file>', 'the secret, whsec_…; one is made without')
    .option('--type <type...>', 'types of events, as in the event log; all of them without')
    .addOption(
      new Option('--severity <severity>', 'the least severity')
        .choices(['info', 'minor', 'major'])
        .default('info'),
    )
    .option('--ca <file>', 'a further certificate that the TLS of the receiver is checked by')
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
        else printText(`${added.secret}\nis the secret of the webhook ${added.id}, which is not shown again.`)
      }),
    )
  webhook
    .command('list')
    .description('list them, and how they do')
    .action(() =>
      withAuthority(async (authority, where) => {
        const webhooks = await authority.operations.webhooks.list(where)
        if (json()) printJson({ webhooks })
        else
          await printTable(
            ['Id', 'URL', 'Events', 'Delivered', 'Waiting', 'Dead', 'Last failure'],
            webhooks.map((one) => [
              one.id,
              one.url,
              `${one.types?.join(', ') ?? 'all'}${one.severity === 'info' ? '' : `, ${one.severity} at least`}`,
              one.delivered,
              one.waiting,
              one.dead,
              one.failure ?? '-',
            ]),
          )
      }),
    )
  webhook
    .command('remove')
    .description('remove one, with what waits for it')
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
    .description('give one a new secret; the one before signs too for a while')
    .argument('<id>')
    .option('--secret-file <file>', 'the new secret, whsec_…; one is made without')
    .option('--overlap <hours>', 'how long both sign', '24')
    .action((id: string, options: { secretFile?: string; overlap: string }) =>
      withAuthority(async (authority, where) => {
        const secret = await readWebhookSecret(options.secretFile)
        const overlap = parseWholeNumber(options.overlap, 'overlap')
        const rotated = await authority.operations.webhooks.rotate(id, { secret, overlap }, where)
        if (json()) printJson(rotated)
        else
          printText(
            `${rotated.secret}\nis the new secret of ${id}; the one before is good until ${rotated.oldUntil}.`,
          )
      }),
    )
  webhook
    .command('test')
    .description('send one a message of the type WEBHOOK_TEST, now')
    .argument('<id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        await authority.operations.webhooks.test(id, where)
        if (json()) printJson({ delivered: true })
        else printText('The receiver took it.')
      }),
    )
  webhook
    .command('send')
    .description('send what is due now; while the authority is served that happens by itself')
    .action(() =>
      withAuthority(async (authority) => {
        const delivered = await authority.operations.webhooks.deliver()
        if (json()) printJson({ delivered })
        else printText(`${delivered} ${delivered === 1 ? 'message was' : 'messages were'} taken.`)
      }),
    )
  webhook
    .command('failed')
    .description('what could not be delivered, and is not tried any more')
    .option('--limit <n>', 'how many of the oldest', '1000')
    .action((options: { limit: string }) =>
      withAuthority(async (authority, where) => {
        const dead = await authority.operations.webhooks.listFailed(
          where,
          parseWholeNumber(options.limit, 'limit'),
        )
        if (json()) printJson({ dead })
        else
          await printTable(
            ['Id', 'Webhook', 'Event', 'Type', 'Attempts', 'Failure'],
            dead.map((one) => [one.id, one.webhook, one.event, one.type, one.attempts, one.failure ?? '-']),
          )
      }),
    )
  webhook
    .command('retry')
    .description('have a dead delivery sent again, or all of a webhook')
    .argument('<id>', 'of the delivery, or of the webhook')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        const retried = await authority.operations.webhooks.retry(id, where)
        if (json()) printJson({ retried })
        else printText(`${retried} ${retried === 1 ? 'delivery is' : 'deliveries are'} sent again.`)
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
