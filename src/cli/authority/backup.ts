import type { Command } from 'commander'
import type { RestoreSummary } from '../../authority/backup/start-new-epoch.ts'
import { pluralize } from '../../core/text.ts'
import type { AuthorityCli } from './authority-cli.ts'
import { readPassphrase } from './root-key-options.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

const PASSPHRASE_LABEL = 'passphrase of the backup'

/** Creates the command `backup`. */
export function createBackupCommand({ json, withAuthority }: AuthorityCli): Command {
  return createCommand('backup')
    .description(
      'write all data and keys except the root key to one file, encrypted with a passphrase (age format); the authority may be serving',
    )
    .argument('<file>')
    .option('--passphrase-file <file>', 'read the passphrase from a file; - for standard input')
    .action((file: string, options: { passphraseFile?: string }) =>
      withAuthority(async (authority) => {
        const { writeStreamAtomically } = await import('../atomic-write.ts')
        const secret = await readPassphrase(options.passphraseFile, PASSPHRASE_LABEL)
        const bytes = await writeStreamAtomically(file, (write) =>
          authority.operations.backups.write(secret, write),
        )
        if (json()) printJson({ out: file, bytes })
        else
          printText(
            `The backup was written to ${file} (${bytes} bytes). It cannot be restored without its passphrase.`,
          )
      }),
    )
}

/** Creates the command `restore`. */
export function createRestoreCommand({ json, dataDir, database }: AuthorityCli): Command {
  return createCommand('restore')
    .description('create a new data directory, named by --data-dir, from a backup')
    .argument('<file>')
    .option(
      '--database <url>',
      'restore into this PostgreSQL database, which must be empty (default: $SMART_AUTHORITY_DATABASE, otherwise a file in the data directory)',
    )
    .option('--passphrase-file <file>', 'read the passphrase from a file; - for standard input')
    .action(async (file: string, options: { passphraseFile?: string; database?: string }) => {
      const [{ restoreAuthority }, { readBytesArgument }] = await Promise.all([
        import('../../authority/backup/backup.ts'),
        import('../secrets.ts'),
      ])
      const backup = readBytesArgument(file)
      const restored = await restoreAuthority({
        dataDir: dataDir(),
        backup,
        passphrase: await readPassphrase(options.passphraseFile, PASSPHRASE_LABEL),
        database: options.database ?? database(),
      })
      if (json()) printJson({ dataDir: dataDir(), ...restored })
      else printText(formatRestored(dataDir(), restored))
    })
}

function formatRestored(dataDir: string, restored: RestoreSummary): string {
  const { name, tokensRevoked, tokensInReview, reservationsInReview } = restored
  if (restored.role === 'satellite')
    return [
      `The satellite ${name} is restored in ${dataDir}. Do not start the old copy again.`,
      `${pluralize(tokensRevoked, 'token')} ${tokensRevoked === 1 ? 'was' : 'were'} revoked. Create new ones.`,
      'The satellite grants nothing new until it has synchronized, which restores the data known to its manager. Devices unknown to the manager must register again.',
    ].join('\n')
  return [
    `The authority of ${name} is restored in ${dataDir}, with epoch ${restored.epoch}. Do not start the old copy again.`,
    `${pluralize(tokensInReview, 'token')} and ${pluralize(reservationsInReview, 'reservation')} are blocked until you confirm them with \`token review\` and \`instance review\`.`,
    'Devices that registered after the backup are added again at their next contact, and `instance list` shows them. Enter later orders again.',
  ].join('\n')
}
