import { createHash, randomBytes, randomInt, type X509Certificate } from 'node:crypto'
import { z } from 'zod'
import {
  beginSync,
  mayGrant,
  nextSyncDueAt,
  type SyncEvent,
  type SyncPosition,
  type SyncSchedule,
  type SyncTerms,
  stepSync,
} from '../../../machines/index.ts'
import { LicensingError } from '../../core/errors.ts'
import { duration, HOUR, type Instant, iso } from '../../core/time.ts'
import { enrolmentMac } from '../../protocol/enrolment.ts'
import { bundlesIn } from '../../protocol/text-format.ts'
import { readSignedText } from '../../protocol/signed-text.ts'
import { readSyncAnswer, SYNC_ANSWER_TITLE, type SyncAnswer } from '../../protocol/sync-answer.ts'
import { LEAVABLE, type Leavable, type SyncRequest, writeSyncRequest } from '../../protocol/sync-request.ts'
import { ChainError, readCertificates, readRoots } from '../../pki/chain-validation.ts'
import { certificateFingerprint, keyFingerprint, sameFingerprint } from '../../pki/fingerprint.ts'
import { verifyMandate } from '../../pki/delegation.ts'
import { verifyText } from '../../pki/sign-text.ts'
import { adoptBundles, type Anchors, anchorsOf, rootsPem } from '../../pki/root-rotation.ts'
import { listVirtualAccounts } from '../inventory/accounts.ts'
import type { Account } from '../context/account-context.ts'
import type { AuthorityIdentity, Credentials } from '../keys/credentials.ts'
import { logEvent } from '../events/event-log.ts'
import { SYNC_SEQUENCE, touchAll } from '../store/revisions.ts'
import { readSetting, type Tx, writeSetting } from '../store/store.ts'
import { TimeFloor } from '../store/time-floor.ts'
import { SyncApply } from './answer-applier.ts'
import { MAX_SYNC_BYTES } from '../../protocol/sync.ts'
import { gatherReport, rebuildPools } from './report.ts'

const FACTS = 'sync'
const CHART = 'sync-chart'
/** A clock that is ahead of the manager's by less is nobody's concern. */
const LARGE_SKEW = HOUR
/** Requests whose answers are still taken: more are not on their way at a time. */
const OPEN_REQUESTS = 50

/** What a satellite knows of its manager, beside what the chart knows. */
const factsSchema = z.object({
  name: z.string(),
  managerId: z.string().nullable(),
  /** The last answer that was taken. */
  after: z.object({ epoch: z.int(), exchange: z.int(), hash: z.string() }).nullable(),
  /** Everything is reported next: at first, and after a restore. */
  full: z.boolean(),
  mandate: z.string().nullable(),
  /** The manager's virtual account whose licences arrive in `Default`. */
  home: z.string().nullable(),
  leftOut: z.array(z.enum(LEAVABLE)),
  /** The one-time code, sealed, until it was used. */
  code: z.string().nullable(),
})
type Facts = z.infer<typeof factsSchema>

const instant = z.number()
const failure = z.object({ code: z.string(), message: z.string(), remedy: z.string() })
const hour = z.int('an hour is a whole number').min(0, 'an hour is 0 to 23').max(23, 'an hour is 0 to 23')
const WEEKDAY = 'a day of the week is 1, Monday, to 7'
const MONTHDAY = 'a day of the month is 1 to 28'
export const scheduleSchema: z.ZodType<SyncSchedule> = z.discriminatedUnion('every', [
  z.object({ every: z.literal('never') }),
  z.object({ every: z.literal('day'), hour }),
  z.object({ every: z.literal('week'), day: z.int().min(1, WEEKDAY).max(7, WEEKDAY), hour }),
  z.object({ every: z.literal('month'), day: z.int().min(1, MONTHDAY).max(28, MONTHDAY), hour }),
])
const chartSchema = z.object({
  version: z.literal(1),
  position: z.object({
    value: z.object({
      standing: z.enum(['unregistered', 'current', 'overdue', 'restricted', 'ended']),
      exchange: z.enum(['idle', 'carried', 'asking', 'retrying', 'blocked']),
      credential: z.enum(['none', 'good', 'ending', 'ended']),
    }),
    context: z.object({
      schedule: scheduleSchema,
      jitter: z.number(),
      terms: z
        .object({ answeredAt: instant, warnAt: instant, restrictAt: instant, automaticUntil: instant })
        .nullable(),
      lastSync: instant.nullable(),
      last: z
        .object({ at: instant, outcome: z.enum(['succeeded', 'failed']), reason: failure.nullable() })
        .nullable(),
      nextAt: instant.nullable(),
      failures: z.number(),
      carried: z.object({ exchange: z.int(), at: instant }).nullable(),
      told: z.number().nullable(),
    }),
  }),
})

/** How a satellite stands with its manager, for people and programs. */
export interface SyncStatus {
  readonly satellite: string
  readonly smartAccount: string
  readonly standing: SyncPosition['value']['standing']
  readonly exchange: SyncPosition['value']['exchange']
  readonly credential: SyncPosition['value']['credential']
  /** Of this satellite's key: the manager's people compare it at the first exchange. */
  readonly fingerprint: string
  readonly epoch: number
  readonly lastSyncAt: string | null
  readonly nextSyncAt: string | null
  readonly overdueAt: string | null
  readonly restrictedAt: string | null
  readonly automaticUntil: string | null
  readonly schedule: SyncSchedule
  readonly leftOut: readonly Leavable[]
  /** Restored, or found to be a copy: nothing new is promised until it has synchronised. */
  readonly inDoubt: boolean
  /** The request that was carried away and not answered yet. */
  readonly carried: { readonly exchange: number; readonly since: string } | null
  readonly lastAttempt: {
    readonly at: string
    readonly outcome: string
    readonly reason: { code: string; message: string; remedy: string } | null
  } | null
}

/** A request that was written. */
export interface Exported {
  readonly file: string
  readonly exchange: number
  readonly epoch: number
  readonly report: SyncRequest['report']
  readonly instances: number
  readonly ended: number
  readonly leftOut: readonly Leavable[]
  readonly fingerprint: string
}

/** What an answer did. */
export interface Imported {
  readonly outcome: SyncAnswer['outcome']
  readonly exchange: number
  readonly registered: boolean
  readonly restrictedAt: string
  readonly notices: readonly string[]
  /** The manager should hear of what this answer did, as soon as that can be. */
  readonly again: boolean
  /** Why it was refused; null otherwise. */
  readonly failure: { code: string; message: string; remedy: string } | null
}

/** Whose root is believed when none is known: one whose fingerprint was compared, or whichever comes. */
export type TrustGiven = { readonly fingerprint: string } | 'unseen' | null

/** What its boxes are shown, and until when it may grant anything. */
export interface Grants {
  readonly mandate: string
  readonly notAfter: Instant
}

/** Where a refusal leaves a satellite: with nothing more to ask, or with a person who must carry an exchange. */
const ENDING: readonly string[] = ['SATELLITE_REMOVED', 'SYNC_EPOCH_SUPERSEDED', 'SYNC_KEY_UNKNOWN']
const BY_HAND: readonly string[] = [
  'SATELLITE_EXPIRED',
  'SATELLITE_UNKNOWN',
  'SYNC_CREDENTIAL_EXPIRED',
  'ENROLMENT_CODE_INVALID',
]

/**
 * The satellite's side of synchronisation, in the transaction it is given: what it writes, what it takes, and the chart
 * that says where it stands.
 */
export class Synchronisation {
  readonly #tx: Tx
  readonly #credentials: Credentials
  readonly #account: Account
  readonly #at: Instant
  readonly #wall: Instant
  #facts: Facts
  #position: SyncPosition

  private constructor(
    tx: Tx,
    credentials: Credentials,
    account: Account,
    at: Instant,
    wall: Instant,
    facts: Facts,
    position: SyncPosition,
  ) {
    this.#tx = tx
    this.#credentials = credentials
    this.#account = account
    this.#at = at
    this.#wall = wall
    this.#facts = facts
    this.#position = position
  }

  /** Writes the first facts of a satellite that is being made. */
  static async begin(tx: Tx, facts: { name: string; code: string | null; at: Instant }): Promise<void> {
    const first: Facts = {
      name: facts.name,
      managerId: null,
      after: null,
      full: true,
      mandate: null,
      home: null,
      leftOut: [],
      code: facts.code,
    }
    await writeSetting(tx, FACTS, JSON.stringify(first))
    await writeSetting(tx, SYNC_SEQUENCE, '0')
    const position = beginSync({ jitter: randomInt(1_000_000) / 1_000_000, at: facts.at })
    await writeSetting(tx, CHART, JSON.stringify({ version: 1, position }))
  }

  /**
   * @param wall what the clock of this machine says now, where that may matter
   * @throws LicensingError STORE_UNREADABLE
   */
  static async open(
    tx: Tx,
    credentials: Credentials,
    account: Account,
    at: Instant,
    wall = at,
  ): Promise<Synchronisation> {
    const facts = factsSchema.safeParse(JSON.parse((await readSetting(tx, FACTS)) ?? 'null'))
    const chart = chartSchema.safeParse(JSON.parse((await readSetting(tx, CHART)) ?? 'null'))
    if (!facts.success || !chart.success)
      throw new LicensingError(
        'STORE_UNREADABLE',
        'The database does not say how this satellite stands with its manager.',
      )
    return new Synchronisation(tx, credentials, account, at, wall, facts.data, chart.data.position)
  }

  /** One step of the chart: on disk with what it is about; what it tells goes into the event log. */
  async step(event: SyncEvent): Promise<void> {
    const { position, commands } = stepSync(this.#position, event)
    this.#position = position
    await writeSetting(this.#tx, CHART, JSON.stringify({ version: 1, position }))
    for (const command of commands)
      if (command.type === 'notice') {
        const { notice, detail } = command.params
        await logEvent(this.#tx, {
          at: event.at,
          type: notice,
          severity: NOTICE_SEVERITY[notice],
          accountId: this.#account.id,
          message: `${this.#facts.name}: ${detail.replace(/\.$/, '')}.`,
        })
      }
  }

  /** What time brings. */
  async tick(): Promise<void> {
    const next = nextSyncDueAt(this.#position)
    if (next !== null && next <= this.#at) await this.step({ type: 'TICK', at: this.#at })
  }

  /** Whether an exchange by wire is due: the chart has asked for it, and it was not done yet. */
  get asking(): boolean {
    return this.#position.value.exchange === 'asking'
  }

  /** The mandate for its answers; null before the first exchange. */
  get grants(): Grants | null {
    const { mandate } = this.#facts
    const { terms } = this.#position.context
    return mandate === null || terms === null ? null : { mandate, notAfter: terms.restrictAt }
  }

  /** Why nothing is granted now; null while something may be. */
  get refusal(): LicensingError | null {
    const { grants } = this
    if (grants === null)
      return new LicensingError(
        'SATELLITE_NOT_REGISTERED',
        `The satellite ${this.#facts.name} was never synchronised with its manager.`,
      )
    if (mayGrant(this.#position) && this.#at < grants.notAfter) return null
    return new LicensingError(
      'SATELLITE_OUT_OF_TOUCH',
      `The satellite ${this.#facts.name} has not synchronised since ${iso(this.#position.context.lastSync) ?? 'its beginning'}.`,
    )
  }

  status(): SyncStatus {
    const { value, context } = this.#position
    const { terms, carried, last } = context
    const { identity } = this.#credentials
    return {
      satellite: this.#facts.name,
      smartAccount: this.#account.domain,
      ...value,
      fingerprint: keyFingerprint(this.#credentials.satellite.syncKey()),
      epoch: identity.epoch,
      lastSyncAt: iso(context.lastSync),
      nextSyncAt: iso(context.nextAt),
      overdueAt: iso(terms?.warnAt ?? null),
      restrictedAt: iso(terms?.restrictAt ?? null),
      automaticUntil: iso(terms?.automaticUntil ?? null),
      schedule: context.schedule,
      leftOut: this.#facts.leftOut,
      inDoubt: this.frozen !== null,
      carried: carried && { exchange: carried.exchange, since: iso(carried.at) },
      lastAttempt: last && { at: iso(last.at), outcome: last.outcome, reason: last.reason },
    }
  }

  async leaveOut(what: readonly Leavable[]): Promise<void> {
    const shown = this.#facts.leftOut.some((one) => !what.includes(one))
    await this.#write({ leftOut: [...what] })
    // What was left out so far is told now, of each instance.
    if (shown) await touchAll(this.#tx)
  }

  /** The one-time code for a first exchange, sealed. */
  async useCode(sealed: string): Promise<void> {
    await this.#write({ code: sealed })
  }

  /** From here on the copy that this was restored into goes on, in an epoch of its own (trust §9). */
  async restored(): Promise<void> {
    await this.#credentials.adopt(this.#tx, { epoch: this.#credentials.identity.epoch + 1 })
    await this.#write({ full: true, after: null })
    await this.#tx.deleteFrom('sync_requests').execute()
  }

  /** Why nothing new is promised: a restore waits for its first synchronisation, and what was promised since is not known. */
  get frozen(): LicensingError | null {
    if (!this.#facts.full || this.#facts.mandate === null) return null
    return new LicensingError(
      'SATELLITE_IN_DOUBT',
      `The satellite ${this.#facts.name} was restored or copied, and does not know yet what was promised since.`,
    )
  }

  // What goes up

  /**
   * Writes the next request. One that was written before and not answered is superseded, and what it said is said again.
   *
   * @param by a file that is carried, or the wire
   */
  async export(by: 'hand' | 'wire'): Promise<Exported> {
    const { identity } = this.#credentials
    const exchange = Number((await readSetting(this.#tx, SYNC_SEQUENCE)) ?? 0) + 1
    const { after, full, leftOut } = this.#facts
    // Everything is counted anew before everything is told.
    if (full) await rebuildPools(this.#tx, this.#at)
    const report = await gatherReport(this.#tx, {
      since: after?.exchange ?? 0,
      full,
      leftOut,
      at: this.#at,
    })
    const key = this.#credentials.satellite.syncKey()
    const claim = {
      name: this.#facts.name,
      smartAccount: this.#account.domain,
      satelliteId: identity.id,
      key,
      nonce: randomBytes(24).toString('base64url'),
    }
    const { code, home } = this.#facts
    const virtualAccounts = await listVirtualAccounts(this.#tx, this.#account.id)
    const request: SyncRequest = {
      ...claim,
      epoch: identity.epoch,
      exchange,
      after: after?.exchange ?? 0,
      afterAnswer: after?.hash ?? 'none',
      report: full ? 'full' : 'changes',
      writtenAt: this.#at,
      enrolment: code === null ? 'none' : enrolmentMac(this.#credentials.openSecret(code), claim),
      leftOut,
      issuingCa: await this.#credentials.satellite.issuingCaRequest(),
      serverNames: await this.#credentials.askedNames(this.#tx),
      virtualAccounts: virtualAccounts.map(({ name, upstream }) => ({
        name,
        of: upstream ?? home ?? 'Default',
      })),
      ...report,
    }
    const { text: file, digest } = this.#credentials.satellite.signSync(writeSyncRequest(request))
    await this.#tx
      .insertInto('sync_requests')
      .values({ epoch: identity.epoch, sequence: exchange, digest, written_at: this.#at })
      .execute()
    await this.#tx
      .deleteFrom('sync_requests')
      .where('sequence', '<=', exchange - OPEN_REQUESTS)
      .execute()
    await writeSetting(this.#tx, SYNC_SEQUENCE, String(exchange))
    await TimeFloor.raise(this.#tx, this.#at)
    if (by === 'hand') await this.step({ type: 'EXPORTED', at: this.#at, exchange })
    return {
      file,
      exchange,
      epoch: identity.epoch,
      report: request.report,
      instances: request.instances.length,
      ended: request.ended.length,
      leftOut,
      fingerprint: keyFingerprint(key),
    }
  }

  /** Proves, for the head of a request, that its body is this satellite's; null as long as it knows no manager. */
  async prove(file: string): Promise<string | null> {
    const { managerId } = this.#facts
    if (managerId === null) return null
    return this.#credentials.satellite.proveSync({
      manager: managerId,
      account: this.#account.domain,
      length: Buffer.byteLength(file),
      digest: createHash('sha256').update(file).digest('base64url'),
    })
  }

  // What comes down

  /**
   * The fingerprint of the root in an answer, where this satellite knows none yet and somebody must say whether it is the
   * right one; null where it knows its root.
   *
   * @throws LicensingError SIGNED_FILE_*
   */
  rootToTrust(text: string): string | null {
    if (this.#credentials.identity.root !== null) return null
    const { lines } = readSignedText(text, { ...ANSWER, longest: MAX_SYNC_BYTES })
    return certificateFingerprint(readSyncAnswer(lines).root)
  }

  /**
   * Takes an answer: everything of it, or nothing.
   *
   * @throws LicensingError SIGNED_FILE_*, SYNC_*, MANDATE_INVALID, CONFIRMATION_REQUIRED: nothing was changed
   */
  async import(text: string, trust: TrustGiven): Promise<Imported> {
    const { answer, digest, anchors, root } = this.#read(text, trust)
    const writtenAt = await this.#checkAsked(answer)
    // An answer that was made before its request was written, by this clock: the clock was ahead then by that much.
    const ahead = writtenAt - answer.answeredAt
    // A clock that still is ahead would only be so again: it is for a person to set.
    const corrected = ahead > LARGE_SKEW && this.#wall <= this.#at - ahead + LARGE_SKEW
    const at = Math.max(corrected ? this.#at - ahead : this.#at, answer.answeredAt)
    if (answer.outcome === 'accepted' && answer.restrictAt <= at)
      throw new LicensingError(
        'SYNC_ANSWER_LAPSED',
        `The manager answered at ${iso(answer.answeredAt)}, and what it gave ended at ${iso(answer.restrictAt)}; here it is ${iso(at)}.`,
      )
    await (corrected ? TimeFloor.lower(this.#tx, at) : TimeFloor.raise(this.#tx, at))
    const said = {
      outcome: answer.outcome,
      exchange: answer.exchange,
      registered: false,
      restrictedAt: iso(answer.restrictAt),
      notices: answer.notices,
      again: false,
      failure: null,
    }
    if (answer.outcome === 'refused') {
      const { code, message, remedy } = answer
      const reason = { code, message, remedy }
      await this.step({
        type: 'REFUSED',
        at,
        reason,
        ended: ENDING.includes(code),
        byHand: BY_HAND.includes(code),
      })
      return { ...said, failure: reason }
    }
    if (answer.outcome === 'repair') {
      if (answer.epoch <= this.#credentials.identity.epoch)
        throw new LicensingError(
          'SYNC_ANSWER_UNASKED',
          `The answer tells an epoch, ${answer.epoch}, that this satellite has gone beyond.`,
        )
      await this.#repair(answer, at)
      return { ...said, again: true }
    }
    const { issuingCa, mandate } = answer
    if (issuingCa === null || mandate === null)
      throw new LicensingError('SIGNED_FILE_MALFORMED', 'The answer gives no mandate.')
    this.#checkMandate(answer, issuingCa, mandate, root)
    const registered = this.#facts.mandate === null
    await this.#credentials.satellite.adoptIssuingCas(
      this.#tx,
      certificatesOf(issuingCa).map((one) => one.toString()),
    )
    await this.#credentials.adopt(this.#tx, { root, ...this.#newTrust(answer, anchors) })
    const again = await new SyncApply(this.#tx, this.#account, at).apply(answer)
    await this.#write({
      managerId: answer.managerId,
      after: { epoch: answer.epoch, exchange: answer.exchange, hash: digest },
      full: false,
      mandate,
      home: answer.virtualAccounts.find(({ home }) => home)?.name ?? null,
      code: null,
    })
    await this.#tx
      .deleteFrom('sync_requests')
      .where((or) => or.or([or('sequence', '<=', answer.exchange), or('epoch', '<', answer.epoch)]))
      .execute()
    const { warnAt, restrictAt, automaticUntil } = answer
    const terms: SyncTerms = { answeredAt: answer.answeredAt, warnAt, restrictAt, automaticUntil }
    await this.step({ type: 'ANSWERED', at, terms })
    if (ahead <= LARGE_SKEW) return { ...said, registered, again }
    const notice = `The clock of this machine was ${duration(ahead)} ahead of the manager's when the request was written: check it.`
    if (!corrected) return { ...said, registered, again, notices: [...said.notices, notice] }
    await this.#goBack(notice, at)
    return { ...said, registered, again: true, notices: [...said.notices, notice] }
  }

  /** Time goes back, by what the manager has shown: in an epoch of its own, so that boxes believe it (trust §3, §9). */
  async #goBack(notice: string, at: Instant): Promise<void> {
    await this.restored()
    await logEvent(this.#tx, {
      at,
      type: 'CLOCK_CORRECTED',
      severity: 'major',
      accountId: this.#account.id,
      message: notice,
    })
  }

  #read(
    text: string,
    trust: TrustGiven,
  ): { answer: SyncAnswer; digest: string; anchors: Anchors; root: string } {
    const known = this.#credentials.identity.root
    const given = known ?? this.#trusted(text, trust)
    const held = { ...anchorsOf(given), number: this.#held(known) }
    // Each bundle is signed by a root that is known here: a satellite that has missed its overlap learns of it by the answer.
    const anchors = adoptBundles(held, bundlesIn(text), this.#at)
    const root = anchors === held ? given : rootsPem(anchors, this.#at)
    const { lines, signer, digest } = verifyText(text, {
      ...ANSWER,
      role: 'sync',
      roots: rootsOf(root),
      longest: MAX_SYNC_BYTES,
      at: (unchecked) => {
        const line = unchecked.find((one) => one.startsWith('Answered: '))
        return Date.parse(line?.slice('Answered: '.length).trim() ?? '') || 0
      },
    })
    const answer = readSyncAnswer(lines)
    const { identity } = this.#credentials
    if (answer.satelliteId !== identity.id || answer.smartAccount !== this.#account.domain)
      throw new LicensingError(
        'SYNC_OTHER_SATELLITE',
        `The answer is for the satellite ${answer.name} of ${answer.smartAccount}, another than this one.`,
      )
    const { managerId } = this.#facts
    if (signer.authorityId !== answer.managerId || (managerId !== null && answer.managerId !== managerId))
      throw new LicensingError(
        'SIGNED_FILE_UNTRUSTED',
        'The answer is of another manager than this satellite’s.',
      )
    return { answer, digest, anchors, root }
  }

  /** The number of the bundle that is held: of a root that came with its answer, none is known yet. */
  #held(known: string | null): number {
    return known === null ? 0 : this.#credentials.identity.trust.number
  }

  /** The bundles of roots of the manager, for this satellite's boxes, and until when the older roots are believed. */
  #newTrust({ trustBundles }: SyncAnswer, anchors: Anchors): Pick<AuthorityIdentity, 'trust'> | undefined {
    const { number } = this.#credentials.identity.trust
    if (anchors.number <= number) return undefined
    const until = anchors.roots.flatMap((one) => one.until ?? []).at(0) ?? null
    return { trust: { number: anchors.number, bundles: [...trustBundles], until } }
  }

  /** The root of an answer, where none is known and somebody answers for it (trust §8). */
  #trusted(text: string, trust: TrustGiven): string {
    const { lines } = readSignedText(text, { ...ANSWER, longest: MAX_SYNC_BYTES })
    const { root } = readSyncAnswer(lines)
    const fingerprint = certificateFingerprint(root)
    if (trust === null)
      throw new LicensingError(
        'CONFIRMATION_REQUIRED',
        `The root certificate in the answer was not confirmed: its fingerprint is ${fingerprint}.`,
        {
          remedy:
            'Compare it with what the manager prints with `trust show`, and give it with --trust-fingerprint; --yes takes it unseen.',
        },
      )
    if (trust !== 'unseen' && !sameFingerprint(trust.fingerprint, fingerprint))
      throw new LicensingError(
        'SYNC_FINGERPRINT_MISMATCH',
        `The fingerprint of the root certificate in the answer is ${fingerprint}.`,
      )
    return root
  }

  /** An answer counts for a request that was made here, once, and in order. @returns when that was written */
  async #checkAsked(answer: SyncAnswer): Promise<Instant> {
    const asked = await this.#tx
      .selectFrom('sync_requests')
      .selectAll()
      .where('digest', '=', answer.request)
      .executeTakeFirst()
    const { after } = this.#facts
    if (asked?.epoch === this.#credentials.identity.epoch) return asked.written_at
    if (
      after &&
      answer.outcome === 'accepted' &&
      answer.epoch === after.epoch &&
      answer.exchange <= after.exchange
    )
      throw new LicensingError(
        'SYNC_ANSWER_IMPORTED',
        answer.exchange === after.exchange
          ? `The answer of exchange ${answer.exchange} was imported already.`
          : `The answer is of exchange ${answer.exchange}; that of ${after.exchange} was imported already.`,
      )
    throw new LicensingError(
      'SYNC_ANSWER_UNASKED',
      `The answer is to exchange ${answer.exchange} of epoch ${answer.epoch}, for which nothing is awaited here.`,
    )
  }

  #checkMandate(answer: SyncAnswer, issuingCa: string, text: string, root: string): void {
    const { identity } = this.#credentials
    const roots = rootsOf(root)
    const good = certificatesOf(issuingCa).every(
      (one) =>
        this.#credentials.satellite.isForIssuingKey(one.toString()) &&
        roots.some((issuer) => one.checkIssued(issuer) && one.verify(issuer.publicKey)),
    )
    if (!good)
      throw new LicensingError(
        'SIGNED_FILE_UNTRUSTED',
        'The certificate in the answer is not one for this satellite’s CA, signed by the root.',
      )
    const mandate = verifyMandate(text, {
      roots,
      satelliteId: identity.id,
      account: this.#account.domain,
      issuingCa,
    })
    if (mandate.epoch !== answer.epoch || mandate.sequence !== answer.exchange)
      throw new LicensingError('MANDATE_INVALID', 'The mandate in the answer is of another exchange.')
  }

  /** The histories do not fit: this one goes on in the epoch it was told, and reports everything. */
  async #repair(answer: SyncAnswer, at: Instant): Promise<void> {
    const sequence = Number((await readSetting(this.#tx, SYNC_SEQUENCE)) ?? 0)
    await writeSetting(this.#tx, SYNC_SEQUENCE, String(Math.max(sequence, answer.exchange)))
    await this.#credentials.adopt(this.#tx, { epoch: answer.epoch })
    await this.#write({ full: true, after: null })
    await this.#tx.deleteFrom('sync_requests').execute()
    await logEvent(this.#tx, {
      at,
      type: 'SYNC_REPAIR',
      severity: 'major',
      accountId: this.#account.id,
      message: `${this.#facts.name}: ${answer.message} Everything is reported anew, in epoch ${answer.epoch}.`,
    })
    await this.step({ type: 'REPAIR', at })
  }

  async #write(changed: Partial<Facts>): Promise<void> {
    this.#facts = { ...this.#facts, ...changed }
    await writeSetting(this.#tx, FACTS, JSON.stringify(this.#facts))
  }
}

const ANSWER = { what: 'synchronisation answer', title: SYNC_ANSWER_TITLE }

const NOTICE_SEVERITY = {
  SYNC_DONE: 'info',
  SYNC_FAILED: 'minor',
  SYNC_OVERDUE: 'major',
  SYNC_RESTRICTED: 'major',
  SYNC_RESTORED: 'info',
  SYNC_ENDED: 'major',
  SYNC_CREDENTIAL_ENDING: 'minor',
  SYNC_CREDENTIAL_ENDED: 'major',
} as const

/** @throws LicensingError SIGNED_FILE_UNTRUSTED */
function certificatesOf(pem: string): X509Certificate[] {
  try {
    return readCertificates(pem)
  } catch (thrown) {
    if (!(thrown instanceof ChainError)) throw thrown
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      'The certificate of the satellite’s CA in the answer cannot be read.',
    )
  }
}

/** @throws LicensingError SIGNED_FILE_UNTRUSTED */
function rootsOf(pem: string): X509Certificate[] {
  try {
    return readRoots(pem)
  } catch (thrown) {
    if (!(thrown instanceof ChainError)) throw thrown
    throw new LicensingError(
      'SIGNED_FILE_UNTRUSTED',
      `The root certificate cannot be used: ${thrown.message}.`,
    )
  }
}
