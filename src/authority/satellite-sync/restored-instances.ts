import { sql } from 'kysely'
import { toIsoString } from '../../core/time.ts'
import { hashUdi } from '../../protocol/digest.ts'
import type { ReportedInstance, ReportedLicense } from '../../protocol/sync-request.ts'
import { listVirtualAccounts } from '../inventory/accounts.ts'
import type { AccountContext, VirtualAccount } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { NO_EXCHANGE } from '../inventory/instances.ts'
import { recomputeCompliance, adjustUsage } from '../inventory/pools.ts'
import { nextRevision, markInstanceChanged, markReservationChanged } from '../store/revisions.ts'
import { IDENTITY_LIFETIME } from '../policy.ts'

/** State of a recovery, with the changes of pools that it collects. */
interface Recovery extends Pick<AccountContext, 'tx' | 'account' | 'at'> {
  /** The epoch in which this satellite continues. Licenses were reserved before in an earlier epoch. */
  readonly epoch: number
  /** Changes of the usage, by virtual account and tag. */
  readonly use: Map<string, number>
  /** Pools to assess, by virtual account and tag. */
  readonly touched: Set<string>
}

/**
 * Recovers the instances that a satellite had before it was restored, as its manager knows them, so that they count. A
 * device proves itself by its certificate. A reservation needs a review by an administrator.
 *
 * @param home the virtual account for instances of a virtual account that does not exist here
 * @param epoch the epoch in which this satellite continues
 */
export async function takeBackReported(
  context: Pick<AccountContext, 'tx' | 'account' | 'at'>,
  home: VirtualAccount,
  epoch: number,
  known: readonly ReportedInstance[],
): Promise<void> {
  if (known.length === 0) return
  const { tx, account, at } = context
  const recovery: Recovery = { tx, account, at, epoch, use: new Map(), touched: new Set() }
  const virtualAccounts = await listVirtualAccounts(tx, account.id)
  const accountsByName = new Map(virtualAccounts.map((account) => [account.name, account]))
  for (const instance of known) {
    const virtualAccount = accountsByName.get(instance.virtualAccount) ?? home
    if (instance.kind === 'registered') await recoverInstance(recovery, instance, virtualAccount)
    else await recoverReservation(recovery, instance, virtualAccount)
  }
  const split = (key: string) => key.split(' ') as [string, string]
  for (const [key, change] of recovery.use) await adjustUsage(tx, ...split(key), change, at)
  for (const key of recovery.touched) await recomputeCompliance(tx, ...split(key), at)
}

async function recoverInstance(
  recovery: Recovery,
  reported: ReportedInstance,
  virtualAccount: VirtualAccount,
): Promise<void> {
  const existing = await recovery.tx
    .selectFrom('instances')
    .select('id')
    .where('id', '=', reported.id)
    .executeTakeFirst()
  if (existing) {
    await markInstanceChanged(recovery.tx, reported.id)
    return
  }
  const isReplaced = await hasRival(recovery, reported)
  await recovery.tx
    .insertInto('instances')
    .values({
      id: reported.id,
      account_id: recovery.account.id,
      virtual_account_id: virtualAccount.id,
      pid: reported.pid,
      serial: reported.serial,
      version: reported.version,
      hostname: reported.hostname,
      // A device that has registered again uses the new registration. The old one is reported as ended.
      status: isReplaced ? 'replaced' : 'active',
      export_controlled: 0,
      thumbprint: '',
      public_key: '',
      registered_key: '',
      token_id: '',
      certificates: '[]',
      ...NO_EXCHANGE,
      registered_at: reported.since,
      last_contact_at: reported.since,
      expires_at: recovery.at + IDENTITY_LIFETIME,
      epoch: 0,
      revision: nextRevision,
      in_review: 1,
    })
    .execute()
  await log(recovery, reported)
  if (isReplaced) return
  for (const { tag, count } of reported.licenses) {
    await recovery.tx.insertInto('instance_usage').values({ instance_id: reported.id, tag, count }).execute()
    const key = `${virtualAccount.id} ${tag}`
    recovery.use.set(key, (recovery.use.get(key) ?? 0) + count)
  }
}

/** Returns true if the device has registered again. Compares digests where reports redact serial numbers. */
async function hasRival(recovery: Recovery, { pid, serial }: ReportedInstance): Promise<boolean> {
  const rows = await recovery.tx
    .selectFrom('instances')
    .select('serial')
    .where('account_id', '=', recovery.account.id)
    .where('pid', '=', pid)
    .$if(!serial.startsWith('sha256:'), (query) => query.where('serial', '=', serial))
    .where('status', '=', sql.lit('active'))
    .execute()
  return rows.some((row) => hashUdi(pid, row.serial) === hashUdi(pid, serial))
}

async function recoverReservation(
  recovery: Recovery,
  reported: ReportedInstance,
  virtualAccount: VirtualAccount,
): Promise<void> {
  const existing = await recovery.tx
    .selectFrom('reservations')
    .selectAll()
    .where('id', '=', reported.id)
    .executeTakeFirst()
  if (existing?.status === 'active') {
    // The reservation was updated after the backup. As with an unconfirmed update, the larger quantities hold.
    await recovery.tx
      .updateTable('reservations')
      .set({ sequence: existing.sequence + 1, updated_at: recovery.at })
      .where('id', '=', reported.id)
      .execute()
    await insertReserved(recovery, reported.id, existing.sequence + 1, reported.licenses)
    touch(recovery, existing.virtual_account_id, reported.licenses)
    await log(recovery, reported)
  }
  if (!existing) {
    await recovery.tx
      .insertInto('reservations')
      .values({
        id: reported.id,
        account_id: recovery.account.id,
        virtual_account_id: virtualAccount.id,
        pid: reported.pid,
        serial: reported.serial,
        version: reported.version,
        status: 'active',
        request: 0,
        // The device's key is lost, so its codes cannot be verified. Only an administrator can end the reservation.
        device_key: `unknown ${reported.id}`,
        sequence: 1,
        confirmed: 1,
        created_at: reported.since,
        updated_at: recovery.at,
        ended_at: null,
        failed_code_attempts: 0,
        failed_code_attempts_since: 0,
        revision: 0,
        in_review: 0,
      })
      .execute()
    await insertReserved(recovery, reported.id, 1, reported.licenses)
    touch(recovery, virtualAccount.id, reported.licenses)
    await log(recovery, reported)
  }
  await markReservationChanged(recovery.tx, reported.id)
}

async function insertReserved(
  recovery: Recovery,
  id: string,
  sequence: number,
  licenses: readonly ReportedLicense[],
): Promise<void> {
  if (licenses.length === 0) return
  const epoch = recovery.epoch - 1
  await recovery.tx
    .insertInto('reserved_licenses')
    .values(
      licenses.map(({ tag, count, endsAt }) => ({
        reservation_id: id,
        sequence,
        epoch,
        tag,
        count,
        ends_at: endsAt,
      })),
    )
    .execute()
}

function touch({ touched }: Recovery, virtualAccountId: string, licenses: readonly ReportedLicense[]): void {
  for (const { tag } of licenses) touched.add(`${virtualAccountId} ${tag}`)
}

async function log(recovery: Recovery, reported: ReportedInstance): Promise<void> {
  await logAccountEvent(recovery, {
    type: 'INSTANCE_TAKEN_BACK',
    severity: 'major',
    instanceId: reported.id,
    message: `${reported.pid}:${reported.serial}, since ${toIsoString(reported.since)}, had more licenses before the restore than the backup contains. It was recovered and needs review.`,
  })
}
