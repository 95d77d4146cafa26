import { statSync } from 'node:fs'
import { isIP } from 'node:net'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import { LicensingError } from '../../core/errors.ts'
import { HOUR, type Instant, MINUTE } from '../../core/time.ts'

import { readSetting, type Tx, writeSetting } from '../store/store.ts'
import { errnoCode } from '../../core/errno-code.ts'
import { stripBrackets } from '../../core/host-name.ts'
import { isAddressAllowed } from '../../transports/target-address.ts'
import { openSmtpConnection } from './smtp-connection.ts'
import { replaceFile } from '../../storage/atomic-file.ts'
import { createDirectory } from '../../storage/private-files.ts'

/** Schema of the mail settings: an SMTP server, or a folder for `.eml` files. */
const mailSettingsSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('folder'),
    from: z.email(),
    folder: z.string().max(1000).refine(isAbsolute, 'a mail folder is an absolute path'),
  }),
  z.strictObject({
    kind: z.literal('smtp'),
    from: z.email(),
    /** `smtp://HOST:PORT`, with STARTTLS where the server offers it, or `smtps://HOST:PORT`. */
    url: z
      .string()
      .max(1000)
      .refine((text) => {
        const url = URL.parse(text)
        return (
          url !== null &&
          /^smtps?:$/.test(url.protocol) &&
          url.hostname !== '' &&
          url.username === '' &&
          url.password === ''
        )
      }, 'a mail server is smtp://HOST:PORT or smtps://HOST:PORT, without user name and password')
      .refine((text) => {
        const host = stripBrackets(URL.parse(text)?.hostname ?? '')
        return isIP(host) === 0 || isAddressAllowed(host)
      }, 'the address of the mail server is a link-local or reserved address'),
    username: z.string().max(320).nullable(),
    /** Password, encrypted under a key in a file. */
    sealedPassword: z.string().nullable(),
  }),
])
export type MailSettings = z.infer<typeof mailSettingsSchema>

/** A mail to send. Its text must contain public data only. */
export interface Mail {
  /** Id of the object of the mail, by which unsent mail is discarded. */
  readonly subjectId: string
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly at: Instant
  readonly attachment?: { readonly name: string; readonly text: string } | undefined
}

/** Maximum attempts to send one mail. After the last attempt the mail stays in the outbox with its failure. */
const MAX_ATTEMPTS = 20
const SMTP_TIMEOUT_MS = 20_000
/** Time for which a mail is reserved for the process that claimed it. */
const CLAIM_LEASE_MS = 15 * MINUTE

/** Puts a mail into the outbox, in the transaction of the change it describes. */
export async function queueMail(
  tx: Tx,
  { subjectId, to, subject, text, at, attachment }: Mail,
): Promise<void> {
  await tx
    .insertInto('mails')
    .values({
      subject_id: subjectId,
      recipient: to,
      subject,
      text,
      created_at: at,
      sent_at: null,
      attempts: 0,
      next_at: at,
      failure: null,
      attachment_name: attachment?.name ?? null,
      attachment: attachment?.text ?? null,
    })
    .execute()
}

/** Deletes the unsent mail about an object. */
export async function discardUnsentMails(tx: Tx, subjectId: string): Promise<void> {
  await tx.deleteFrom('mails').where('subject_id', '=', subjectId).where('sent_at', 'is', null).execute()
}

/**
 * Stores the mail settings.
 *
 * @param options.createsFolder false where a missing folder is refused
 * @throws LicensingError INVALID_ARGUMENT, FILE_UNWRITABLE
 */
export async function writeMailSettings(
  tx: Tx,
  settings: MailSettings,
  { createsFolder }: { createsFolder: boolean },
): Promise<void> {
  const good = validate(mailSettingsSchema, settings, 'mail settings')
  if (good.kind === 'folder') {
    if (!createsFolder && statSync(good.folder, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw new LicensingError('FILE_UNWRITABLE', `The folder ${good.folder} does not exist.`, {
        remedy: 'Create the folder on the server, or set it with `smart-authority mail folder`.',
      })
    createFolder(good.folder)
  }
  await writeSetting(tx, 'mail', JSON.stringify(good))
}

function createFolder(folder: string): void {
  try {
    createDirectory(folder)
  } catch (error) {
    const code = errnoCode(error) || 'unknown reason'
    throw new LicensingError('FILE_UNWRITABLE', `The folder ${folder} could not be created (${code}).`)
  }
}

/** Returns the mail settings; null where none are stored. */
export async function readMailSettings(tx: Tx): Promise<MailSettings | null> {
  const json = await readSetting(tx, 'mail')
  return json === null ? null : mailSettingsSchema.parse(JSON.parse(json))
}

export interface OutboxMail {
  readonly id: number
  readonly recipient: string
  readonly subject: string
  readonly text: string
  readonly attempts: number
  readonly attachment_name: string | null
  readonly attachment: string | null
}

/** Claims the due mails, oldest first. Other processes do not send them during the lease. */
export async function claimDueMails(tx: Tx, at: Instant): Promise<OutboxMail[]> {
  const mails = await tx
    .selectFrom('mails')
    .select(['id', 'recipient', 'subject', 'text', 'attempts', 'attachment_name', 'attachment'])
    .where('sent_at', 'is', null)
    .where('next_at', '<=', at)
    .where('attempts', '<', MAX_ATTEMPTS)
    .orderBy('id')
    .limit(20)
    .execute()
  const ids = mails.map(({ id }) => id)
  if (ids.length > 0)
    await tx
      .updateTable('mails')
      .set({ next_at: at + CLAIM_LEASE_MS })
      .where('id', 'in', ids)
      .execute()
  return mails
}

/** Returns the number of unsent mails, and the reason of the last failed attempt. */
export async function readOutboxStatus(tx: Tx): Promise<{ waiting: number; failure: string | null }> {
  const rows = await tx
    .selectFrom('mails')
    .select('failure')
    .where('sent_at', 'is', null)
    .orderBy('id')
    .execute()
  return { waiting: rows.length, failure: rows.find(({ failure }) => failure !== null)?.failure ?? null }
}

/** Records the result of an attempt. A failed mail is retried after increasing delays. */
export async function recordMailResult(
  tx: Tx,
  mail: OutboxMail,
  at: Instant,
  failure: string | null,
): Promise<void> {
  const attempts = mail.attempts + 1
  await tx
    .updateTable('mails')
    .set({
      attempts,
      failure,
      sent_at: failure === null ? at : null,
      next_at: at + Math.min(4 * HOUR, 2 ** Math.min(attempts, 10) * MINUTE),
    })
    .where('id', '=', mail.id)
    .execute()
}

/**
 * Sends one mail. Its message id is the same in every attempt, so that a duplicate after a crash can be recognized.
 *
 * @throws Error of the mail server or the disk
 */
export async function sendMail(
  settings: MailSettings,
  password: string | null,
  mail: OutboxMail,
  authorityId: string,
): Promise<void> {
  const { createTransport } = await import('nodemailer')
  const message = {
    from: settings.from,
    to: mail.recipient,
    subject: mail.subject,
    text: mail.text,
    ...(mail.attachment_name !== null && {
      attachments: [{ filename: mail.attachment_name, content: mail.attachment ?? '' }],
    }),
    messageId: `<${mail.id}.${authorityId}@${settings.from.split('@')[1] ?? 'localhost'}>`,
  }
  if (settings.kind === 'folder') {
    const { message: eml } = await createTransport({
      streamTransport: true,
      buffer: true,
      newline: 'windows',
    }).sendMail(message)
    createDirectory(settings.folder)
    replaceFile(join(settings.folder, `${mail.id}.eml`), Buffer.isBuffer(eml) ? eml : '')
    return
  }
  const url = new URL(settings.url)
  const secure = url.protocol === 'smtps:'
  const host = stripBrackets(url.hostname)
  const port = url.port === '' ? (secure ? 465 : 587) : Number(url.port)
  const connection = await openSmtpConnection({ host, port }, SMTP_TIMEOUT_MS)
  const transport = createTransport({
    host,
    port,
    connection,
    secure,
    // A password is sent over TLS only.
    requireTLS: settings.username !== null,
    tls: { rejectUnauthorized: true },
    connectionTimeout: SMTP_TIMEOUT_MS,
    greetingTimeout: SMTP_TIMEOUT_MS,
    socketTimeout: SMTP_TIMEOUT_MS,
    ...(settings.username !== null && { auth: { user: settings.username, pass: password ?? '' } }),
  })
  try {
    await transport.sendMail(message)
  } finally {
    transport.close()
    connection.destroy()
  }
}

/** Converts the error of a failed attempt, without the untrusted text of the server. */
export function toMailError(error: unknown): LicensingError {
  if (error instanceof LicensingError)
    return new LicensingError('MAIL_NOT_SENT', `The e-mail could not be sent: ${error.message}`)
  const code = errnoCode(error) || 'unknown reason'
  const response =
    error instanceof Error && 'responseCode' in error
      ? `, the server answered ${String(error.responseCode)}`
      : ''
  return new LicensingError('MAIL_NOT_SENT', `The e-mail could not be sent (${code}${response}).`)
}
