import type { AccountContext } from '../context/account-context.ts'
import { randomUUID } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { z } from 'zod'
import { CREDENTIAL_WARNING_DAYS } from '../../../machines/index.ts'
import { validate } from '../../core/validate.ts'
import { alreadyExistsError, LicensingError, notFoundError } from '../../core/errors.ts'
import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import { generateEnrollmentCode } from '../../protocol/enrollment.ts'
import { formatKeyFingerprint } from '../../pki/fingerprint.ts'
import {
  addVirtualAccount,
  isSameName,
  listVirtualAccounts,
  describeContents,
} from '../inventory/accounts.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { logAccountEvent, logEvent } from '../events/event-log.ts'
import { countReported, forgetReported, readTotals } from './reported-instances.ts'
import { listCertifiedNames, checkTlsNames } from './server-names.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'
import { listReclaims, moveLicenses, type ReclaimDocument } from '../inventory/transfers.ts'

export type SatelliteRow = Selectable<Tables['satellites']>

/** Lifetime of an enrollment code. */
const ENROLLMENT_CODE_LIFETIME = 14 * DAY

/**
 * Days without synchronization until a warning and until the restriction, and the lifetime of the online credential in
 * days.
 */
const termsSchema = z.object({
  warnDays: z
    .int()
    .min(1, 'a warning comes after 1 day or more')
    .max(365, 'a warning comes after 365 days at most'),
  restrictDays: z
    .int()
    .min(1, 'a restriction comes after 1 day or more')
    .max(365, 'a restriction comes after 365 days at most'),
  credentialDays: z
    .int()
    .min(1, 'the credential lasts 1 day or more')
    .max(365, 'the credential lasts 365 days at most'),
})
export type SatelliteTerms = z.infer<typeof termsSchema>
const DEFAULT_TERMS: SatelliteTerms = { warnDays: 30, restrictDays: 90, credentialDays: 180 }

/** @throws LicensingError INVALID_ARGUMENT */
function checkTerms(terms: SatelliteTerms): SatelliteTerms {
  const valid = validate(termsSchema, terms, 'number of days')
  if (valid.warnDays > valid.restrictDays)
    throw new LicensingError('INVALID_ARGUMENT', 'The warning would be later than the restriction.', {
      remedy: 'Set at most as many days for the warning as for the restriction.',
    })
  return valid
}

const nameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'a name is 1 to 64 letters from A to Z and a to z, digits and . _ -',
  )

/** Returns a valid name for a satellite. @throws LicensingError INVALID_ARGUMENT */
export const checkSatelliteName = (name: string): string =>
  validate(nameSchema, name, 'name of the satellite')

/** A satellite in the manager's API. */
export interface SatelliteDocument {
  readonly name: string
  readonly status: 'waiting' | 'current' | 'overdue' | 'expired' | 'removed'
  readonly virtualAccounts: readonly string[]
  /** Fingerprint of the satellite's key, or null before the first exchange. */
  readonly fingerprint: string | null
  readonly exchanges: number
  readonly lastSyncAt: string | null
  readonly overdueAt: string | null
  readonly restrictedAt: string | null
  /** The end of the online credential. */
  readonly automaticUntil: string | null
  readonly terms: SatelliteTerms
  /** The names of its servers that the manager sets, or null if the satellite requests them. */
  readonly tlsNames: readonly string[] | null
  /** The names that its TLS certificates may have now, besides loopback names. Empty before the first exchange. */
  readonly certifiedNames: readonly string[]
  readonly instances: { readonly registered: number; readonly reserved: number }
  /** Reclaimed licenses that have not moved yet. */
  readonly reclaims: readonly ReclaimDocument[]
}

const tlsNamesSchema = z.array(z.string())

/** Returns the server names that the manager has set for a satellite, or null if it has set none. */
export const parseTlsNames = ({ tls_names: json }: Pick<SatelliteRow, 'tls_names'>): string[] | null =>
  json === null ? null : tlsNamesSchema.parse(JSON.parse(json))

/**
 * Adds a satellite and assigns the virtual account to it. Creates the virtual account if it does not exist (R-ACC-5).
 *
 * @param wanted.tlsNames the names that its TLS certificates may have, or null for the names that the satellite
 * requests. The manager's names are excluded
 * @returns the satellite, and the enrollment code for its first online exchange
 * @throws LicensingError ALREADY_EXISTS, VIRTUAL_ACCOUNT_*, INVALID_ARGUMENT, TLS_NAME_OF_MANAGER
 */
export async function addSatellite(
  context: AccountContext,
  name: string,
  wanted: {
    virtualAccount: string
    terms: Partial<SatelliteTerms>
    tlsNames: readonly string[] | null
  },
): Promise<SatelliteDocument & { code: string }> {
  const { virtualAccount, terms, tlsNames } = wanted
  const checkedName = checkSatelliteName(name)
  const { warnDays, restrictDays, credentialDays } = checkTerms({ ...DEFAULT_TERMS, ...terms })
  if (await findSatellite(context, checkedName))
    throw alreadyExistsError('satellite', `${context.account.domain} already has a satellite ${checkedName}.`)
  const names = await toStoredTlsNames(context, tlsNames)
  const code = generateEnrollmentCode()
  const row: SatelliteRow = {
    id: randomUUID(),
    account_id: context.account.id,
    name: checkedName,
    status: 'waiting',
    created_at: context.at,
    code: context.credentials.secrets.encryptSecret(code),
    code_expires_at: context.at + ENROLLMENT_CODE_LIFETIME,
    satellite_id: null,
    key: null,
    issuing_ca: null,
    epoch: 1,
    sequence: 0,
    request_digest: null,
    request_at: 0,
    answer: null,
    answered_at: null,
    acknowledged: 0,
    warn_days: warnDays,
    restrict_days: restrictDays,
    credential_days: credentialDays,
    warn_at: null,
    restrict_at: null,
    automatic_until: null,
    overdue_notified: 0,
    credential_warned_days: null,
    manager_epoch: context.credentials.keyRing.identity.epoch,
    tls_names: names,
  }
  await context.tx.insertInto('satellites').values(row).execute()
  await assignVirtualAccount(context, row, virtualAccount, true)
  await logAccountEvent(context, {
    type: 'SATELLITE_ADDED',
    message: `The satellite ${checkedName} was added.`,
  })
  return { ...(await toSatelliteDocument(context, row)), code }
}

/** Replaces the enrollment code of a satellite. @throws LicensingError NOT_FOUND, ALREADY_EXISTS */
export async function createEnrollmentCode(
  context: AccountContext,
  name: string,
): Promise<{ name: string; code: string; expiresAt: string }> {
  const row = await requireSatellite(context, name)
  if (row.key !== null)
    throw alreadyExistsError(
      'satellite',
      `${name} is already registered and needs no one-time code.`,
      'To use this name for another machine, remove the satellite and add it again.',
    )
  const code = generateEnrollmentCode()
  const expiresAt = context.at + ENROLLMENT_CODE_LIFETIME
  await context.tx
    .updateTable('satellites')
    .set({ code: context.credentials.secrets.encryptSecret(code), code_expires_at: expiresAt })
    .where('id', '=', row.id)
    .execute()
  return { name, code, expiresAt: toIsoString(expiresAt) }
}

/** Assigns another virtual account to a satellite. @throws LicensingError NOT_FOUND, VIRTUAL_ACCOUNT_* */
export async function addSatelliteVirtualAccount(
  context: AccountContext,
  name: string,
  virtualAccount: string,
): Promise<SatelliteDocument> {
  const row = await requireSatellite(context, name)
  await assignVirtualAccount(context, row, virtualAccount, false)
  await logAccountEvent(context, {
    type: 'SATELLITE_EXTENDED',
    message: `The virtual account ${virtualAccount} was assigned to the satellite ${name}.`,
  })
  return toSatelliteDocument(context, row)
}

async function assignVirtualAccount(
  context: AccountContext,
  row: SatelliteRow,
  name: string,
  home: boolean,
): Promise<void> {
  const all = await listVirtualAccounts(context.tx, context.account.id)
  const found = all.find((account) => isSameName(account.name, name))
  const virtual: VirtualAccount =
    found ?? (await addVirtualAccount(context.tx, context.account, name, context.at))
  if (virtual.isDefault)
    throw new LicensingError(
      'VIRTUAL_ACCOUNT_IS_DEFAULT',
      `${name} is the default virtual account, which cannot belong to a satellite.`,
      { remedy: 'Make another virtual account the default first, or assign another one to the satellite.' },
    )
  if (virtual.satellite)
    throw new LicensingError(
      'VIRTUAL_ACCOUNT_OF_SATELLITE',
      `${name} already belongs to the satellite ${virtual.satellite.name}.`,
    )
  const holds = await describeContents(context.tx, virtual.id, context.at)
  if (holds !== null)
    throw new LicensingError('VIRTUAL_ACCOUNT_IN_USE', `${name} still holds ${holds}.`, {
      remedy:
        'Move or remove its product instances and revoke its tokens before you assign it to a satellite.',
    })
  await context.tx
    .updateTable('virtual_accounts')
    .set({ satellite_id: row.id, is_home: home ? 1 : 0 })
    .where('id', '=', virtual.id)
    .execute()
}

export async function listSatellites(context: AccountContext): Promise<SatelliteDocument[]> {
  const rows = await context.tx
    .selectFrom('satellites')
    .selectAll()
    .where('account_id', '=', context.account.id)
    .where('status', '<>', sql.lit('removed'))
    .orderBy('name')
    .execute()
  const documents: SatelliteDocument[] = []
  for (const row of rows) documents.push(await toSatelliteDocument(context, row))
  return documents
}

/**
 * Changes the terms and server names of a satellite. They take effect at its next exchange.
 *
 * @param tlsNames null for the names that the satellite requests, undefined for no change
 * @throws LicensingError NOT_FOUND, INVALID_ARGUMENT, TLS_NAME_OF_MANAGER
 */
export async function configureSatellite(
  context: AccountContext,
  name: string,
  terms: Partial<SatelliteTerms>,
  tlsNames?: readonly string[] | null,
): Promise<SatelliteDocument> {
  const row = await requireSatellite(context, name)
  const valid = checkTerms({
    warnDays: terms.warnDays ?? row.warn_days,
    restrictDays: terms.restrictDays ?? row.restrict_days,
    credentialDays: terms.credentialDays ?? row.credential_days,
  })
  const change = {
    warn_days: valid.warnDays,
    restrict_days: valid.restrictDays,
    credential_days: valid.credentialDays,
    ...(tlsNames !== undefined && { tls_names: await toStoredTlsNames(context, tlsNames) }),
  }
  await context.tx.updateTable('satellites').set(change).where('id', '=', row.id).execute()
  await logAccountEvent(context, {
    type: 'SATELLITE_CHANGED',
    message: `${name}: overdue after ${valid.warnDays} days, restricted after ${valid.restrictDays} days, online credential valid for ${valid.credentialDays} days.`,
  })
  const document = await toSatelliteDocument(context, { ...row, ...change })
  if (tlsNames !== undefined)
    await logAccountEvent(context, {
      type: 'SATELLITE_NAMES_CHANGED',
      message:
        document.tlsNames === null
          ? `${name}: the satellite requests its server names itself.`
          : `${name}: its server names are ${document.tlsNames.join(', ') || 'loopback names only'}.`,
    })
  return document
}

/** Validates and serializes server names. @throws LicensingError INVALID_ARGUMENT, TLS_NAME_OF_MANAGER */
async function toStoredTlsNames(
  context: AccountContext,
  names: readonly string[] | null,
): Promise<string | null> {
  if (names === null) return null
  return JSON.stringify(checkTlsNames(names, await context.credentials.servers.readNames(context.tx)))
}

/**
 * Removes a satellite and returns its virtual accounts to the manager. The usage of its devices counts until its
 * delegation expires, since the satellite may serve them until then.
 *
 * @throws LicensingError NOT_FOUND
 */
export async function removeSatellite(context: AccountContext, name: string): Promise<SatelliteDocument> {
  const row = await requireSatellite(context, name)
  const document = await toSatelliteDocument(context, row)
  const reclaims = await context.tx
    .selectFrom('reclaims')
    .selectAll()
    .where('satellite_id', '=', row.id)
    .execute()
  await context.tx
    .updateTable('virtual_accounts')
    .set({ satellite_id: null, is_home: 0 })
    .where('satellite_id', '=', row.id)
    .execute()
  await context.tx.deleteFrom('reclaims').where('satellite_id', '=', row.id).execute()
  for (const { license_id, quantity, to_virtual_account_id } of reclaims)
    await moveLicenses(context, license_id, quantity, to_virtual_account_id)
  await context.tx
    .updateTable('satellites')
    .set({ status: 'removed', code: null })
    .where('id', '=', row.id)
    .execute()
  // The satellite may serve its devices until the delegation expires.
  if (row.status !== 'active' || row.restrict_at === null || row.restrict_at <= context.at)
    await forgetReported({ tx: context.tx, satellite: row, at: context.at })
  await logAccountEvent(context, {
    type: 'SATELLITE_REMOVED',
    severity: 'minor',
    message: `The satellite ${name} was removed.${row.status === 'active' ? ` The usage of its devices counts until ${toIsoString(row.restrict_at) ?? 'now'}, when its delegation expires.` : ''}`,
  })
  return { ...document, status: 'removed', reclaims: [] }
}

/** @throws LicensingError NOT_FOUND */
export async function requireSatellite(context: AccountContext, name: string): Promise<SatelliteRow> {
  const row = await findSatellite(context, name)
  if (row) return row
  throw notFoundError(
    'satellite',
    `${context.account.domain} has no satellite ${JSON.stringify(name.slice(0, 64))}.`,
  )
}

function findSatellite(context: AccountContext, name: string): Promise<SatelliteRow | undefined> {
  return context.tx
    .selectFrom('satellites')
    .selectAll()
    .where('account_id', '=', context.account.id)
    .where('name', '=', name)
    .where('status', '<>', sql.lit('removed'))
    .executeTakeFirst()
}

export async function toSatelliteDocument(
  context: AccountContext,
  row: SatelliteRow,
): Promise<SatelliteDocument> {
  const virtualAccounts = (await listVirtualAccounts(context.tx, context.account.id))
    .filter(({ satellite }) => satellite?.id === row.id)
    .sort((a, b) => Number(b.home) - Number(a.home))
  const { registered, reserved } = await readTotals({ tx: context.tx, satellite: row, at: context.at })
  return {
    name: row.name,
    status: row.status === 'active' ? (row.overdue_notified === 1 ? 'overdue' : 'current') : row.status,
    virtualAccounts: virtualAccounts.map(({ name }) => name),
    fingerprint: row.key === null ? null : formatKeyFingerprint(row.key),
    exchanges: row.sequence,
    lastSyncAt: toIsoString(row.answered_at),
    overdueAt: toIsoString(row.warn_at),
    restrictedAt: toIsoString(row.restrict_at),
    automaticUntil: toIsoString(row.automatic_until),
    terms: {
      warnDays: row.warn_days,
      restrictDays: row.restrict_days,
      credentialDays: row.credential_days,
    },
    tlsNames: parseTlsNames(row),
    certifiedNames: listCertifiedNames(row.issuing_ca),
    instances: { registered: row.status === 'expired' ? 0 : registered, reserved },
    reclaims: await listReclaims(context.tx, row.id),
  }
}

/** Warns about overdue satellites, expires them, and drops the usage of removed ones. */
export async function expireOverdueSatellites(tx: Tx, at: Instant): Promise<void> {
  const rows = await tx
    .selectFrom('satellites')
    .selectAll()
    .where('status', 'in', ['active', 'removed'])
    .where('warn_at', 'is not', null)
    .execute()
  for (const row of rows) {
    const log = (type: string, severity: 'minor' | 'major', message: string) =>
      logEvent(tx, { at, type, severity, accountId: row.account_id, message: `${row.name}: ${message}` })
    if (row.restrict_at !== null && row.restrict_at <= at) {
      const reported = { tx, satellite: row, at }
      if (row.status === 'removed') {
        await forgetReported(reported)
        await tx.updateTable('satellites').set({ warn_at: null }).where('id', '=', row.id).execute()
        continue
      }
      await tx.updateTable('satellites').set({ status: 'expired' }).where('id', '=', row.id).execute()
      await countReported(reported, -1)
      await log(
        'SATELLITE_EXPIRED',
        'major',
        `not synchronized since ${toIsoString(row.answered_at) ?? 'it was added'}: the satellite has expired and its instances no longer count. An offline (file) exchange restores it.`,
      )
      continue
    }
    if (row.status === 'removed') continue
    if (row.warn_at !== null && row.warn_at <= at && row.overdue_notified === 0) {
      await tx.updateTable('satellites').set({ overdue_notified: 1 }).where('id', '=', row.id).execute()
      await log(
        'SYNCHRONIZATION_OVERDUE',
        'major',
        `not synchronized since ${toIsoString(row.answered_at) ?? 'it was added'}. The satellite expires at ${toIsoString(row.restrict_at) ?? 'the end of its delegation'}.`,
      )
    }
    const left = (row.automatic_until ?? Infinity) - at
    const reached = [...CREDENTIAL_WARNING_DAYS, 0].filter(
      (days) =>
        left <= days * DAY && (row.credential_warned_days === null || days < row.credential_warned_days),
    )
    const threshold = reached.at(-1)
    if (threshold === undefined) continue
    await tx
      .updateTable('satellites')
      .set({ credential_warned_days: threshold })
      .where('id', '=', row.id)
      .execute()
    await log(
      threshold === 0 ? 'SATELLITE_CREDENTIAL_ENDED' : 'SATELLITE_CREDENTIAL_ENDING',
      threshold === 0 ? 'major' : 'minor',
      threshold === 0
        ? 'the satellite may no longer synchronize online. An offline (file) exchange renews its credential.'
        : `the satellite may synchronize online until ${toIsoString(row.automatic_until) ?? ''}.`,
    )
  }
}
