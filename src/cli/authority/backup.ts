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
      'all data and keys, without that of the root, as one file of the age format under a passphrase; while it is served',
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
            `The backup is in ${file}, ${bytes} bytes. Without its passphrase nobody can use it, you included.`,
          )
      }),
    )
}

/** Creates the command `restore`. */
export function createRestoreCommand({ json, dataDir, database }: AuthorityCli): Command {
  return createCommand('restore')
    .description('make a data directory of a backup: --data-dir names a new one')
    .argument('<file>')
    .option(
      '--database <url>',
      'put the data into this PostgreSQL database, which has no tables yet (default: $SMART_AUTHORITY_DATABASE, or else a file of the data directory)',
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

function formatRestored(place: string, restored: RestoreSummary): string {
  const { name, tokensRevoked, tokensInReview, reservationsInReview } = restored
  if (restored.role === 'satellite')
    return [
      `The satellite ${name} is restored in ${place}. Do not start the old copy again.`,
      `${pluralize(tokensRevoked, 'token')} ${tokensRevoked === 1 ? 'was' : 'were'} revoked: make new ones.`,
      'Until it has synchronized it promises nothing new; what its manager knows comes back then. Boxes that the manager never heard of register again.',
    ].join('\n')
  return [
    `The authority of ${name} is restored in ${place}, in epoch ${restored.epoch}. Do not start the old copy again.`,
    `${pluralize(tokensInReview, 'token')} and ${pluralize(reservationsInReview, 'reservation')} are held until they are confirmed: \`token review\`, \`instance review\`.`,
    'Boxes that registered since the backup are taken back when they ask: `instance list` shows them. What was bought since is entered again.',
  ].join('\n')
}
