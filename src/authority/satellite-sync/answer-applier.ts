import type { AccountContext } from '../context/account-context.ts'
import { randomUUID } from 'node:crypto'
import type { SyncAnswer, SyncLot } from '../../protocol/sync-answer.ts'
import {
  addVirtualAccount,
  isSameName,
  listVirtualAccounts,
  describeContents,
} from '../inventory/accounts.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { deactivateInstance } from '../inventory/instances.ts'
import { adoptProfile } from '../inventory/stored-profile.ts'
import { recomputeCompliance } from '../inventory/pools.ts'
import { markInstanceChanged, markVirtualAccountChanged, markReservationChanged } from '../store/revisions.ts'
import { takeBackReported } from './restored-instances.ts'

/** Transaction on the smart account of an answer. */
type AnswerContext = Pick<AccountContext, 'tx' | 'account' | 'at'>

/** Applies an answer. @returns true if the manager should learn of the result at once, in another exchange */
export async function applyAnswer(context: AnswerContext, answer: SyncAnswer): Promise<boolean> {
  const localAccounts = await linkVirtualAccounts(context, answer)
  await context.tx
    .updateTable('accounts')
    .set({ software_version: answer.softwareVersion })
    .where('id', '=', context.account.id)
    .execute()
  if (answer.profile !== null) await adoptProfile(context.tx, answer.profile, context.at)
  const withdrawn = await applyLots(context, answer.lots, localAccounts)
  let changed = false
  for (const { id, how } of answer.ended) if (await applyEnd(context, id, how)) changed = true
  const home = localAccounts.get(answer.virtualAccounts.find((account) => account.home)?.name ?? '')
  if (home) await takeBackReported(context, home, answer.epoch, answer.known)
  for (const notice of answer.notices)
    await logAccountEvent(context, { type: 'SYNCHRONIZATION_NOTICE', severity: 'major', message: notice })
  return withdrawn || changed || answer.known.length > 0
}

/** Returns the local virtual accounts that receive the manager's licenses, by name. Creates missing ones. */
async function linkVirtualAccounts(
  context: AnswerContext,
  answer: SyncAnswer,
): Promise<Map<string, VirtualAccount>> {
  const localAccounts = new Map<string, VirtualAccount>()
  const all = await listVirtualAccounts(context.tx, context.account.id)
  const linkUpstream = async (id: string, upstream: string | null, home: boolean) => {
    await context.tx
      .updateTable('virtual_accounts')
      .set({ upstream, is_home: home ? 1 : 0 })
      .where('id', '=', id)
      .execute()
    if (all.find((account) => account.id === id)?.upstream === upstream) return
    // Its instances now count for another of the manager's virtual accounts, so they are reported again.
    await markVirtualAccountChanged(context.tx, id)
  }
  for (const { name, home } of answer.virtualAccounts) {
    const local =
      all.find((account) => (home ? account.home : !account.home && account.upstream === name)) ??
      (home ? all.find((account) => account.isDefault) : undefined) ??
      (await findLocalAccount(context, name, all))
    await linkUpstream(local.id, name, home)
    localAccounts.set(name, { ...local, upstream: name, home })
  }
  const kept = new Set([...localAccounts.values()].map(({ id }) => id))
  // A virtual account that the manager has released belongs to the satellite alone.
  for (const account of all)
    if (account.upstream !== null && !kept.has(account.id)) await linkUpstream(account.id, null, false)
  return localAccounts
}

/**
 * Finds or creates the local virtual account for one of the manager's. A local one of the same name is used only if it
 * is empty.
 */
async function findLocalAccount(
  context: AnswerContext,
  name: string,
  all: readonly VirtualAccount[],
): Promise<VirtualAccount> {
  const same = all.find((account) => isSameName(account.name, name))
  if (same && !same.isDefault && same.upstream === null && (await isEmpty(context, same.id))) return same
  const isTaken = (wanted: string) => all.some((account) => isSameName(account.name, wanted))
  let free = name
  for (let i = 1; isTaken(free); i++) free = `${name} (manager${i === 1 ? '' : ` ${i}`})`
  return addVirtualAccount(context.tx, context.account, free, context.at)
}

async function isEmpty(context: AnswerContext, id: string): Promise<boolean> {
  const license = await context.tx
    .selectFrom('licenses')
    .select('id')
    .where('virtual_account_id', '=', id)
    .executeTakeFirst()
  return license === undefined && (await describeContents(context.tx, id, context.at)) === null
}

/**
 * Applies the manager's lots. For each lot, the local quantities in all virtual accounts add up to the manager's
 * quantity.
 *
 * @returns true if licenses were withdrawn
 */
async function applyLots(
  context: AnswerContext,
  lots: readonly SyncLot[],
  localAccounts: ReadonlyMap<string, VirtualAccount>,
): Promise<boolean> {
  const rows = await context.tx
    .selectFrom('licenses')
    .innerJoin('virtual_accounts as va', 'va.id', 'licenses.virtual_account_id')
    .selectAll('licenses')
    .select('va.name as virtualAccount')
    .where('lot_id', 'is not', null)
    .execute()
  const touched = new Map<string, { virtualAccountId: string; tag: string }>()
  const touch = (virtualAccountId: string, tag: string) => {
    touched.set(`${virtualAccountId} ${tag}`, { virtualAccountId, tag })
  }
  const lotsById = new Map(lots.map((lot) => [lot.id, lot]))
  let withdrawn = false
  for (const lot of lots) {
    const target = localAccounts.get(lot.virtualAccount)
    if (!target) continue
    // The receiving virtual account gives up its licenses first, so that the local division stays as long as possible.
    const parts = rows
      .filter((row) => row.lot_id === lot.id)
      .sort((a, b) => Number(b.virtual_account_id === target.id) - Number(a.virtual_account_id === target.id))
    const present = parts.reduce((sum, { quantity }) => sum + quantity, 0)
    const [first] = parts
    if (lot.quantity > present || !first) {
      const received = parts.find((row) => row.virtual_account_id === target.id)
      if (received) await setQuantity(context, received.id, received.quantity + lot.quantity - present)
      else await addLot(context, lot, target.id, lot.quantity - present)
      touch(target.id, lot.tag)
    }
    let excess = present - lot.quantity
    for (const part of parts) {
      if (excess <= 0) break
      const withdrawnPart = Math.min(excess, part.quantity)
      excess -= withdrawnPart
      withdrawn = true
      await setQuantity(context, part.id, part.quantity - withdrawnPart)
      touch(part.virtual_account_id, part.tag)
      await logWithdrawal(context, withdrawnPart, part)
    }
  }
  for (const row of rows) {
    if (lotsById.has(row.lot_id ?? '')) continue
    // The manager no longer lists a lot whose term has ended. Its end is not a withdrawal.
    const ended = row.ends_at !== null && row.ends_at <= context.at
    await context.tx.deleteFrom('licenses').where('id', '=', row.id).execute()
    touch(row.virtual_account_id, row.tag)
    if (ended) continue
    withdrawn = true
    await logWithdrawal(context, row.quantity, row)
  }
  for (const { virtualAccountId, tag } of touched.values())
    await recomputeCompliance(context.tx, virtualAccountId, tag, context.at)
  return withdrawn
}

async function setQuantity(context: AnswerContext, id: string, quantity: number): Promise<void> {
  if (quantity === 0) await context.tx.deleteFrom('licenses').where('id', '=', id).execute()
  else await context.tx.updateTable('licenses').set({ quantity }).where('id', '=', id).execute()
}

async function addLot(
  context: AnswerContext,
  lot: SyncLot,
  virtualAccountId: string,
  quantity: number,
): Promise<void> {
  await context.tx
    .insertInto('licenses')
    .values({
      id: randomUUID(),
      virtual_account_id: virtualAccountId,
      tag: lot.tag,
      quantity,
      starts_at: lot.startsAt,
      ends_at: lot.endsAt,
      source: 'manager',
      lot_id: lot.id,
      warned_days: null,
    })
    .execute()
  await logAccountEvent(context, {
    type: 'LICENSES_RECEIVED',
    message: `The manager supplied ${quantity} of ${lot.tag}.`,
  })
}

async function logWithdrawal(
  context: AnswerContext,
  quantity: number,
  row: { tag: string; virtualAccount: string },
): Promise<void> {
  await logAccountEvent(context, {
    type: 'LICENSES_WITHDRAWN',
    severity: 'minor',
    message: `The manager withdrew ${quantity} of ${row.tag} from ${row.virtualAccount}.`,
  })
}

/**
 * Ends an instance that the manager knows to have ended, by a newer registration or before a restore.
 *
 * @returns true if the change must be reported
 */
async function applyEnd(context: AnswerContext, id: string, how: 'replaced' | 'ended'): Promise<boolean> {
  const instance = await context.tx
    .selectFrom('instances')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  if (instance?.status === 'active') {
    await deactivateInstance(context.tx, instance, how === 'replaced' ? 'replaced' : 'removed', context.at)
    const reason =
      how === 'replaced' ? 'was registered again elsewhere in the smart account' : 'ended before the restore'
    await logAccountEvent(context, {
      type: 'INSTANCE_ENDED_BY_MANAGER',
      severity: 'major',
      instanceId: id,
      message: `${instance.pid}:${instance.serial} ${reason}.`,
    })
    return true
  }
  // The end is reported again until the manager has confirmed it.
  if (instance) await markInstanceChanged(context.tx, id)
  const reservation = await context.tx
    .selectFrom('reservations')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  if (!reservation) return instance !== undefined
  if (reservation.status === 'active') {
    await context.tx
      .updateTable('reservations')
      .set({ status: 'returned', ended_at: context.at })
      .where('id', '=', id)
      .execute()
    await logAccountEvent(context, {
      type: 'RESERVATION_ENDED_BY_MANAGER',
      severity: 'major',
      instanceId: id,
      message: `The reservation of ${reservation.pid}:${reservation.serial} ended before the restore.`,
    })
    const tags = await context.tx
      .selectFrom('reserved_licenses')
      .select('tag')
      .distinct()
      .where('reservation_id', '=', id)
      .execute()
    for (const { tag } of tags)
      await recomputeCompliance(context.tx, reservation.virtual_account_id, tag, context.at)
  }
  await markReservationChanged(context.tx, id)
  return true
}
