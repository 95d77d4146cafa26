import type { AccountContext } from '../context/account-context.ts'
import { randomUUID } from 'node:crypto'
import type { SyncAnswer, SyncLot } from '../../protocol/sync-answer.ts'
import { addVirtualAccount, listVirtualAccounts, describeContents } from '../inventory/accounts.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { deactivateInstance } from '../inventory/instances.ts'
import { recomputeCompliance } from '../inventory/pools.ts'
import { markInstanceChanged, markVirtualAccountChanged, markReservationChanged } from '../store/revisions.ts'
import { takeBackReported } from './restored-instances.ts'

/** The smart account that an answer is about, and when it counts. */
type AnswerContext = Pick<AccountContext, 'tx' | 'account' | 'at'>

/** @returns whether the manager should hear of it at once: something was given up, ended or found again */
export async function applyAnswer(context: AnswerContext, answer: SyncAnswer): Promise<boolean> {
  const localAccounts = await linkVirtualAccounts(context, answer)
  await context.tx
    .updateTable('accounts')
    .set({ software_version: answer.softwareVersion })
    .where('id', '=', context.account.id)
    .execute()
  const withdrawn = await applyLots(context, answer.lots, localAccounts)
  let changed = false
  for (const { id, how } of answer.ended) if (await applyEnd(context, id, how)) changed = true
  const home = localAccounts.get(answer.virtualAccounts.find((one) => one.home)?.name ?? '')
  if (home) await takeBackReported(context, home, answer.epoch, answer.known)
  for (const notice of answer.notices)
    await logAccountEvent(context, { type: 'SYNCHRONIZATION_NOTICE', severity: 'major', message: notice })
  return withdrawn || changed || answer.known.length > 0
}

/** The local virtual accounts in which the manager's licenses arrive: made where they are missing. */
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
    if (all.find((one) => one.id === id)?.upstream === upstream) return
    // What is in it counts for another of the manager's virtual accounts now: it is reported anew.
    await markVirtualAccountChanged(context.tx, id)
  }
  for (const { name, home } of answer.virtualAccounts) {
    const local =
      all.find((one) => (home ? one.home : !one.home && one.upstream === name)) ??
      (home ? all.find((one) => one.isDefault) : undefined) ??
      (await findLocalAccount(context, name, all))
    await linkUpstream(local.id, name, home)
    localAccounts.set(name, { ...local, upstream: name, home })
  }
  const kept = new Set([...localAccounts.values()].map(({ id }) => id))
  // What the manager has freed is this satellite's own from here on.
  for (const one of all)
    if (one.upstream !== null && !kept.has(one.id)) await linkUpstream(one.id, null, false)
  return localAccounts
}

/** Where the licenses of a further account arrive: under its name, unless one of the satellite's own has that and is in use. */
async function findLocalAccount(
  context: AnswerContext,
  name: string,
  all: readonly VirtualAccount[],
): Promise<VirtualAccount> {
  const same = all.find((one) => one.name === name)
  if (same && !same.isDefault && same.upstream === null && (await isEmpty(context, same.id))) return same
  const taken = new Set(all.map((one) => one.name))
  let free = name
  for (let i = 1; taken.has(free); i++) free = `${name} (manager${i === 1 ? '' : ` ${i}`})`
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
 * The manager is the source of truth for what was bought: each of its lots is here as often as it says, in whichever
 * virtual accounts it was divided among.
 *
 * @returns whether something was taken away
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
    const arrives = localAccounts.get(lot.virtualAccount)
    if (!arrives) continue
    // Where it arrives gives up first, so that what was divided stays as it was divided for as long as it can.
    const parts = rows
      .filter((row) => row.lot_id === lot.id)
      .sort(
        (a, b) => Number(b.virtual_account_id === arrives.id) - Number(a.virtual_account_id === arrives.id),
      )
    const there = parts.reduce((sum, { quantity }) => sum + quantity, 0)
    const [first] = parts
    if (lot.quantity > there || !first) {
      const mine = parts.find((row) => row.virtual_account_id === arrives.id)
      if (mine) await setQuantity(context, mine.id, mine.quantity + lot.quantity - there)
      else await addLot(context, lot, arrives.id, lot.quantity - there)
      touch(arrives.id, lot.tag)
    }
    let tooMany = there - lot.quantity
    for (const part of parts) {
      if (tooMany <= 0) break
      const taken = Math.min(tooMany, part.quantity)
      tooMany -= taken
      withdrawn = true
      await setQuantity(context, part.id, part.quantity - taken)
      touch(part.virtual_account_id, part.tag)
      await logWithdrawal(context, taken, part)
    }
  }
  for (const row of rows) {
    if (lotsById.has(row.lot_id ?? '')) continue
    // What ended by its term is not told any more, and is not missed.
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
    message: `${quantity} of ${lot.tag} from the manager.`,
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
    message: `${quantity} of ${row.tag} went back to the manager, from ${row.virtualAccount}.`,
  })
}

/**
 * An instance that the manager knows to have ended: a newer registration of its box, or an end before a restore.
 *
 * @returns whether there is something to tell of it
 */
async function applyEnd(context: AnswerContext, id: string, how: 'replaced' | 'ended'): Promise<boolean> {
  const instance = await context.tx
    .selectFrom('instances')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  if (instance?.status === 'active') {
    await deactivateInstance(context.tx, instance, how === 'replaced' ? 'replaced' : 'removed', context.at)
    const words =
      how === 'replaced' ? 'registered elsewhere in the smart account since' : 'ended before the restore'
    await logAccountEvent(context, {
      type: 'INSTANCE_ENDED_BY_MANAGER',
      severity: 'major',
      instanceId: id,
      message: `${instance.pid}:${instance.serial}: ${words}.`,
    })
    return true
  }
  // It is told until it was heard.
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
      message: `${reservation.pid}:${reservation.serial}: its reservation ended before the restore.`,
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
