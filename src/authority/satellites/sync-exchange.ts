import { MAX_SYNC_BYTES } from '../../protocol/sync.ts'
import { sql } from 'kysely'
import { createPublicKey, type KeyObject } from 'node:crypto'
import { errorTable, LicensingError } from '../../core/errors.ts'
import { DAY, type Instant, iso } from '../../core/time.ts'
import { enrolmentMacMatches } from '../../protocol/enrolment.ts'
import { type SyncAnswer, type SyncEnd, type SyncLot, writeSyncAnswer } from '../../protocol/sync-answer.ts'
import {
  readSyncRequest,
  SYNC_REQUEST_TITLE,
  type SyncRequest,
  type Totals,
} from '../../protocol/sync-request.ts'
import { keyFingerprint } from '../../pki/fingerprint.ts'
import { keyDigest, signMandate } from '../../pki/delegation.ts'
import { readRequest } from '../../pki/certificate-request.ts'
import { signAndName, verifyTextByKey } from '../../pki/sign-text.ts'
import { listVirtualAccounts } from '../inventory/accounts.ts'
import type { Account } from '../context/account-context.ts'
import type { Credentials } from '../keys/credentials.ts'
import { logEvent } from '../events/event-log.ts'
import { Conflicts } from './duplicate-instances.ts'
import { placing, sameTotals, withLarger } from './merge.ts'
import { Reported } from './reported-instances.ts'
import { mostOwned } from '../policy.ts'
import { type SatelliteRow, tlsNamesOf } from './satellites.ts'
import { certifiedNames, type WantedNames, wantedNames } from './server-names.ts'
import { attempt, type Tx } from '../store/store.ts'
import { Transfers } from '../inventory/transfers.ts'
import type { ProductProfile } from '../../core/profile.ts'

/** How a request came: carried by a person, who answers for it, or by wire. */
export type SyncRoad = 'hand' | 'wire'

/** An answer, and what the manager's people should see of it. */
export interface Responded {
  /** The signed answer: what is carried, or sent back. */
  readonly file: string
  readonly satellite: string
  readonly outcome: SyncAnswer['outcome']
  readonly exchange: number
  readonly epoch: number
  /** Of the satellite's key: compared with what the satellite prints, the first time. */
  readonly fingerprint: string
  /** Whether this exchange bound the name to the key. */
  readonly registered: boolean
  /** It was answered before, and the same answer is given again. */
  readonly again: boolean
  /** The names that its TLS certificates may be for from here on, beside loopback ones. */
  readonly certifiedNames: readonly string[]
  readonly totals: Totals
  readonly notices: readonly string[]
}

/** A request whose signature is right, with what names it. */
interface Read {
  readonly request: SyncRequest
  readonly digest: string
}

/** The key that a request names, of its lines; null when it names none. */
function namedKey(lines: readonly string[]): KeyObject | null {
  const line = lines.find((one) => one.startsWith('Satellite key: '))
  try {
    const der = Buffer.from(line?.slice('Satellite key: '.length).trim() ?? '', 'base64url')
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    return null
  }
}

/** A request whose form and signature are right; whose it is is not looked at. @throws LicensingError SIGNED_FILE_* */
export function readSync(text: string): Read {
  const { lines, digest } = verifyTextByKey(text, {
    what: 'synchronisation request',
    title: SYNC_REQUEST_TITLE,
    key: namedKey,
    longest: MAX_SYNC_BYTES,
  })
  return { request: readSyncRequest(lines), digest }
}

const refuse = (
  code:
    | 'SATELLITE_UNKNOWN'
    | 'SATELLITE_REMOVED'
    | 'SATELLITE_EXPIRED'
    | 'SYNC_KEY_UNKNOWN'
    | 'SYNC_OTHER_SATELLITE'
    | 'SYNC_SUPERSEDED'
    | 'SYNC_EPOCH_SUPERSEDED'
    | 'SYNC_CREDENTIAL_EXPIRED'
    | 'ENROLMENT_CODE_INVALID',
  message: string,
) => new LicensingError(code, message)

/** What was reported does not come to what the satellite says it has: its report was not whole. */
class Differs extends Error {}

/** The public key of the CA that a satellite asks a certificate for. @throws LicensingError SIGNED_FILE_MALFORMED */
function readIssuingKey({ issuingCa }: SyncRequest): KeyObject {
  const key = readRequest(
    `-----BEGIN CERTIFICATE REQUEST-----\n${issuingCa}\n-----END CERTIFICATE REQUEST-----\n`,
  )
  if (key) return key.key
  throw new LicensingError('SIGNED_FILE_MALFORMED', 'The request for the satellite’s CA is not a good one.')
}

/** An answer that takes nothing and gives nothing. */
const NOTHING_GIVEN = {
  issuingCa: null,
  mandate: null,
  virtualAccounts: [],
  lots: [],
  ended: [],
  known: [],
  notices: [],
} as const

/** The CA that a satellite asks a certificate for. */
interface IssuingCa {
  readonly key: KeyObject
  readonly names: WantedNames
}

/** Where a request stands in the history of its satellite. */
type Place = 'next' | 'restored' | 'diverged'

/**
 * The manager's side of an exchange with a satellite, in the transaction it is given. What is refused has changed nothing.
 * The satellite is the source of truth for its boxes, the manager for what was bought.
 */
export class SyncExchange {
  readonly #tx: Tx
  readonly #credentials: Credentials
  readonly #profile: ProductProfile
  readonly #account: Account
  readonly #at: Instant

  constructor(tx: Tx, credentials: Credentials, profile: ProductProfile, account: Account, at: Instant) {
    this.#tx = tx
    this.#credentials = credentials
    this.#profile = profile
    this.#account = account
    this.#at = at
  }

  /**
   * Answers a request.
   *
   * @throws LicensingError SATELLITE_*, SYNC_*, ENROLMENT_CODE_INVALID, TLS_NAME_OF_MANAGER, ROOT_KEY_ABSENT: nothing was changed
   */
  async respond({ request, digest }: Read, road: SyncRoad): Promise<Responded> {
    const row = await this.#satellite(request)
    if (row.request_digest === digest && row.answer !== null) return this.#again(row, request)
    const registers = row.key === null
    if (registers) this.#checkEnrolment(row, request, road)
    if (road === 'wire' && row.status === 'expired')
      throw refuse(
        'SATELLITE_EXPIRED',
        `The satellite ${row.name} was out of touch since ${this.#since(row)}.`,
      )
    if (road === 'wire' && row.automatic_until !== null && row.automatic_until <= this.#at)
      throw refuse(
        'SYNC_CREDENTIAL_EXPIRED',
        `The satellite ${row.name} might synchronise by itself until ${iso(row.automatic_until)}.`,
      )
    await this.#checkIds(row, request)
    // Looked at before anything is changed.
    const issuingKey = readIssuingKey(request)
    const names = wantedNames(
      tlsNamesOf(row),
      request.serverNames,
      await this.#credentials.serverNames(this.#tx),
    )
    const place = await this.#place(row, request, road)
    if (place === 'diverged') return this.#repair(row, request, digest)
    return this.#accept(row, { request, digest }, place, { key: issuingKey, names })
  }

  /**
   * A refusal as an answer, for a request that came by wire: final only because it is signed (trust §4).
   */
  async refusal({ request, digest }: Read, failure: LicensingError): Promise<string> {
    const answer: SyncAnswer = {
      ...this.#common(request, digest),
      outcome: 'refused',
      code: failure.code,
      message: failure.message,
      remedy: failure.remedy,
      epoch: request.epoch,
      exchange: request.exchange,
      warnAt: this.#at,
      restrictAt: this.#at,
      automaticUntil: this.#at,
      ...NOTHING_GIVEN,
    }
    return (await this.#sign(answer)).text
  }

  async #sign(answer: SyncAnswer): Promise<{ text: string; digest: string }> {
    return signAndName(writeSyncAnswer(answer), await this.#credentials.syncSigner(this.#tx, this.#at))
  }

  async #satellite(request: SyncRequest): Promise<SatelliteRow> {
    const rows = await this.#tx
      .selectFrom('satellites')
      .selectAll()
      .where('account_id', '=', this.#account.id)
      .where('name', '=', request.name)
      .orderBy('created_at', 'desc')
      .execute()
    const row = rows.find(({ status }) => status !== 'removed')
    if (row && (row.key === null || (row.key === request.key && row.satellite_id === request.satelliteId)))
      return row
    if (rows.some(({ key, status }) => status === 'removed' && key === request.key))
      throw refuse('SATELLITE_REMOVED', `The satellite ${request.name} was removed.`)
    if (!row)
      throw refuse(
        'SATELLITE_UNKNOWN',
        `${this.#account.domain} has no satellite ${JSON.stringify(request.name)}.`,
      )
    throw refuse(
      'SYNC_KEY_UNKNOWN',
      `The name ${request.name} is bound to the key ${keyFingerprint(row.key ?? '')}; the request is signed by ${keyFingerprint(request.key)}.`,
    )
  }

  /** By hand, a person answers for it; by wire, the code that was printed for it does (trust §8). */
  #checkEnrolment(row: SatelliteRow, request: SyncRequest, road: SyncRoad): void {
    if (request.enrolment === 'none') {
      if (road === 'hand') return
      throw refuse('ENROLMENT_CODE_INVALID', 'A first exchange by wire needs the one-time code.')
    }
    const good =
      row.code !== null &&
      (row.code_expires_at ?? 0) > this.#at &&
      enrolmentMacMatches(this.#credentials.openSecret(row.code), request, request.enrolment)
    if (!good)
      throw refuse(
        'ENROLMENT_CODE_INVALID',
        `The one-time code is not, or no longer, that of the satellite ${row.name}.`,
      )
  }

  /** No satellite takes the id of another authority: its certificates would be taken for that one's. */
  async #checkIds(row: SatelliteRow, request: SyncRequest): Promise<void> {
    const { satelliteId, key } = request
    const taken = await this.#tx
      .selectFrom('satellites')
      .select('id')
      .where('satellite_id', '=', satelliteId)
      .where('id', '<>', row.id)
      .where((or) => or.or([or('key', '<>', key), or('status', '<>', sql.lit('removed'))]))
      .executeTakeFirst()
    if (taken || satelliteId === this.#credentials.identity.id)
      throw refuse('SYNC_OTHER_SATELLITE', `The id ${satelliteId} is that of another authority.`)
  }

  #since = (row: SatelliteRow): string => iso(row.answered_at) ?? 'its beginning'

  /** @throws LicensingError SYNC_SUPERSEDED, SYNC_EPOCH_SUPERSEDED */
  async #place(row: SatelliteRow, request: SyncRequest, road: SyncRoad): Promise<Place> {
    if (row.key === null) return request.report === 'full' ? 'next' : 'diverged'
    // By hand a person answers for which of the copies is to go on.
    if (request.epoch < row.epoch && road === 'hand') return 'diverged'
    if (request.epoch < row.epoch)
      throw refuse(
        'SYNC_EPOCH_SUPERSEDED',
        `The request is of epoch ${request.epoch}; a copy of ${row.name} that was restored since synchronised in epoch ${row.epoch}.`,
      )
    if (request.epoch > row.epoch) return request.report === 'full' ? 'restored' : 'diverged'
    if (request.exchange <= row.sequence) {
      // One that was written before the last was late on its way; one that was written after is of a copy.
      if (request.writtenAt <= row.request_at)
        throw refuse(
          'SYNC_SUPERSEDED',
          `Exchange ${request.exchange} of ${row.name} is older than ${row.sequence}, which was answered.`,
        )
      return 'diverged'
    }
    const base = await this.#tx
      .selectFrom('satellite_answers')
      .select('hash')
      .where('satellite_id', '=', row.id)
      .where('epoch', '=', request.epoch)
      .where('sequence', '=', request.after)
      .executeTakeFirst()
    if (base?.hash === request.afterAnswer) return 'next'
    // Its first answer was lost: nothing was heard of by it, and everything is in its report.
    return row.acknowledged === 0 && request.after === 0 && request.report === 'full' ? 'next' : 'diverged'
  }

  /** The same request once more: its answer was lost on the way. @throws LicensingError SYNC_SUPERSEDED */
  async #again(row: SatelliteRow, request: SyncRequest): Promise<Responded> {
    if (row.status === 'expired' || (row.restrict_at ?? 0) <= this.#at)
      throw new LicensingError(
        'SYNC_SUPERSEDED',
        `Exchange ${request.exchange} of ${row.name} was answered at ${this.#since(row)}, and what that answer gave has ended.`,
        { remedy: 'Make a new request at the satellite with `sync export`, and carry that.' },
      )
    await this.#log(row, 'SATELLITE_ANSWERED_AGAIN', `exchange ${request.exchange} was answered again.`)
    return this.#responded(row, request, row.answer ?? '', {
      outcome: 'accepted',
      again: true,
      registered: false,
      notices: [],
    })
  }

  /** Two histories: whichever is the right one, the satellite tells everything anew, in an epoch of its own. */
  async #repair(row: SatelliteRow, request: SyncRequest, digest: string): Promise<Responded> {
    await this.#log(
      row,
      'SATELLITE_DIVERGED',
      `exchange ${request.exchange} does not follow what was answered: it may have been restored from a copy, or copied. It is asked to report everything.`,
      'major',
    )
    const answer: SyncAnswer = {
      ...this.#common(request, digest),
      outcome: 'repair',
      code: 'SYNC_REPAIR_NEEDED',
      message: `Exchange ${request.exchange} does not follow what this manager answered.`,
      remedy: errorTable.SYNC_REPAIR_NEEDED.remedy,
      // Above both: boxes believe nothing of an epoch that is below what they have seen.
      epoch: Math.max(row.epoch, request.epoch) + 1,
      exchange: Math.max(row.sequence, request.exchange),
      warnAt: row.warn_at ?? this.#at,
      restrictAt: row.restrict_at ?? this.#at,
      automaticUntil: row.automatic_until ?? this.#at,
      ...NOTHING_GIVEN,
    }
    const { text } = await this.#sign(answer)
    return this.#responded(row, request, text, {
      outcome: 'repair',
      again: false,
      registered: false,
      notices: [answer.message],
    })
  }

  /** Takes what was reported, and answers it; what does not fit together is undone, and asked for anew. */
  async #accept(row: SatelliteRow, read: Read, place: Place, issuing: IssuingCa): Promise<Responded> {
    try {
      return await attempt(this.#tx, () => this.#taken(row, read, place, issuing))
    } catch (thrown) {
      if (thrown instanceof Differs) return this.#repair(row, read.request, read.digest)
      throw thrown
    }
  }

  async #taken(
    row: SatelliteRow,
    { request, digest }: Read,
    place: Place,
    { key: issuingKey, names }: IssuingCa,
  ): Promise<Responded> {
    const reported = new Reported(this.#tx, { ...row, status: 'active' }, this.#at)
    const revived = row.status === 'expired'
    if (revived) await this.#revive(row, reported)
    if (row.key === null) await this.#forgetFormer(request)
    const notices: string[] = [...names.notices]
    if (place === 'restored') {
      const words = `it goes on in epoch ${request.epoch}: it was restored from a copy, or its clock was corrected.`
      notices.push(`The satellite goes on in epoch ${request.epoch}.`)
      await this.#log(row, 'SATELLITE_RESTORED', words, 'major')
    }
    const virtualAccounts = (await listVirtualAccounts(this.#tx, this.#account.id)).filter(
      ({ satellite }) => satellite?.id === row.id,
    )
    const listed = new Set([...request.instances, ...request.ended].map(({ id }) => id))
    // After a restore of this manager the satellite knows better what has ended since than the backup does.
    const behind = row.manager_epoch < this.#credentials.identity.epoch
    const all = request.report === 'full' ? await reported.active() : []
    const before = behind ? [] : all
    // What had ended before a restore has not come back with it; what was not known yet, or was more, has not gone.
    const gone = await reported.endedOf(request.instances.map(({ id }) => id))
    const { instances, larger } = withLarger(request.instances, before, this.#at)
    const known = [...before.filter(({ id }) => !listed.has(id)), ...larger]
    await reported.take(instances, request.ended, placing(request, virtualAccounts))
    if (behind) await reported.endMissing(all.map(({ id }) => id).filter((id) => !listed.has(id)))
    if (request.report === 'full') {
      await reported.endReplaced(listed)
      await reported.rebuild()
    }
    await new Conflicts(this.#tx, this.#account, this.#at).resolve(
      row,
      revived ? await reported.active() : instances,
      notices,
    )
    const replaced = await reported.replaced()
    const settled = gone.size === 0 && known.length === 0 && replaced.length === 0
    if (settled && !sameTotals(await reported.totals(), request.totals)) throw new Differs()

    await this.#finishRecalls(row, request)
    const lots = await this.#lots(row, request)
    const restrictAt = this.#at + row.restrict_days * DAY
    const terms = {
      warnAt: this.#at + row.warn_days * DAY,
      restrictAt,
      automaticUntil: this.#at + row.credential_days * DAY,
    }
    const issuingCa = await this.#issuingCa(row, request, { key: issuingKey, names }, notices)
    const ended: SyncEnd[] = [
      ...[...gone].map((id) => ({ id, how: 'ended' as const })),
      ...replaced.map((id) => ({ id, how: 'replaced' as const })),
    ]
    const answer: SyncAnswer = {
      ...this.#common(request, digest),
      outcome: 'accepted',
      code: '-',
      message: '',
      remedy: '',
      epoch: request.epoch,
      exchange: request.exchange,
      ...terms,
      issuingCa,
      mandate: await this.#mandate(request, issuingKey, lots, restrictAt),
      virtualAccounts: virtualAccounts.map(({ name, home }) => ({ name, home })),
      lots,
      ended,
      known,
      notices,
    }
    const { text: file, digest: hash } = await this.#sign(answer)
    const registered = row.key === null
    const after = { ...row, issuing_ca: issuingCa }
    await this.#keep(row, { request, digest }, file, hash, {
      ...terms,
      issuingCa,
    })
    await this.#log(
      row,
      registered ? 'SATELLITE_REGISTERED' : 'SATELLITE_SYNCHRONISED',
      registered
        ? `registered by the key ${keyFingerprint(request.key)}.`
        : `exchange ${request.exchange}: ${request.instances.length} of its instances changed, ${request.ended.length} ended.`,
    )
    return this.#responded(after, request, file, { outcome: 'accepted', again: false, registered, notices })
  }

  /** The certificates of its CA: other ones when they end, or when the names of its servers are others. */
  async #issuingCa(
    row: SatelliteRow,
    request: SyncRequest,
    { key, names }: IssuingCa,
    notices: string[],
  ): Promise<string> {
    const { permitted } = names.constraints
    const before = certifiedNames(row.issuing_ca)
    const { pem, names: now } = await this.#credentials.issueSatelliteCa(
      key,
      {
        id: request.satelliteId,
        account: this.#account.domain,
        present: row.issuing_ca,
        nameConstraints: names.constraints,
      },
      this.#at,
    )
    if (now.join() !== permitted.join())
      notices.push(
        'The names of its servers stay as they are: the key of the root is not at hand, or the root is being replaced. The next exchange after that changes them.',
      )
    else if (before.join() !== now.join())
      await this.#log(
        row,
        'SATELLITE_NAMES_CERTIFIED',
        `its servers may be for ${now.join(', ') || 'loopback names alone'}.`,
        before.length > 0 || row.issuing_ca === null ? 'info' : 'minor',
      )
    return pem
  }

  /** It was taken out, and a person has brought it back: what it has counts again. */
  async #revive(row: SatelliteRow, reported: Reported): Promise<void> {
    await this.#tx.updateTable('satellites').set({ status: 'active' }).where('id', '=', row.id).execute()
    await reported.count(1)
  }

  /** The same satellite was here before, under a name that was removed: what it had then is what it reports now. */
  async #forgetFormer(request: SyncRequest): Promise<void> {
    const rows = await this.#tx
      .selectFrom('satellites')
      .selectAll()
      .where('satellite_id', '=', request.satelliteId)
      .where('status', '=', sql.lit('removed'))
      .execute()
    for (const row of rows) await new Reported(this.#tx, row, this.#at).forget({ all: true })
  }

  #common(request: SyncRequest, digest: string) {
    return {
      name: request.name,
      satelliteId: request.satelliteId,
      smartAccount: this.#account.domain,
      managerId: this.#credentials.identity.id,
      request: digest,
      answeredAt: this.#at,
      trustBundle: this.#credentials.identity.trust.number,
      trustBundles: this.#credentials.bundlesAfter(0),
      root: this.#credentials.roots[0]?.toString() ?? '',
    }
  }

  /** Licences that were called back, and that the satellite is known to have given up, move. */
  async #finishRecalls(row: SatelliteRow, request: SyncRequest): Promise<void> {
    const recalls = await this.#tx
      .selectFrom('reclaims')
      .selectAll()
      .where('satellite_id', '=', row.id)
      .execute()
    const transfers = new Transfers(this.#tx, this.#profile, this.#account, this.#at)
    for (const recall of recalls) {
      const heard =
        recall.notified_epoch === request.epoch && (recall.notified_sequence ?? Infinity) <= request.after
      if (!heard) continue
      await this.#tx.deleteFrom('reclaims').where('id', '=', recall.id).execute()
      await transfers.move(recall.license_id, recall.quantity, recall.to_virtual_account_id)
    }
  }

  /** What the satellite holds: what its virtual accounts have, without what is called back. */
  async #lots(row: SatelliteRow, request: SyncRequest): Promise<SyncLot[]> {
    // After a restore it is told anew: what it had heard of may be forgotten.
    await this.#tx
      .updateTable('reclaims')
      .set({ notified_epoch: request.epoch, notified_sequence: request.exchange })
      .where('satellite_id', '=', row.id)
      .where((or) => or.or([or('notified_epoch', 'is', null), or('notified_epoch', '<', request.epoch)]))
      .execute()
    const rows = await this.#tx
      .selectFrom('licenses')
      .innerJoin('virtual_accounts as va', 'va.id', 'licenses.virtual_account_id')
      .leftJoin('reclaims', 'reclaims.license_id', 'licenses.id')
      .select([
        'licenses.id',
        'licenses.tag',
        'licenses.quantity',
        'licenses.starts_at as startsAt',
        'licenses.ends_at as endsAt',
        'va.name as virtualAccount',
        (eb) => eb.fn.sum<number | null>('reclaims.quantity').as('recalled'),
      ])
      .where('va.satellite_id', '=', row.id)
      .where((or) => or.or([or('licenses.ends_at', 'is', null), or('licenses.ends_at', '>', this.#at)]))
      .groupBy(['licenses.id', 'licenses.tag', 'licenses.quantity', 'startsAt', 'endsAt', 'va.name'])
      .orderBy('licenses.id')
      .execute()
    return rows
      .map(({ recalled, ...lot }) => ({ ...lot, quantity: lot.quantity - (recalled ?? 0) }))
      .filter(({ quantity }) => quantity > 0)
  }

  async #mandate(
    request: SyncRequest,
    issuingKey: KeyObject,
    lots: readonly SyncLot[],
    notAfter: Instant,
  ): Promise<string> {
    const tags = [...new Set(lots.map(({ tag }) => tag))].sort()
    return signMandate(
      {
        use: 'mandate',
        satellite: request.satelliteId,
        account: this.#account.domain,
        issuingKey: keyDigest(issuingKey),
        epoch: request.epoch,
        sequence: request.exchange,
        quantities: tags.map((tag) => ({
          tag,
          quantity: mostOwned(
            lots.filter((lot) => lot.tag === tag),
            this.#at,
            notAfter,
          ),
        })),
        issuedAt: iso(this.#at),
        notAfter: iso(notAfter),
      },
      await this.#credentials.syncSigner(this.#tx, this.#at),
    )
  }

  async #keep(
    row: SatelliteRow,
    { request, digest }: Read,
    answer: string,
    hash: string,
    given: { warnAt: Instant; restrictAt: Instant; automaticUntil: Instant; issuingCa: string },
  ): Promise<void> {
    const acknowledged = request.epoch === row.epoch ? Math.max(request.after, 0) : 0
    await this.#tx
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
        answered_at: this.#at,
        acknowledged,
        warn_at: given.warnAt,
        restrict_at: given.restrictAt,
        automatic_until: given.automaticUntil,
        overdue_notified: 0,
        credential_warned_days: null,
        manager_epoch: this.#credentials.identity.epoch,
      })
      .where('id', '=', row.id)
      .execute()
    // What it may still come back with: the answer it named, and those after.
    await this.#tx
      .deleteFrom('satellite_answers')
      .where('satellite_id', '=', row.id)
      .where((or) => or.or([or('epoch', '<', request.epoch), or('sequence', '<', acknowledged)]))
      .execute()
    await this.#tx
      .insertInto('satellite_answers')
      .values({ satellite_id: row.id, epoch: request.epoch, sequence: request.exchange, hash })
      .execute()
  }

  #responded(
    row: SatelliteRow,
    request: SyncRequest,
    file: string,
    rest: Pick<Responded, 'outcome' | 'again' | 'registered' | 'notices'>,
  ): Responded {
    return {
      file,
      satellite: row.name,
      exchange: request.exchange,
      epoch: request.epoch,
      fingerprint: keyFingerprint(request.key),
      totals: request.totals,
      certifiedNames: certifiedNames(row.issuing_ca),
      ...rest,
    }
  }

  async #log(
    row: SatelliteRow,
    type: string,
    message: string,
    severity: 'info' | 'minor' | 'major' = 'info',
  ): Promise<void> {
    await logEvent(this.#tx, {
      at: this.#at,
      type,
      severity,
      accountId: this.#account.id,
      message: `${row.name}: ${message}`,
    })
  }
}
