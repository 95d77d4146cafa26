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

/** The work of taking instances back, and the changes of pools that it gathers. */
interface TakingBack extends Pick<AccountContext, 'tx' | 'account' | 'at'> {
  /** The epoch in which this satellite goes on. Earlier promises are of an earlier one. */
  readonly epoch: number
  /** Changes of what is in use, by virtual account and tag. */
  readonly use: Map<string, number>
  /** Pools to assess, by virtual account and tag. */
  readonly touched: Set<string>
}

/**
 * Takes back what a satellite had before it was restored, as its manager knows it, so that it counts. A device proves itself
 * by its certificate. A reservation waits for a person (trust §9).
 *
 * @param home takes what was in a virtual account that is not here
 * @param epoch the epoch in which this satellite goes on
 */
export async function takeBackReported(
  context: Pick<AccountContext, 'tx' | 'account' | 'at'>,
  home: VirtualAccount,
  epoch: number,
  known: readonly ReportedInstance[],
): Promise<void> {
  if (known.length === 0) return
  const { tx, account, at } = context
  const work: TakingBack = { tx, account, at, epoch, use: new Map(), touched: new Set() }
  const virtualAccounts = await listVirtualAccounts(tx, account.id)
  const places = new Map(virtualAccounts.map((one) => [one.name, one]))
  for (const one of known) {
    const place = places.get(one.virtualAccount) ?? home
    if (one.kind === 'registered') await takeBackInstance(work, one, place)
    else await takeBackReservation(work, one, place)
  }
  const split = (key: string) => key.split(' ') as [string, string]
  for (const [key, change] of work.use) await adjustUsage(tx, ...split(key), change, at)
  for (const key of work.touched) await recomputeCompliance(tx, ...split(key), at)
}

async function takeBackInstance(
  work: TakingBack,
  one: ReportedInstance,
  place: VirtualAccount,
): Promise<void> {
  const there = await work.tx.selectFrom('instances').select('id').where('id', '=', one.id).executeTakeFirst()
  if (there) {
    await markInstanceChanged(work.tx, one.id)
    return
  }
  const isReplaced = await hasRival(work, one)
  await work.tx
    .insertInto('instances')
    .values({
      id: one.id,
      account_id: work.account.id,
      virtual_account_id: place.id,
      pid: one.pid,
      serial: one.serial,
      version: one.version,
      hostname: one.hostname,
      // A box that registered again since is in force as that: the old registration is told to have ended.
      status: isReplaced ? 'replaced' : 'active',
      export_controlled: 0,
      thumbprint: '',
      public_key: '',
      registered_key: '',
      token_id: '',
      certificates: '[]',
      ...NO_EXCHANGE,
      registered_at: one.since,
      last_contact_at: one.since,
      expires_at: work.at + IDENTITY_LIFETIME,
      epoch: 0,
      revision: nextRevision,
      in_review: 1,
    })
    .execute()
  await log(work, one)
  if (isReplaced) return
  for (const { tag, count } of one.licenses) {
    await work.tx.insertInto('instance_usage').values({ instance_id: one.id, tag, count }).execute()
    const key = `${place.id} ${tag}`
    work.use.set(key, (work.use.get(key) ?? 0) + count)
  }
}

/** Tells whether the device registered again since, under its serial number, where reports leave that out. */
async function hasRival(work: TakingBack, { pid, serial }: ReportedInstance): Promise<boolean> {
  const rows = await work.tx
    .selectFrom('instances')
    .select('serial')
    .where('account_id', '=', work.account.id)
    .where('pid', '=', pid)
    .$if(!serial.startsWith('sha256:'), (query) => query.where('serial', '=', serial))
    .where('status', '=', sql.lit('active'))
    .execute()
  return rows.some((row) => hashUdi(pid, row.serial) === hashUdi(pid, serial))
}

async function takeBackReservation(
  work: TakingBack,
  one: ReportedInstance,
  place: VirtualAccount,
): Promise<void> {
  const there = await work.tx
    .selectFrom('reservations')
    .selectAll()
    .where('id', '=', one.id)
    .executeTakeFirst()
  if (there?.status === 'active') {
    // It was updated since the backup: as one that waits for its confirmation, the larger of both is held.
    await work.tx
      .updateTable('reservations')
      .set({ sequence: there.sequence + 1, updated_at: work.at })
      .where('id', '=', one.id)
      .execute()
    await hold(work, one.id, there.sequence + 1, one.licenses)
    touch(work, there.virtual_account_id, one.licenses)
    await log(work, one)
  }
  if (!there) {
    await work.tx
      .insertInto('reservations')
      .values({
        id: one.id,
        account_id: work.account.id,
        virtual_account_id: place.id,
        pid: one.pid,
        serial: one.serial,
        version: one.version,
        status: 'active',
        request: 0,
        // Without the key of its box its codes cannot be checked: only a person can end it.
        device_key: `unknown ${one.id}`,
        sequence: 1,
        confirmed: 1,
        created_at: one.since,
        updated_at: work.at,
        ended_at: null,
        failed_code_attempts: 0,
        failed_code_attempts_since: 0,
        revision: 0,
        in_review: 0,
      })
      .execute()
    await hold(work, one.id, 1, one.licenses)
    touch(work, place.id, one.licenses)
    await log(work, one)
  }
  await markReservationChanged(work.tx, one.id)
}

async function hold(
  work: TakingBack,
  id: string,
  sequence: number,
  licenses: readonly ReportedLicense[],
): Promise<void> {
  if (licenses.length === 0) return
  const epoch = work.epoch - 1
  await work.tx
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

function touch(
  { touched }: TakingBack,
  virtualAccountId: string,
  licenses: readonly ReportedLicense[],
): void {
  for (const { tag } of licenses) touched.add(`${virtualAccountId} ${tag}`)
}

async function log(work: TakingBack, one: ReportedInstance): Promise<void> {
  await logAccountEvent(work, {
    type: 'INSTANCE_TAKEN_BACK',
    severity: 'major',
    instanceId: one.id,
    message: `${one.pid}:${one.serial} was promised more before the restore than is known here, since ${toIsoString(one.since)}: taken back for review.`,
  })
}
