import { LicensingError } from '../../core/errors.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import {
  toMailError,
  type MailSettings,
  recordMailResult,
  readOutboxStatus,
  readMailSettings,
  sendMail,
  claimDueMails,
  writeMailSettings,
} from '../outbox/mail.ts'

/** Input of the mail settings. The password is write-only. */
export type MailTransportInput =
  | { kind: 'folder'; from: string; folder: string }
  | {
      kind: 'smtp'
      from: string
      url: string
      username?: string | undefined
      password?: string | undefined
    }

export interface MailDocument {
  readonly settings:
    | Exclude<MailSettings, { kind: 'smtp' }>
    | Omit<Extract<MailSettings, { kind: 'smtp' }>, 'sealedPassword'>
    | null
  readonly waiting: number
  readonly failure: string | null
}

export class Mailer {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Sets the mail transport.
   *
   * @param options.createsFolder false where a missing folder is refused. The web console does not create folders
   * @throws LicensingError INVALID_ARGUMENT, FILE_UNWRITABLE
   */
  configure(
    settings: MailTransportInput,
    options: { createsFolder: boolean } = { createsFolder: true },
  ): Promise<void> {
    return this.#context.withMaintenance((tx) => {
      if (settings.kind === 'folder') return writeMailSettings(tx, settings, options)
      const { kind, from, url, username = null, password } = settings
      const sealedPassword =
        password === undefined ? null : this.#context.credentials.secrets.encryptSecret(password)
      return writeMailSettings(tx, { kind, from, url, username, sealedPassword }, options)
    })
  }

  /** Returns the mail settings without the password, and the status of the outbox. */
  show(): Promise<MailDocument> {
    return this.#context.withMaintenance(async (tx) => {
      const settings = await readMailSettings(tx)
      const waiting = await readOutboxStatus(tx)
      if (settings?.kind !== 'smtp') return { settings, ...waiting }
      const { sealedPassword: _hidden, ...shown } = settings
      return { settings: shown, ...waiting }
    })
  }

  /**
   * Sends the queued mail.
   *
   * @returns the number of mails sent
   * @throws LicensingError MAIL_NOT_CONFIGURED; MAIL_NOT_SENT when a mail failed, which is retried later
   */
  async send(): Promise<number> {
    const { at, settings, mails, waiting } = await this.#context.withMaintenance(async (tx, at) => {
      const settings = await readMailSettings(tx)
      // Without mail settings the mails stay in the outbox.
      return {
        at,
        settings,
        mails: settings ? await claimDueMails(tx, at) : [],
        waiting: (await readOutboxStatus(tx)).waiting,
      }
    })
    if (!settings && waiting > 0)
      throw new LicensingError(
        'MAIL_NOT_CONFIGURED',
        `${waiting} ${waiting === 1 ? 'e-mail waits' : 'e-mails wait'} to be sent.`,
      )
    if (!settings) return 0
    const sealed = settings.kind === 'smtp' ? settings.sealedPassword : null
    const password = sealed === null ? null : this.#context.credentials.secrets.decryptSecret(sealed)
    let sent = 0
    let failed: LicensingError | null = null
    for (const mail of mails) {
      let failure: LicensingError | null = null
      try {
        await sendMail(settings, password, mail, this.#context.credentials.keyRing.identity.id)
        sent++
      } catch (error) {
        failure = toMailError(error)
      }
      await this.#context.withMaintenance((tx) => recordMailResult(tx, mail, at, failure?.message ?? null))
      failed ??= failure
    }
    if (failed) throw failed
    return sent
  }
}
