import { sql } from 'kysely'
import { X509Certificate } from 'node:crypto'
import { LicensingError, notFoundError } from '../../core/errors.ts'
import type { Instant } from '../../core/time.ts'
import { parseToken } from '../../protocol/token.ts'
import { computeThumbprint } from '../../pki/chain-validation.ts'
import { listVirtualAccounts } from '../inventory/accounts.ts'
import type { Account, AccountContext } from '../context/account-context.ts'
import { logEvent } from '../events/event-log.ts'
import { deactivateInstance, type InstanceRow, NO_EXCHANGE, NO_RENEWAL } from '../inventory/instances.ts'
import { exportSpki } from './requests.ts'
import { markInstanceChanged, markReservationChanged } from '../store/revisions.ts'
import { BACKDATE_MS } from '../policy.ts'
import type { Tx } from '../store/store.ts'

/** `instances.in_review`: its box has not shown its certificate yet, or it has, and a person has not looked. */
const AWAITED = 1
const IDENTIFIED = 2

/** A box that registered since the backup does not say which it is until it asks to be authorized. */
const UNKNOWN_PRODUCT = 'unknown'

/** The transaction in which a restored authority meets a device again. */
type ReviewContext = Pick<AccountContext, 'tx' | 'credentials' | 'at'>

/**
 * Takes back the instance of a certificate that is in no row. The instance may have gone on since the backup, so that a
 * certificate of this authority's own is proof enough (trust §9).
 *
 * @returns whether the certificate is of this authority
 */
export async function takeBackInstance(
  context: ReviewContext,
  pem: string,
  instanceId: string,
): Promise<boolean> {
  const own = context.credentials.instanceCertificates.findIssued(pem, instanceId, context.at)
  if (!own) return false
  const row = await context.tx
    .selectFrom('instances')
    .selectAll()
    .where('id', '=', instanceId)
    .executeTakeFirst()
  const certificate = new X509Certificate(pem)
  return row
    ? takeShown(context, row, certificate)
    : takeUnknown(context, instanceId, own.account, certificate)
}

/** Takes back an instance that was handed back without its certificate, or has renewed it since the backup. */
async function takeShown(
  context: ReviewContext,
  row: InstanceRow,
  certificate: X509Certificate,
): Promise<boolean> {
  const awaited = row.in_review === AWAITED
  const { epoch } = context.credentials.keyRing.identity
  const renewed = row.status === 'active' && row.epoch < epoch && isNewer(certificate, row.certificates)
  if (!awaited && !renewed) return false
  await context.tx
    .updateTable('instances')
    .set({
      ...identityOf(context, certificate),
      ...NO_RENEWAL,
      in_review: awaited ? 0 : row.in_review,
    })
    .where('id', '=', row.id)
    .execute()
  return true
}

function identityOf({ credentials }: ReviewContext, certificate: X509Certificate) {
  return {
    thumbprint: computeThumbprint(certificate),
    public_key: exportSpki(certificate.publicKey),
    certificates: JSON.stringify([certificate.toString(), ...credentials.keyRing.issuingCas]),
    expires_at: Date.parse(certificate.validTo),
  }
}

/** Takes back an instance that registered since the backup. A satellite hears of it from its manager instead. */
async function takeUnknown(
  context: ReviewContext,
  id: string,
  domain: string,
  certificate: X509Certificate,
): Promise<boolean> {
  const { role, epoch } = context.credentials.keyRing.identity
  if (role === 'satellite' || epoch === 1) return false
  const account = await context.tx
    .selectFrom('accounts')
    .select('id')
    .where('domain', '=', domain)
    .executeTakeFirst()
  const places = account ? await listVirtualAccounts(context.tx, account.id) : []
  const place = places.find(({ isDefault }) => isDefault)
  if (!account || !place) return false
  const identity = identityOf(context, certificate)
  const registeredAt = Date.parse(certificate.validFrom) + BACKDATE_MS
  await context.tx
    .insertInto('instances')
    .values({
      id,
      account_id: account.id,
      virtual_account_id: place.id,
      pid: UNKNOWN_PRODUCT,
      serial: id,
      version: '',
      hostname: null,
      status: 'active',
      export_controlled: 0,
      ...identity,
      registered_key: identity.public_key,
      token_id: '',
      ...NO_EXCHANGE,
      registered_at: registeredAt,
      last_contact_at: context.at,
      epoch: 0,
      revision: 0,
      in_review: IDENTIFIED,
    })
    .execute()
  await markInstanceChanged(context.tx, id)
  await logEvent(context.tx, {
    at: context.at,
    type: 'INSTANCE_TAKEN_BACK',
    severity: 'major',
    accountId: account.id,
    virtualAccount: place.name,
    instanceId: id,
    message: `Product instance ${id} registered before the restore, and was not in the backup: taken back for review.`,
  })
  return true
}

/**
 * Records the device that an instance taken back says it is on. Of two registrations of one device the newer is in force.
 *
 * @returns the row as it is from here on
 */
export async function identifyDevice(
  context: ReviewContext,
  row: InstanceRow,
  udi: { pid: string; serial: string } | undefined,
): Promise<InstanceRow> {
  if (!isPlaceholder(row) || !udi) return row
  const { pid, serial } = udi
  const rival = await context.tx
    .selectFrom('instances')
    .selectAll()
    .where('account_id', '=', row.account_id)
    .where('pid', '=', pid)
    .where('serial', '=', serial)
    .where('status', '=', sql.lit('active'))
    .executeTakeFirst()
  if (rival && rival.registered_at > row.registered_at) {
    await deactivateInstance(context.tx, row, 'replaced', context.at)
    return { ...row, status: 'replaced' }
  }
  if (rival) await deactivateInstance(context.tx, rival, 'replaced', context.at)
  await context.tx.updateTable('instances').set({ pid, serial }).where('id', '=', row.id).execute()
  await markInstanceChanged(context.tx, row.id)
  return { ...row, pid, serial }
}

/** Whether it is known by its certificate alone. */
export const isPlaceholder = (row: InstanceRow): boolean =>
  row.in_review === IDENTIFIED && row.pid === UNKNOWN_PRODUCT

/** Whether a certificate was issued after the one that is known. */
function isNewer(certificate: X509Certificate, known: string): boolean {
  const [pem] = JSON.parse(known) as string[]
  return (
    pem === undefined || Date.parse(certificate.validFrom) > Date.parse(new X509Certificate(pem).validFrom)
  )
}

/**
 * A person has looked at a product instance that is in doubt after a restore: it is as it is.
 *
 * @throws LicensingError INSTANCE_NOT_IN_REVIEW
 */
export async function confirmInstance(tx: Tx, account: Account, id: string, at: Instant): Promise<void> {
  const instances = await tx
    .updateTable('instances')
    .set({ in_review: 0 })
    .where('id', '=', id)
    .where('account_id', '=', account.id)
    .where('status', '=', sql.lit('active'))
    .where('in_review', '=', IDENTIFIED)
    .executeTakeFirst()
  const reservations = await tx
    .updateTable('reservations')
    .set({ in_review: 0 })
    .where('id', '=', id)
    .where('account_id', '=', account.id)
    .where('in_review', '=', 1)
    .executeTakeFirst()
  if (instances.numUpdatedRows + reservations.numUpdatedRows === 0n)
    throw new LicensingError(
      'INSTANCE_NOT_IN_REVIEW',
      `Nothing waits to be confirmed of ${JSON.stringify(id)}.`,
    )
  if (reservations.numUpdatedRows > 0n) await markReservationChanged(tx, id)
  await logEvent(tx, {
    at,
    type: 'INSTANCE_CONFIRMED',
    accountId: account.id,
    instanceId: id,
    message: `Product instance ${id} was confirmed after the restore.`,
  })
}

/**
 * A person answers for a token that is in doubt after a restore.
 *
 * @param uses how often it was used by now, where that is known to be more than the backup says
 * @throws LicensingError NOT_FOUND, TOKEN_NOT_IN_REVIEW
 */
export async function confirmToken(
  tx: Tx,
  account: Account,
  tokenOrId: string,
  uses: number | undefined,
  at: Instant,
): Promise<{ id: string }> {
  const id = tokenOrId.startsWith('SLT1.') ? parseToken(tokenOrId).id : tokenOrId
  const row = await tx
    .selectFrom('tokens')
    .innerJoin('virtual_accounts', 'virtual_accounts.id', 'tokens.virtual_account_id')
    .select(['tokens.id', 'tokens.uses', 'tokens.in_review', 'virtual_accounts.name'])
    .where('tokens.id', '=', id)
    .where('virtual_accounts.account_id', '=', account.id)
    .executeTakeFirst()
  if (!row) throw notFoundError('token', `${account.domain} has no such token.`)
  if (row.in_review === 0) throw new LicensingError('TOKEN_NOT_IN_REVIEW', `Token ${id} is not in doubt.`)
  await tx
    .updateTable('tokens')
    .set({ in_review: 0, uses: Math.max(row.uses, uses ?? 0) })
    .where('id', '=', id)
    .execute()
  await logEvent(tx, {
    at,
    type: 'TOKEN_CONFIRMED',
    accountId: account.id,
    virtualAccount: row.name,
    message: `Token ${id} was confirmed after the restore.`,
  })
  return { id }
}
