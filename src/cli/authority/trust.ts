import type { Command } from 'commander'
import { existsSync } from 'node:fs'
import type { RotatableKey } from '../../authority/services/trust-service.ts'
import { LicensingError } from '../../core/errors.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { loadRootKey, readPassphrase, type RootKeyOptions, createRootKeyOptions } from './root-key-options.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

const ROTATABLE_KEYS: Readonly<Record<string, readonly RotatableKey[]>> = {
  'answer-signer': ['answer-signer'],
  'reservation-signer': ['reservation-signer'],
  'sync-signer': ['sync'],
  tls: ['tls'],
  'audit-signer': ['audit-signer'],
  leaves: ['answer-signer', 'reservation-signer', 'sync', 'audit-signer', 'tls'],
}

/** Creates the command `trust`, for the keys and certificates of the authority. */
export function createTrustCommand(cli: AuthorityCli): Command {
  const { json, withAuthority } = cli
  const trust = createCommand('trust').description('manage the keys and certificates of the authority')
  trust
    .command('export')
    .description(
      'print the root certificate for agents; during a root rotation, both the new and the old one',
    )
    .action(() =>
      withAuthority((authority) => {
        const pem = authority.trustAnchor()
        if (json()) printJson({ trust: pem })
        else printText(pem)
      }),
    )
  trust
    .command('show')
    .description('print the fingerprint of the root certificate')
    .action(() =>
      withAuthority(async (authority) => {
        const document = await authority.security.trust.show()
        if (json()) {
          printJson(document)
          return
        }
        printText(document.fingerprint)
        const { rootVersion, replacing } = document
        if (replacing)
          printText(
            `root rotation ${rootVersion}; the previous root ${replacing.fingerprint} is trusted until ${replacing.until}`,
          )
      }),
    )
  addRotateCommands(trust.command('rotate').description('replace a key and its certificate'), cli)
  trust
    .command('bundle')
    .description('signed root rotations of the past')
    .command('export')
    .description(
      'print the root rotations for a device that has missed them; install with `smart-agent trust install FILE`',
    )
    .action(() =>
      withAuthority((authority) => {
        const file = authority.security.trust.bundles()
        if (json()) printJson(JSON.parse(file))
        else process.stdout.write(file)
      }),
    )
  trust
    .command('root')
    .description('manage the root key')
    .command('export')
    .description(
      'export the root key to a file encrypted with a passphrase (age format), and delete it from this host',
    )
    .argument('<file>')
    .option('--passphrase-file <file>', 'read the passphrase from a file; - for standard input')
    .action((file: string, options: { passphraseFile?: string }) =>
      withAuthority(async (authority) => {
        const { writeBytesAtomically } = await import('../atomic-write.ts')
        const passphrase = await readPassphrase(options.passphraseFile, 'passphrase for the root key')
        await authority.security.trust.exportRootKey(passphrase, async (bytes) => {
          await writeBytesAtomically(file, () => Promise.resolve(bytes))
        })
        if (json()) printJson({ out: file, onHost: false })
        else
          printText(
            `The root key was written to ${file} and deleted from this host. Keep the file and its passphrase: certifying satellites and replacing the root or the issuing CA require them.`,
          )
      }),
    )
  return trust
}

function addRotateCommands(rotate: Command, { json, withAuthority }: AuthorityCli): void {
  for (const [name, leaves] of Object.entries(ROTATABLE_KEYS)) {
    rotate
      .command(name, { isDefault: name === 'answer-signer' })
      .description(
        name === 'leaves'
          ? 'replace the keys of all signers and of the servers'
          : name === 'tls'
            ? 'replace the TLS key of the servers, effective within a minute'
            : `replace the key of the ${name.replace('-', ' ')}, effective at once`,
      )
      .action(() =>
        withAuthority(async (authority) => {
          await authority.security.trust.rotate(leaves)
          if (json()) printJson({ rotated: leaves })
          else if (name === 'answer-signer') printText('The key of the answer signer was replaced.')
          else printText(`Replaced: ${leaves.join(', ')}.`)
        }),
      )
  }
  const issuing = rotate
    .command('issuing-ca')
    .description('replace the issuing CA; the ID certificates of devices stay valid')
  for (const option of createRootKeyOptions()) issuing.addOption(option)
  issuing.action((options: RootKeyOptions) =>
    withAuthority(async (authority) => {
      await loadRootKey(authority, options)
      const inForce = await authority.security.trust.rotateIssuingCa()
      if (json()) printJson({ rotated: ['issuing-ca'], inForce })
      else
        printText(
          inForce
            ? 'The new issuing CA is active. Within a minute, the servers use certificates that it signed.'
            : 'The new issuing CA becomes active when the manager has certified it. Synchronize now.',
        )
    }),
  )
  const root = rotate
    .command('root')
    .description('replace the root certificate; devices adopt the new one during the overlap')
    .option('--overlap <days>', 'days for which both roots are trusted', '180')
    .option(
      '--new-root-key <file>',
      'output file for the new root key, encrypted with the passphrase of the old one',
    )
  for (const option of createRootKeyOptions()) root.addOption(option)
  root.action((options: RootKeyOptions & { overlap: string; newRootKey?: string }) =>
    withAuthority(async (authority) => {
      const { newRootKey } = options
      if ((options.rootKey === undefined) !== (newRootKey === undefined))
        throw new LicensingError(
          'USAGE',
          'A root key that is not on this host must be replaced by a key in a file. Give both --root-key and --new-root-key.',
        )
      // Overwriting the old key file would lose the key that is needed until the new root is active.
      if (newRootKey !== undefined && existsSync(newRootKey))
        throw new LicensingError(
          'USAGE',
          `The file ${newRootKey} already exists. Name a new file with --new-root-key.`,
        )
      const passphrase = await loadRootKey(authority, options)
      const storeNewRootKey = async (privateKey: string) => {
        const [{ encryptRootKey }, { writeBytesAtomically }] = await Promise.all([
          import('../../authority/services/trust-service.ts'),
          import('../atomic-write.ts'),
        ])
        await writeBytesAtomically(newRootKey ?? '', () => encryptRootKey(privateKey, passphrase ?? ''))
      }
      const done = await authority.security.trust.rotateRoot({
        overlapDays: parseWholeNumber(options.overlap, 'overlap'),
        ...(newRootKey !== undefined && { store: storeNewRootKey }),
      })
      if (json()) printJson(done)
      else
        printText(
          [
            `Root rotation ${done.rootVersion} is active; the new root is ${done.fingerprint}.`,
            `The old root is trusted until ${done.replacing?.until ?? ''}. Before then, synchronize every satellite and keep every device online.`,
          ].join('\n'),
        )
    }),
  )
}
