import type { AccountContext } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { sql } from 'kysely'
import { type KeyObject } from 'node:crypto'
import { DAY, type Instant } from '../../core/time.ts'
import { type SyncAnswer, type EndedInstance } from '../../protocol/sync-answer.ts'
import { type SyncRequest } from '../../protocol/sync-request.ts'
import { formatKeyFingerprint } from '../../pki/fingerprint.ts'
import { listVirtualAccounts } from '../inventory/accounts.ts'
import { readSoftwareVersion } from '../inventory/orders.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { resolveDuplicates } from './duplicate-instances.ts'
import { createAccountMapper, areTotalsEqual, mergeKeepingLarger } from './merge.ts'
import {
  countReported,
  endMissing,
  endReplaced,
  findEnded,
  forgetReported,
  listActive,
  listReplaced,
  readTotals,
  rebuildUse,
  takeReport,
} from './reported-instances.ts'
import { type SatelliteRow } from './satellites.ts'
import { listCertifiedNames, type CertifiableNames } from './server-names.ts'
import { type RequestLineage, type VerifiedSyncRequest } from './sync-request-checks.ts'
import { type SyncResponse, createCommonFields, signAnswer, toSyncResponse } from './sync-answers.ts'
import { finishReclaims, listDelegatedLots, signDelegation } from './satellite-delegation.ts'

/** Thrown if the reported instances do not match the satellite's totals, because its report was incomplete. */
export class TotalsMismatch extends Error {}

/** The CA for which a satellite requests a certificate. */
export interface IssuingCa {
  readonly key: KeyObject
  readonly names: CertifiableNames
}

/** Result of applying the reported instances. */
interface ReportOutcome {
  readonly virtualAccounts: readonly VirtualAccount[]
  /** The instances that the satellite must end, and the instances that it must recover. */
  readonly ended: readonly EndedInstance[]
  readonly known: SyncAnswer['known']
}

export async function applyReport(
  context: AccountContext,
  row: SatelliteRow,
  read: VerifiedSyncRequest,
  { lineage, issuing }: { lineage: RequestLineage; issuing: IssuingCa },
): Promise<SyncResponse> {
  const { request } = read
  const notices: string[] = [...issuing.names.notices]
  if (row.key === null) await purgePreviousRegistration(context, request)
  if (lineage === 'restored') {
    const message = `the satellite continues in epoch ${request.epoch}. It was restored from a copy, or its clock was corrected.`
    notices.push(`The satellite continues in epoch ${request.epoch}.`)
    await logAccountEvent(context, {
      type: 'SATELLITE_RESTORED',
      severity: 'major',
      message: `${row.name}: ${message}`,
    })
  }
  const outcome = await applyInstances(context, row, request, notices)
  await finishReclaims(context, row, request)
  return createAcceptance(context, row, read, { issuing, outcome, notices })
}

/** Applies the reported instances, and finds the differences of both sides. */
async function applyInstances(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
  notices: string[],
): Promise<ReportOutcome> {
  const { tx, account, at } = context
  const reported = { tx, satellite: { id: row.id, status: 'active' as const }, at }
  const isRevived = row.status === 'expired'
  if (isRevived) {
    // An administrator has brought the expired satellite back, so its instances count again.
    await tx.updateTable('satellites').set({ status: 'active' }).where('id', '=', row.id).execute()
    await countReported(reported, 1)
  }
  const virtualAccounts = (await listVirtualAccounts(tx, account.id)).filter(
    ({ satellite }) => satellite?.id === row.id,
  )
  const listed = new Set([...request.instances, ...request.ended].map(({ id }) => id))
  // After a restore of this manager, the satellite knows better which instances have ended since the backup.
  const isBehind = row.manager_epoch < context.credentials.keyRing.identity.epoch
  const all = request.report === 'full' ? await listActive(reported) : []
  const before = isBehind ? [] : all
  // Instances that ended before the satellite's restore stay ended. Instances and quantities that its backup lacks are
  // kept.
  const endedHere = await findEnded(
    reported,
    request.instances.map(({ id }) => id),
  )
  const { instances, larger } = mergeKeepingLarger(request.instances, before, at)
  const known = [...before.filter(({ id }) => !listed.has(id)), ...larger]
  await takeReport(reported, instances, request.ended, createAccountMapper(request, virtualAccounts))
  if (isBehind)
    await endMissing(
      reported,
      all.map(({ id }) => id).filter((id) => !listed.has(id)),
    )
  if (request.report === 'full') {
    await endReplaced(reported, listed)
    await rebuildUse(reported)
  }
  await resolveDuplicates(context, row, isRevived ? await listActive(reported) : instances, notices)
  const replaced = await listReplaced(reported)
  const isSettled = endedHere.size === 0 && known.length === 0 && replaced.length === 0
  if (isSettled && !areTotalsEqual(await readTotals(reported), request.totals)) throw new TotalsMismatch()
  const ended: EndedInstance[] = [
    ...[...endedHere].map((id) => ({ id, how: 'ended' as const })),
    ...replaced.map((id) => ({ id, how: 'replaced' as const })),
  ]
  return { virtualAccounts, ended, known }
}

/** Writes the answer to an accepted report, with the new terms of the satellite. */
async function createAcceptance(
  context: AccountContext,
  row: SatelliteRow,
  read: VerifiedSyncRequest,
  { issuing, outcome, notices }: { issuing: IssuingCa; outcome: ReportOutcome; notices: string[] },
): Promise<SyncResponse> {
  const { at } = context
  const { request, digest } = read
  const lots = await listDelegatedLots(context, row, request)
  const restrictAt = at + row.restrict_days * DAY
  const terms = {
    warnAt: at + row.warn_days * DAY,
    restrictAt,
    automaticUntil: at + row.credential_days * DAY,
  }
  const issuingCa = await renewIssuingCa(context, row, request, { ...issuing, notices })
  const answer: SyncAnswer = {
    ...createCommonFields(context, request, digest),
    outcome: 'accepted',
    code: '-',
    message: '',
    remedy: '',
    epoch: request.epoch,
    exchange: request.exchange,
    ...terms,
    softwareVersion: await readSoftwareVersion(context.tx, context.account.id),
    profile: context.profile,
    issuingCa,
    mandate: await signDelegation(context, request, { issuingKey: issuing.key, lots, notAfter: restrictAt }),
    virtualAccounts: outcome.virtualAccounts.map(({ name, home }) => ({ name, home })),
    lots,
    ended: outcome.ended,
    known: outcome.known,
    notices,
  }
  const { text: file, digest: hash } = await signAnswer(context, answer)
  const registered = row.key === null
  await saveAnswer(context, row, read, { ...terms, issuingCa, answer: file, hash })
  const message = registered
    ? `registered by the key ${formatKeyFingerprint(request.key)}.`
    : `exchange ${request.exchange}: ${request.instances.length} instances changed, ${request.ended.length} ended.`
  await logAccountEvent(context, {
    type: registered ? 'SATELLITE_REGISTERED' : 'SATELLITE_SYNCHRONIZED',
    message: `${row.name}: ${message}`,
  })
  const after = { ...row, issuing_ca: issuingCa }
  return toSyncResponse(after, request, file, { outcome: 'accepted', again: false, registered, notices })
}

/**
 * Returns the certificates of the satellite's CA. They are issued again before they expire, or when the server names
 * change.
 */
async function renewIssuingCa(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
  { key, names, notices }: IssuingCa & { notices: string[] },
): Promise<string> {
  const { permitted } = names.constraints
  const before = listCertifiedNames(row.issuing_ca)
  const { pem, names: now } = await context.credentials.satelliteCas.issue(
    key,
    {
      id: request.satelliteId,
      account: context.account.domain,
      present: row.issuing_ca,
      nameConstraints: names.constraints,
    },
    context.at,
  )
  if (now.join() !== permitted.join())
    notices.push(
      'The server names are unchanged, because the root key is not available or the root is being replaced. They change at the first exchange after that.',
    )
  else if (before.join() !== now.join())
    await logAccountEvent(context, {
      type: 'SATELLITE_NAMES_CERTIFIED',
      severity: before.length > 0 || row.issuing_ca === null ? 'info' : 'minor',
      message: `${row.name}: its server names may be ${now.join(', ') || 'loopback names only'}.`,
    })
  return pem
}

/**
 * Ends the instances of an earlier registration of the same satellite, under a removed name. The satellite reports them
 * again.
 */
async function purgePreviousRegistration(context: AccountContext, request: SyncRequest): Promise<void> {
  const rows = await context.tx
    .selectFrom('satellites')
    .selectAll()
    .where('satellite_id', '=', request.satelliteId)
    .where('status', '=', sql.lit('removed'))
    .execute()
  const { tx, at } = context
  for (const satellite of rows) await forgetReported({ tx, satellite, at }, { all: true })
}

async function saveAnswer(
  context: AccountContext,
  row: SatelliteRow,
  { request, digest }: VerifiedSyncRequest,
  given: {
    warnAt: Instant
    restrictAt: Instant
    automaticUntil: Instant
    issuingCa: string
    answer: string
    hash: string
  },
): Promise<void> {
  const { answer, hash } = given
  const acknowledged = request.epoch === row.epoch ? Math.max(request.after, 0) : 0
  await context.tx
    .updateTable('satellites')
    .set({
      status: 'active',
      code: null,
      satellite_id: request.satelliteId,
      key: request.key,
      issuing_ca: given.issuingCa,
      epoch: request.epoch,
      sequence: request.exchange,
      request_digest: digest,
      request_at: request.writtenAt,
      answer,
      answered_at: context.at,
      acknowledged,
      warn_at: given.warnAt,
      restrict_at: given.restrictAt,
      automatic_until: given.automaticUntil,
      overdue_notified: 0,
      credential_warned_days: null,
      manager_epoch: context.credentials.keyRing.identity.epoch,
    })
    .where('id', '=', row.id)
    .execute()
  // Keep the answers that the satellite may still refer to: the named answer, and later answers.
  await context.tx
    .deleteFrom('satellite_answers')
    .where('satellite_id', '=', row.id)
    .where((or) => or.or([or('epoch', '<', request.epoch), or('sequence', '<', acknowledged)]))
    .execute()
  await context.tx
    .insertInto('satellite_answers')
    .values({ satellite_id: row.id, epoch: request.epoch, sequence: request.exchange, hash })
    .execute()
}
