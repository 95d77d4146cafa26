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

/** The commands for an authority's own keys and certificates. */
export function createTrustCommand(cli: AuthorityCli): Command {
  const { json, withAuthority } = cli
  const trust = createCommand('trust').description('the keys and certificates of the authority')
  trust
    .command('export')
    .description(
      'print the root certificate that agents are given; while it is replaced, the new one and the old',
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
    .description('print the fingerprint of the root certificate, for those who compare it')
    .action(() =>
      withAuthority(async (authority) => {
        const shown = await authority.security.trust.show()
        if (json()) {
          printJson(shown)
          return
        }
        printText(shown.fingerprint)
        if (shown.replacing)
          printText(
            `bundle ${shown.rootVersion}; the root before it, ${shown.replacing.fingerprint}, is believed until ${shown.replacing.until}`,
          )
      }),
    )
  addRotateCommands(trust.command('rotate').description('replace a key and its certificate'), cli)
  trust
    .command('bundle')
    .description('the bundles by which the root was replaced')
    .command('export')
    .description('print them, for a box that has missed them: `smart-agent trust install FILE`')
    .action(() =>
      withAuthority((authority) => {
        const file = authority.security.trust.bundles()
        if (json()) printJson(JSON.parse(file))
        else process.stdout.write(file)
      }),
    )
  trust
    .command('root')
    .description('the key of the root certificate')
    .command('export')
    .description('encrypt it into a file of the age format by a passphrase, and take it off this machine')
    .argument('<file>')
    .option('--passphrase-file <file>', 'read the passphrase from a file; - for standard input')
    .action((file: string, options: { passphraseFile?: string }) =>
      withAuthority(async (authority) => {
        const { writeBytesAtomically } = await import('../atomic-write.ts')
        const passphrase = await readPassphrase(options.passphraseFile, 'passphrase for the root’s key')
        await authority.security.trust.exportRootKey(passphrase, async (bytes) => {
          await writeBytesAtomically(file, () => Promise.resolve(bytes))
        })
        if (json()) printJson({ out: file, onHost: false })
        else
          printText(
            `The key of the root certificate is in ${file}, and on this machine no more. Keep it, and its passphrase: without it no satellite is certified, and no root or issuing CA replaced.`,
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
          ? 'all signers, and the key of the servers'
          : `a new key for ${name === 'tls' ? 'the servers: they take it within a minute' : `the ${name.replace('-', ' ')}`}, in force at once`,
      )
      .action(() =>
        withAuthority(async (authority) => {
          await authority.security.trust.rotate(leaves)
          if (json()) printJson({ rotated: leaves })
          else if (name === 'answer-signer') printText('A new key signs the answers from now on.')
          else printText(`Replaced: ${leaves.join(', ')}.`)
        }),
      )
  }
  const issuing = rotate
    .command('issuing-ca')
    .description('another issuing CA; boxes notice nothing, and their identities stay good')
  for (const option of createRootKeyOptions()) issuing.addOption(option)
  issuing.action((options: RootKeyOptions) =>
    withAuthority(async (authority) => {
      await loadRootKey(authority, options)
      const inForce = await authority.security.trust.rotateIssuingCa()
      if (json()) printJson({ rotated: ['issuing-ca'], inForce })
      else
        printText(
          inForce
            ? 'Another issuing CA is in force. Servers have their certificate under it within a minute.'
            : 'Another issuing CA is in force once the manager has certified it: synchronize.',
        )
    }),
  )
  const root = rotate
    .command('root')
    .description('another root certificate: boxes take it by themselves while the overlap lasts')
    .option('--overlap <days>', 'days for which both are believed', '180')
    .option('--new-root-key <file>', 'where the new root’s key is put, sealed by the passphrase of the old')
  for (const option of createRootKeyOptions()) root.addOption(option)
  root.action((options: RootKeyOptions & { overlap: string; newRootKey?: string }) =>
    withAuthority(async (authority) => {
      const { newRootKey } = options
      if ((options.rootKey === undefined) !== (newRootKey === undefined))
        throw new LicensingError(
          'USAGE',
          'A root’s key that is kept off this machine is replaced by one that is too: give both --root-key and --new-root-key.',
        )
      // Until the new root is in force, the old key is the one that is wanted.
      if (newRootKey !== undefined && existsSync(newRootKey))
        throw new LicensingError(
          'USAGE',
          `${newRootKey} is there already: the new key goes into a file of its own.`,
        )
      const passphrase = await loadRootKey(authority, options)
      const keep = async (privateKey: string) => {
        const [{ encryptRootKey }, { writeBytesAtomically }] = await Promise.all([
          import('../../authority/services/trust-service.ts'),
          import('../atomic-write.ts'),
        ])
        await writeBytesAtomically(newRootKey ?? '', () => encryptRootKey(privateKey, passphrase ?? ''))
      }
      const done = await authority.security.trust.rotateRoot({
        overlapDays: parseWholeNumber(options.overlap, 'overlap'),
        ...(newRootKey !== undefined && { store: keep }),
      })
      if (json()) printJson(done)
      else
        printText(
          [
            `Bundle ${done.rootVersion} of root certificates is in force; the new root is ${done.fingerprint}.`,
            `The old one is believed until ${done.replacing?.until ?? ''}. Have every satellite synchronize, and every box be on, before.`,
          ].join('\n'),
        )
    }),
  )
}
