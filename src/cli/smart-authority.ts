#!/usr/bin/env node
import { VERSION } from '../core/version.ts'
import { createAccountCommand } from './authority/account.ts'
import { createAlertCommand } from './authority/alert.ts'
import { createApiClientCommand } from './authority/api-client.ts'
import { createAuditCommand } from './authority/audit.ts'
import { createAuthorityCli } from './authority/authority-cli.ts'
import { createBackupCommand, createRestoreCommand } from './authority/backup.ts'
import { createEventsCommand } from './authority/events.ts'
import { createInitCommand } from './authority/init.ts'
import { createInstanceCommand } from './authority/instance.ts'
import { createLicenseCommand } from './authority/license.ts'
import { createMailCommand } from './authority/mail.ts'
import { createNotificationCommand } from './authority/notification.ts'
import { createOrderCommand } from './authority/order.ts'
import { createProfileCommand } from './authority/profile.ts'
import { createReportCommand } from './authority/report.ts'
import { createReservationCommand } from './authority/reservation.ts'
import { createSatelliteCommand } from './authority/satellite.ts'
import { createServeCommand } from './authority/serve.ts'
import { createSyncCommand } from './authority/sync.ts'
import { createTokenCommand } from './authority/token.ts'
import { createTrustCommand } from './authority/trust.ts'
import { createVirtualAccountCommand } from './authority/virtual-account.ts'
import { createWebhookCommand } from './authority/webhook.ts'
import { createCommand } from './create-command.ts'
import { createCompletionCommand } from './completion.ts'
import { runCli } from './run-cli.ts'
import { createUserCommand } from './user.ts'

process.umask(0o077)
// Hides the arguments from the process list, because one of them may be a token.
process.title = 'smart-authority'

const program = createCommand('smart-authority')
  .description('The licensing authority: smart accounts, tokens, licenses and product instances.')
  .option(
    '--data-dir <dir>',
    'directory of the authority data (default: $SMART_AUTHORITY_DATA_DIR or /var/lib/smart-authority)',
  )
  .option(
    '--database <url>',
    'PostgreSQL database of the authority, postgres://… (default: the database given at `init`, otherwise a file in the data directory)',
  )
  .option('--account <domain>', 'smart account; required only when there are several')
  .option('--json', 'print one JSON document on standard output')
  .version(VERSION)

const cli = createAuthorityCli(program)
program
  .addCommand(createInitCommand(cli))
  .addCommand(createServeCommand(cli))
  .addCommand(createTrustCommand(cli))
  .addCommand(createAccountCommand(cli))
  .addCommand(createVirtualAccountCommand(cli))
  .addCommand(createProfileCommand(cli))
  .addCommand(createOrderCommand(cli))
  .addCommand(createMailCommand(cli))
  .addCommand(createTokenCommand(cli))
  .addCommand(createLicenseCommand(cli))
  .addCommand(createInstanceCommand(cli))
  .addCommand(createReservationCommand(cli))
  .addCommand(createSatelliteCommand(cli))
  .addCommand(createSyncCommand(cli))
  .addCommand(createBackupCommand(cli))
  .addCommand(createRestoreCommand(cli))
  .addCommand(
    createUserCommand({
      json: cli.json,
      supportsAccountScope: true,
      withAuth: (work) =>
        cli.withAuthority(async (authority) => {
          const { createAuthorityAuth } = await import('../console/authority-console.ts')
          return work(createAuthorityAuth(authority, cli.dataDir()))
        }),
    }),
  )
  .addCommand(createApiClientCommand(cli))
  .addCommand(createAlertCommand(cli))
  .addCommand(createReportCommand(cli))
  .addCommand(createEventsCommand(cli))
  .addCommand(createAuditCommand(cli))
  .addCommand(createWebhookCommand(cli))
  .addCommand(createNotificationCommand(cli))
  .addCommand(createCompletionCommand(program))

await runCli(program)
