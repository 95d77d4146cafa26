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

/**
 * Values of `instances.in_review`: the device has not shown its certificate yet, or an administrator must review the
 * instance.
 */
const AWAITS_CERTIFICATE = 1
const NEEDS_REVIEW = 2

/** The product id of an instance whose device has not yet stated its product and serial number. */
const UNKNOWN_PRODUCT = 'unknown'

/** Transaction in which a restored authority recovers an instance. */
type ReviewContext = Pick<AccountContext, 'tx' | 'credentials' | 'at'>

/**
 * Recovers the instance of a certificate that no row of the database contains. The device may have registered or
 * renewed after the backup, so a certificate that this authority issued is sufficient proof.
 *
 * @returns true if an instance was recovered
 */
export async function recoverInstance(
  context: ReviewContext,
  pem: string,
  instanceId: string,
): Promise<boolean> {
  const issued = context.credentials.instanceCertificates.findIssued(pem, instanceId, context.at)
  if (!issued) return false
  const row = await context.tx
    .selectFrom('instances')
    .selectAll()
    .where('id', '=', instanceId)
    .executeTakeFirst()
  const certificate = new X509Certificate(pem)
  return row
    ? recoverKnown(context, row, certificate)
    : recoverUnknown(context, instanceId, issued.account, certificate)
}

/** Recovers an instance that awaits its certificate, or has renewed its certificate since the backup. */
async function recoverKnown(
  context: ReviewContext,
  row: InstanceRow,
  certificate: X509Certificate,
): Promise<boolean> {
  const isAwaited = row.in_review === AWAITS_CERTIFICATE
  const { epoch } = context.credentials.keyRing.identity
  const isRenewed = row.status === 'active' && row.epoch < epoch && isNewer(certificate, row.certificates)
  if (!isAwaited && !isRenewed) return false
  await context.tx
    .updateTable('instances')
    .set({
      ...toIdentityColumns(context, certificate),
      ...NO_RENEWAL,
      in_review: isAwaited ? 0 : row.in_review,
    })
    .where('id', '=', row.id)
    .execute()
  return true
}

function toIdentityColumns({ credentials }: ReviewContext, certificate: X509Certificate) {
  return {
    thumbprint: computeThumbprint(certificate),
    public_key: exportSpki(certificate.publicKey),
    certificates: JSON.stringify([certificate.toString(), ...credentials.keyRing.issuingCas]),
    expires_at: Date.parse(certificate.validTo),
  }
}

/** Recovers an instance that registered since the backup. A satellite gets such instances from its manager instead. */
async function recoverUnknown(
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
  const virtualAccounts = account ? await listVirtualAccounts(context.tx, account.id) : []
  const virtualAccount = virtualAccounts.find(({ isDefault }) => isDefault)
  if (!account || !virtualAccount) return false
  const identity = toIdentityColumns(context, certificate)
  const registeredAt = Date.parse(certificate.validFrom) + BACKDATE_MS
  await context.tx
    .insertInto('instances')
    .values({
      id,
      account_id: account.id,
      virtual_account_id: virtualAccount.id,
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
      in_review: NEEDS_REVIEW,
    })
    .execute()
  await markInstanceChanged(context.tx, id)
  await logEvent(context.tx, {
    at: context.at,
    type: 'INSTANCE_TAKEN_BACK',
    severity: 'major',
    accountId: account.id,
    virtualAccount: virtualAccount.name,
    instanceId: id,
    message: `Product instance ${id} registered after the backup that was restored. It was recovered and needs review.`,
  })
  return true
}

/**
 * Records the device that a recovered instance belongs to. If the device has another registration, the newer one
 * stays active.
 *
 * @returns the row after the change
 */
export async function identifyDevice(
  context: ReviewContext,
  row: InstanceRow,
  udi: { pid: string; serial: string } | undefined,
): Promise<InstanceRow> {
  if (!isPlaceholder(row) || !udi) return row
  const { pid, serial } = udi
  const otherInstance = await context.tx
    .selectFrom('instances')
    .selectAll()
    .where('account_id', '=', row.account_id)
    .where('pid', '=', pid)
    .where('serial', '=', serial)
    .where('status', '=', sql.lit('active'))
    .executeTakeFirst()
  if (otherInstance && otherInstance.registered_at > row.registered_at) {
    await deactivateInstance(context.tx, row, 'replaced', context.at)
    return { ...row, status: 'replaced' }
  }
  if (otherInstance) await deactivateInstance(context.tx, otherInstance, 'replaced', context.at)
  await context.tx.updateTable('instances').set({ pid, serial }).where('id', '=', row.id).execute()
  await markInstanceChanged(context.tx, row.id)
  return { ...row, pid, serial }
}

/** Returns true if only the certificate of an instance is known. */
export const isPlaceholder = (row: InstanceRow): boolean =>
  row.in_review === NEEDS_REVIEW && row.pid === UNKNOWN_PRODUCT

/** Returns true if a certificate was issued after the leaf of the known chain. */
export function isNewer(certificate: X509Certificate, knownChain: string): boolean {
  const [pem] = JSON.parse(knownChain) as string[]
  return (
    pem === undefined || Date.parse(certificate.validFrom) > Date.parse(new X509Certificate(pem).validFrom)
  )
}

/**
 * Confirms a product instance or reservation that a restore has put in review.
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
    .where('in_review', '=', NEEDS_REVIEW)
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
      `Product instance ${JSON.stringify(id)} is not in review.`,
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
 * Confirms a token that a restore has put in review.
 *
 * @param uses the number of uses so far, if it is higher than in the backup
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
  if (!row) throw notFoundError('token', `The token does not exist in ${account.domain}.`)
  if (row.in_review === 0) throw new LicensingError('TOKEN_NOT_IN_REVIEW', `Token ${id} is not in review.`)
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
