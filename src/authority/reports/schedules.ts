import { randomBytes } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { nextScheduledAt, type Schedule } from '../../../machines/index.ts'
import { checked } from '../../core/validate.ts'
import { asLicensingError, LicensingError, notFound } from '../../core/errors.ts'
import { type Instant, iso, MINUTE } from '../../core/time.ts'
import { chooseAccount, chooseVirtualAccount, listAccounts } from '../inventory/accounts.ts'
import type { Account } from '../context/account-context.ts'
import { createCheckpoint } from '../audit/audit-log.ts'
import type { AuthorityContext, Where } from '../context/authority-context.ts'
import { queueMail } from '../outbox/mail.ts'
import { checkRecipient } from '../notifications/notification-service.ts'
import { createReport, toCsv } from './reports.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'
import { errnoCode } from '../../core/errno-code.ts'
import { makeDirectory } from '../../storage/private-files.ts'

type Row = Selectable<Tables['report_schedules']>

/** What may be made on a schedule: the reports, and a signed checkpoint of the audit record. */
export const SCHEDULE_KINDS = ['licenses', 'instances', 'usage', 'audit-checkpoint'] as const
export const SCHEDULE_EVERY = ['day', 'week', 'month'] as const satisfies readonly Schedule['every'][]

/** Characters of a report that goes with a mail; a longer one is for a folder. */
const LONGEST_ATTACHMENT = 10_000_000
/** How long a report is left to whoever writes it into its folder. */
const TAKEN = 15 * MINUTE
/** Schedules of one smart account. */
const MOST = 100

const wantedSchema = z.object({
  kind: z.enum(SCHEDULE_KINDS),
  every: z.enum(SCHEDULE_EVERY),
  hour: z
    .int('the hour is a whole number')
    .min(0, 'the hour is 0 to 23, UTC')
    .max(23, 'the hour is 0 to 23, UTC'),
  folder: z.string().min(1).max(1000).nullable(),
})

export interface WantedSchedule {
  readonly kind: Row['kind']
  /** Each day; each Monday; each first day of a month. */
  readonly every: Row['every']
  /** UTC. */
  readonly hour: number
  /** Where it goes: to a person by e-mail, or into a folder of this machine. */
  readonly to: { readonly recipient: string } | { readonly folder: string }
}

/** A report that is made again and again. */
export interface ScheduleDocument {
  readonly id: string
  readonly kind: Row['kind']
  readonly virtualAccount: string | null
  readonly every: Row['every']
  readonly hour: number
  readonly recipient: string | null
  readonly folder: string | null
  readonly nextAt: string
  readonly lastAt: string | null
  readonly failure: string | null
}

/** The scheduled reports of an authority. */
export class Schedules {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /** @throws LicensingError INVALID_ARGUMENT, RECIPIENT_REFUSED, FILE_UNWRITABLE, NOT_FOUND */
  async add(wanted: WantedSchedule, where: Where = {}): Promise<ScheduleDocument> {
    const given = 'folder' in wanted.to ? wanted.to.folder : null
    const { kind, every, hour, folder } = checked(wantedSchema, { ...wanted, folder: given }, 'schedule')
    if (folder !== null) makeFolder(folder)
    return this.#context.withAccount(where, async ({ tx, account, at }) => {
      const recipient = 'recipient' in wanted.to ? checkRecipient(wanted.to.recipient, account) : null
      const virtual =
        where.virtualAccount === undefined
          ? null
          : await chooseVirtualAccount(tx, account, where.virtualAccount)
      const there = await tx
        .selectFrom('report_schedules')
        .select('id')
        .where('account_id', '=', account.id)
        .execute()
      if (there.length >= MOST)
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `${account.domain} has ${MOST} scheduled reports, and may not have more.`,
        )
      const row: Row = {
        id: `rs_${randomBytes(9).toString('hex')}`,
        account_id: account.id,
        virtual_account_id: virtual?.id ?? null,
        kind,
        every,
        hour,
        recipient,
        folder,
        created_at: at,
        next_at: nextScheduledAt({ every, day: 1, hour }, at),
        last_at: null,
        failure: null,
        claimed_until: 0,
      }
      await tx.insertInto('report_schedules').values(row).execute()
      return documentOf({ ...row, name: virtual?.name ?? null })
    })
  }

  list(where: Where = {}): Promise<ScheduleDocument[]> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const rows = await tx
        .selectFrom('report_schedules')
        .leftJoin('virtual_accounts', 'virtual_accounts.id', 'report_schedules.virtual_account_id')
        .selectAll('report_schedules')
        .select('virtual_accounts.name')
        .where('report_schedules.account_id', '=', account.id)
        .orderBy('report_schedules.created_at')
        .execute()
      return rows.map(documentOf)
    })
  }

  /** @throws LicensingError NOT_FOUND */
  remove(id: string, where: Where = {}): Promise<void> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const removed = await tx
        .deleteFrom('report_schedules')
        .where('id', '=', id)
        .where('account_id', '=', account.id)
        .returning('id')
        .execute()
      if (removed.length === 0)
        throw notFound('report-schedule', `${account.domain} has no scheduled report ${JSON.stringify(id)}.`)
    })
  }

  /**
   * Makes what is due: once for each, however late. What goes by e-mail is in the outbox when its next time is set; what goes
   * into a folder is written before that, under a name of its own for each time, so that writing it again changes nothing.
   *
   * @returns how many were made
   */
  async beat(): Promise<number> {
    const due = await this.#context.withMaintenance((tx, at) =>
      tx
        .updateTable('report_schedules')
        .set({ claimed_until: at + TAKEN })
        .where('next_at', '<=', at)
        .where('claimed_until', '<=', at)
        .returningAll()
        .execute(),
    )
    for (const row of due) await this.#make(row)
    return due.length
  }

  async #make(row: Row): Promise<void> {
    try {
      await this.#context.withMaintenance(async (tx, at) => {
        // Removed meanwhile, or made by another process that found it abandoned.
        const still = await tx
          .selectFrom('report_schedules')
          .select('id')
          .where('id', '=', row.id)
          .where('next_at', '=', row.next_at)
          .executeTakeFirst()
        if (!still) return
        const account = await accountOf(tx, row)
        const made = await this.#contents(tx, row, account, at)
        if (row.recipient !== null) await mailReport(tx, row, account, made, at)
        if (row.folder !== null) writeReport(row.folder, made)
        await note(tx, row, at, null)
      })
    } catch (thrown) {
      const { message } = asLicensingError(thrown)
      await this.#context.withMaintenance((tx, at) => note(tx, row, at, message))
    }
  }

  async #contents(tx: Tx, row: Row, account: Account, at: Instant): Promise<{ name: string; text: string }> {
    const virtual =
      row.virtual_account_id === null
        ? null
        : await tx
            .selectFrom('virtual_accounts')
            .select('name')
            .where('id', '=', row.virtual_account_id)
            .executeTakeFirst()
    const place = virtual ? await chooseVirtualAccount(tx, account, virtual.name) : null
    // The day and the hour that it was due: the same, however late it is made.
    const of = [row.kind, account.domain, ...(place ? [place.name] : []), iso(row.next_at).slice(0, 13)]
    const name = of.join('-').replace(/[^A-Za-z0-9.-]/g, '_')
    if (row.kind === 'audit-checkpoint')
      return {
        name: `${name}.txt`,
        text: await createCheckpoint(tx, this.#context.credentials, at),
      }
    const { credentials, profile } = this.#context
    const context = { tx, account, at, actor: null, credentials, profile }
    const report = await createReport({ ...context, only: place }, row.kind)
    return { name: `${name}.csv`, text: toCsv(report) }
  }
}

async function accountOf(tx: Tx, { account_id: id }: Row): Promise<Account> {
  const found = (await listAccounts(tx)).find((one) => one.id === id)
  return found ?? chooseAccount(tx, undefined)
}

async function note(tx: Tx, row: Row, at: Instant, failure: string | null): Promise<void> {
  await tx
    .updateTable('report_schedules')
    .set({
      next_at: nextScheduledAt({ every: row.every, day: 1, hour: row.hour }, at),
      last_at: at,
      failure,
      claimed_until: 0,
    })
    .where('id', '=', row.id)
    .execute()
}

async function mailReport(
  tx: Tx,
  row: Row,
  { domain }: Account,
  made: { name: string; text: string },
  at: Instant,
): Promise<void> {
  const fits = made.text.length <= LONGEST_ATTACHMENT
  const what = row.kind === 'audit-checkpoint' ? 'checkpoint of the audit record' : `report of ${row.kind}`
  await queueMail(tx, {
    subjectId: row.id,
    to: row.recipient ?? '',
    subject: `Smart Account ${domain}: ${what}`,
    text: fits
      ? `The ${what} of the Smart Account ${domain}, as of ${iso(at)}, is attached.\n`
      : `The ${what} of the Smart Account ${domain} is too large for a mail: have it written into a folder.\n`,
    at,
    ...(fits && { attachment: made }),
  })
}

function writeReport(folder: string, { name, text }: { name: string; text: string }): void {
  makeFolder(folder)
  const path = join(folder, name)
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  } catch (thrown) {
    throw unwritable(path, thrown)
  }
}

function makeFolder(folder: string): void {
  try {
    makeDirectory(folder)
  } catch (thrown) {
    throw unwritable(folder, thrown)
  }
}

function unwritable(path: string, thrown: unknown): LicensingError {
  const code = errnoCode(thrown) || 'unknown reason'
  return new LicensingError('FILE_UNWRITABLE', `The report could not be written to ${path} (${code}).`)
}

const documentOf = (row: Row & { readonly name: string | null }): ScheduleDocument => ({
  id: row.id,
  kind: row.kind,
  virtualAccount: row.name,
  every: row.every,
  hour: row.hour,
  recipient: row.recipient,
  folder: row.folder,
  nextAt: iso(row.next_at),
  lastAt: iso(row.last_at),
  failure: row.failure,
})
