import type { Command } from 'commander'
import type { Authority } from '../../authority/authority.ts'
import type { AuthorityCli } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `mail`. */
export function createMailCommand({ json, withAuthority }: AuthorityCli): Command {
  const mail = createCommand('mail').description('configure outgoing e-mail')
  mail
    .command('folder')
    .description('write e-mails to a folder as .eml files')
    .argument('<folder>')
    .requiredOption('--from <address>', 'sender address')
    .action((folder: string, options: { from: string }) =>
      withAuthority(async (authority) => {
        const path = await import('node:path')
        await authority.operations.mail.configure({
          kind: 'folder',
          from: options.from,
          folder: path.resolve(folder),
        })
        await printMail(authority, json())
      }),
    )
  mail
    .command('smtp')
    .description('send e-mails through an SMTP server: smtp://HOST:PORT or smtps://HOST:PORT')
    .argument('<url>')
    .requiredOption('--from <address>', 'sender address')
    .option('--username <user>', 'user name for the server; the password is prompted for')
    .option('--password-file <file>', 'read the password from a file')
    .action((url: string, options: { from: string; username?: string; passwordFile?: string }) =>
      withAuthority(async (authority) => {
        const { from, username, passwordFile } = options
        const { readSecret } = await import('../secrets.ts')
        const password =
          username === undefined
            ? undefined
            : (await readSecret({ file: passwordFile, what: 'password' })).replace(/\r?\n$/, '')
        await authority.operations.mail.configure({ kind: 'smtp', from, url, username, password })
        await printMail(authority, json())
      }),
    )
  mail
    .command('show')
    .description('show the settings and the number of queued e-mails')
    .action(() => withAuthority((authority) => printMail(authority, json())))
  mail
    .command('send')
    .description('send queued e-mails now')
    .action(() =>
      withAuthority(async (authority) => {
        const sent = await authority.operations.mail.send()
        if (json()) printJson({ sent })
        else printText(sent === 1 ? '1 e-mail was sent.' : `${sent} e-mails were sent.`)
      }),
    )

  return mail
}

/** Prints the mail settings and the number of queued e-mails. */
async function printMail(authority: Authority, json: boolean): Promise<void> {
  const shown = await authority.operations.mail.show()
  if (json) {
    printJson(shown)
    return
  }
  const { settings, waiting, failure } = shown
  printText(
    [
      settings === null
        ? 'Outgoing e-mail is not configured. Set it with `mail folder` or `mail smtp`.'
        : settings.kind === 'folder'
          ? `from ${settings.from} to the folder ${settings.folder}`
          : `from ${settings.from} to ${settings.url}${settings.username === null ? '' : ` as ${settings.username}`}`,
      `${waiting} queued${failure === null ? '' : `: ${failure}`}`,
    ].join('\n'),
  )
}
