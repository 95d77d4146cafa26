import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { nextScheduledAt, type ActiveSchedule } from '../../../machines/index.ts'
import { validate } from '../../core/validate.ts'
import { toLicensingError, LicensingError, notFoundError } from '../../core/errors.ts'
import { type Instant, toIsoString, MINUTE } from '../../core/time.ts'
import { resolveAccount, resolveVirtualAccount, listAccounts } from '../inventory/accounts.ts'
import type { Account } from '../context/account-context.ts'
import { createCheckpoint } from '../audit/audit-log.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import { queueMail } from '../outbox/mail.ts'
import { validateRecipient } from '../notifications/notification-service.ts'
import { formatReportCsv, openReport, type ReportKind } from './reports.ts'
import type { AccountReader } from '../satellites/all-instances.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'
import { errnoCode } from '../../core/errno-code.ts'
import { replaceFile } from '../../storage/atomic-file.ts'
import { createDirectory } from '../../storage/private-files.ts'

type ScheduleRow = Selectable<Tables['report_schedules']>

/** Kinds of scheduled documents: the reports, and a signed checkpoint of the audit log. */
export const SCHEDULE_KINDS = ['licenses', 'instances', 'usage', 'audit-checkpoint'] as const
export const SCHEDULE_INTERVALS = [
  'day',
  'week',
  'month',
] as const satisfies readonly ActiveSchedule['every'][]

/** Maximum characters of an attached report. A longer report must be written into a folder. */
const MAX_ATTACHMENT_LENGTH = 10_000_000
/** Time for which a report is reserved for the process that writes it into its folder. */
const CLAIM_LEASE_MS = 15 * MINUTE
const MAX_SCHEDULES = 100

const scheduleSchema = z.object({
  kind: z.enum(SCHEDULE_KINDS),
  every: z.enum(SCHEDULE_INTERVALS),
  hour: z
    .int('the hour is a whole number')
    .min(0, 'the hour is 0 to 23, UTC')
    .max(23, 'the hour is 0 to 23, UTC'),
  folder: z.string().min(1).max(1000).nullable(),
})

export interface ReportScheduleInput {
  readonly kind: (typeof SCHEDULE_KINDS)[number]
  /** Interval: each day, each Monday, or each first day of a month. */
  readonly every: (typeof SCHEDULE_INTERVALS)[number]
  /** Hour in UTC. */
  readonly hour: number
  /** Destination: an e-mail recipient, or a folder of this machine. */
  readonly to: { readonly recipient: string } | { readonly folder: string }
}

export interface ScheduleDocument {
  readonly id: string
  readonly kind: (typeof SCHEDULE_KINDS)[number]
  readonly virtualAccount: string | null
  readonly every: (typeof SCHEDULE_INTERVALS)[number]
  readonly hour: number
  readonly recipient: string | null
  readonly folder: string | null
  readonly nextAt: string
  readonly lastAt: string | null
  readonly failure: string | null
}

export class Schedules {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /** @throws LicensingError INVALID_ARGUMENT, RECIPIENT_REFUSED, FILE_UNWRITABLE, NOT_FOUND */
  async add(wanted: ReportScheduleInput, where: AccountSelector = {}): Promise<ScheduleDocument> {
    const given = 'folder' in wanted.to ? wanted.to.folder : null
    const { kind, every, hour, folder } = validate(scheduleSchema, { ...wanted, folder: given }, 'schedule')
    if (folder !== null) createFolder(folder)
    return this.#context.withAccount(where, async ({ tx, account, at }) => {
      const recipient = 'recipient' in wanted.to ? validateRecipient(wanted.to.recipient, account) : null
      const virtual =
        where.virtualAccount === undefined
          ? null
          : await resolveVirtualAccount(tx, account, where.virtualAccount)
      const there = await tx
        .selectFrom('report_schedules')
        .select('id')
        .where('account_id', '=', account.id)
        .execute()
      if (there.length >= MAX_SCHEDULES)
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `${account.domain} has ${MAX_SCHEDULES} scheduled reports, which is the maximum.`,
        )
      const row: ScheduleRow = {
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
      return toScheduleDocument({ ...row, name: virtual?.name ?? null })
    })
  }

  list(where: AccountSelector = {}): Promise<ScheduleDocument[]> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const rows = await tx
        .selectFrom('report_schedules')
        .leftJoin('virtual_accounts', 'virtual_accounts.id', 'report_schedules.virtual_account_id')
        .selectAll('report_schedules')
        .select('virtual_accounts.name')
        .where('report_schedules.account_id', '=', account.id)
        .orderBy('report_schedules.created_at')
        .execute()
      return rows.map(toScheduleDocument)
    })
  }

  /** @throws LicensingError NOT_FOUND */
  remove(id: string, where: AccountSelector = {}): Promise<void> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const removed = await tx
        .deleteFrom('report_schedules')
        .where('id', '=', id)
        .where('account_id', '=', account.id)
        .returning('id')
        .execute()
      if (removed.length === 0)
        throw notFoundError(
          'report-schedule',
          `${account.domain} has no scheduled report ${JSON.stringify(id)}.`,
        )
    })
  }

  /**
   * Creates each due report once, however late. A mailed report is queued in the transaction that sets its next time. A
   * report for a folder is written before that, under a name with its due time, so that writing it twice is harmless.
   *
   * @returns the number of reports created
   */
  async runDue(): Promise<number> {
    const due = await this.#context.withMaintenance((tx, at) =>
      tx
        .updateTable('report_schedules')
        .set({ claimed_until: at + CLAIM_LEASE_MS })
        .where('next_at', '<=', at)
        .where('claimed_until', '<=', at)
        .returningAll()
        .execute(),
    )
    for (const row of due) await this.#runSchedule(row)
    return due.length
  }

  async #runSchedule(row: ScheduleRow): Promise<void> {
    try {
      // The rows are read in slices, before the transaction, because exchanges wait for a writing transaction.
      const csv = row.kind === 'audit-checkpoint' ? null : await this.#createCsv(row, row.kind)
      await this.#context.withMaintenance(async (tx, at) => {
        // The schedule may have been removed, or run by another process after the lease ended.
        const still = await tx
          .selectFrom('report_schedules')
          .select('id')
          .where('id', '=', row.id)
          .where('next_at', '=', row.next_at)
          .executeTakeFirst()
        if (!still) return
        const account = await readAccount(tx, row)
        const name = formatFileName(row, account, await findVirtualAccountName(tx, row))
        const content =
          csv === null
            ? { name: `${name}.txt`, text: await createCheckpoint(tx, this.#context.credentials, at) }
            : { name: `${name}.csv`, text: csv }
        if (row.recipient !== null) await mailReport(tx, row, account, content, at)
        if (row.folder !== null) writeReport(row.folder, content)
        await recordRun(tx, row, at, null)
      })
    } catch (error) {
      const { message } = toLicensingError(error)
      await this.#context.withMaintenance((tx, at) => recordRun(tx, row, at, message))
    }
  }

  async #createCsv(row: ScheduleRow, kind: ReportKind): Promise<string> {
    const { domain, virtualAccount } = await this.#context.store.read(async (tx) => ({
      domain: (await readAccount(tx, row)).domain,
      virtualAccount: await findVirtualAccountName(tx, row),
    }))
    const read: AccountReader = (work) => this.#context.readAccount({ account: domain }, work)
    const parts: string[] = []
    for await (const part of formatReportCsv(await openReport({ read, virtualAccount }, kind)))
      parts.push(part)
    return parts.join('')
  }
}

async function findVirtualAccountName(tx: Tx, row: ScheduleRow): Promise<string | null> {
  if (row.virtual_account_id === null) return null
  const found = await tx
    .selectFrom('virtual_accounts')
    .select('name')
    .where('id', '=', row.virtual_account_id)
    .executeTakeFirst()
  return found?.name ?? null
}

/** Formats the name of a report's file. The due time in the name does not depend on the time of the run. */
function formatFileName(row: ScheduleRow, account: Account, virtualAccount: string | null): string {
  const words = [
    row.kind,
    account.domain,
    ...(virtualAccount === null ? [] : [virtualAccount]),
    toIsoString(row.next_at).slice(0, 13),
  ]
  return words.join('-').replace(/[^A-Za-z0-9.-]/g, '_')
}

async function readAccount(tx: Tx, { account_id: id }: ScheduleRow): Promise<Account> {
  const found = (await listAccounts(tx)).find((one) => one.id === id)
  return found ?? resolveAccount(tx, undefined)
}

async function recordRun(tx: Tx, row: ScheduleRow, at: Instant, failure: string | null): Promise<void> {
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
  row: ScheduleRow,
  { domain }: Account,
  content: { name: string; text: string },
  at: Instant,
): Promise<void> {
  const fits = content.text.length <= MAX_ATTACHMENT_LENGTH
  const what = row.kind === 'audit-checkpoint' ? 'checkpoint of the audit log' : `report of ${row.kind}`
  await queueMail(tx, {
    subjectId: row.id,
    to: row.recipient ?? '',
    subject: `Smart Account ${domain}: ${what}`,
    text: fits
      ? `The ${what} of the Smart Account ${domain}, as of ${toIsoString(at)}, is attached.\n`
      : `The ${what} of the Smart Account ${domain} is too large for an e-mail. Schedule it into a folder instead.\n`,
    at,
    ...(fits && { attachment: content }),
  })
}

function writeReport(folder: string, { name, text }: { name: string; text: string }): void {
  createFolder(folder)
  const path = join(folder, name)
  try {
    replaceFile(path, text)
  } catch (error) {
    throw toUnwritableError(path, error)
  }
}

function createFolder(folder: string): void {
  try {
    createDirectory(folder)
  } catch (error) {
    throw toUnwritableError(folder, error)
  }
}

function toUnwritableError(path: string, error: unknown): LicensingError {
  const code = errnoCode(error) || 'unknown reason'
  return new LicensingError('FILE_UNWRITABLE', `The report could not be written to ${path} (${code}).`)
}

const toScheduleDocument = (row: ScheduleRow & { readonly name: string | null }): ScheduleDocument => ({
  id: row.id,
  kind: row.kind,
  virtualAccount: row.name,
  every: row.every,
  hour: row.hour,
  recipient: row.recipient,
  folder: row.folder,
  nextAt: toIsoString(row.next_at),
  lastAt: toIsoString(row.last_at),
  failure: row.failure,
})
