import { createHash, type KeyObject, randomUUID, X509Certificate } from 'node:crypto'
import type { Instant } from '../domain/instant.ts'
import {
  type Decision,
  type Refused,
  type RegisterRequest,
  type Sealed,
  sealedSchema,
} from '../protocol/messages.ts'
import { serialsOf } from '../protocol/digest.ts'
import { tokenMacMatches } from '../protocol/token.ts'
import { readRequest } from '../trust/certificate-request.ts'
import { thumbprint } from '../trust/chain.ts'
import { peek, sealedBy, sealedCertificates } from '../trust/seal.ts'
import type { Account } from './accounts.ts'
import type { Credentials } from './credentials.ts'
import { logEvent } from './event-log.ts'
import { endInstance, findByCertificate, type InstanceRow, virtualAccountOf } from './instances.ts'
import { setDemand } from './pools.ts'
import { activeReservation } from './reservation-ledger.ts'
import { Reported, type ReportedRival, reportedRival } from './satellites/reported.ts'
import { touchInstance } from './revisions.ts'
import { badSignature, type Decided, endedRefusal, malformed, refuse, spkiOf } from './requests.ts'
import { type Leave, whyNothingNew } from './leave.ts'
import { accountTag, tokenRefusal } from './rules.ts'
import type { Tx } from './store.ts'

/** A token that was found, with where it registers to. */
interface RegistrationToken {
  readonly id: string
  readonly virtual_account_id: string
  readonly virtualAccount: string
  readonly export_controlled: number
  readonly account: Account
}

/** Decides whether a box becomes a product instance, in the transaction it is given. */
export class Registration {
  readonly #tx: Tx
  readonly #credentials: Credentials
  readonly #leave: Leave
  readonly #at: Instant

  constructor(tx: Tx, credentials: Credentials, leave: Leave, at: Instant) {
    this.#leave = leave
    this.#tx = tx
    this.#credentials = credentials
    this.#at = at
  }

  async decide(sealed: Sealed, request: RegisterRequest): Promise<Decided> {
    const { body } = request
    if (!this.#credentials.roots.some((root) => request.audience === thumbprint(root)))
      throw malformed('it is addressed to another authority')
    const key = readRequest(body.certificateRequest)
    if (!key) throw malformed('its certificate request is not a good one')
    if (!(await sealedBy(sealed, 'sla-request+jws', key))) throw badSignature()
    const spki = spkiOf(key)
    const decision = await this.#decision(request, key, spki)
    return {
      request,
      audience: `key:${createHash('sha256').update(Buffer.from(spki, 'base64')).digest('base64url')}`,
      decision,
    }
  }

  async #decision(request: RegisterRequest, key: KeyObject, spki: string): Promise<Decision> {
    const { body } = request
    const { pid, serial } = body.udi
    const token = await this.#tx
      .selectFrom('tokens')
      .innerJoin('virtual_accounts', 'virtual_accounts.id', 'tokens.virtual_account_id')
      .innerJoin('accounts', 'accounts.id', 'virtual_accounts.account_id')
      .selectAll('tokens')
      .select([
        'virtual_accounts.name as virtualAccount',
        'accounts.id as accountId',
        'accounts.domain',
        'accounts.agreement_at as agreementAt',
      ])
      .where('tokens.id', '=', body.token.id)
      .executeTakeFirst()
    const claim = {
      audience: request.audience,
      nonce: request.nonce,
      certificateRequest: body.certificateRequest,
      udi: body.udi,
      force: body.force,
    }
    if (!token || !tokenMacMatches(this.#credentials.openSecret(token.secret), claim, body.token.mac)) {
      return this.#unknownToken(body.token.account)
    }
    const account: Account = { id: token.accountId, domain: token.domain, agreementAt: token.agreementAt }
    const proven = await this.#provenInstance(body.previous, body.certificateRequest)
    if (proven?.status === 'active' && proven.account_id !== account.id) {
      return refuse('TOKEN_WRONG_ACCOUNT', 'The token belongs to another smart account than this box.')
    }
    if (account.agreementAt === null) {
      return refuse(
        'AGREEMENT_NOT_ACCEPTED',
        `The licence agreement of ${account.domain} has not been accepted.`,
      )
    }
    const known = await this.#tx
      .selectFrom('instances')
      .selectAll()
      .where('account_id', '=', account.id)
      .where('registered_key', '=', spki)
      .executeTakeFirst()
    // The same key: the same registration, asked for again because its answer was lost, or played again by another.
    if (known && known.status !== 'active') return refuse(...endedRefusal(known.status))
    if (known?.token_id === token.id)
      return this.#registered(known, account.domain, await virtualAccountOf(this.#tx, known))
    const no = whyNothingNew(this.#leave)
    if (no) return refuse(no.code, no.message)
    const refusal = tokenRefusal(
      {
        revokedAt: token.revoked_at,
        expiresAt: token.expires_at,
        uses: token.uses,
        maxUses: token.max_uses,
        inReview: token.in_review !== 0,
      },
      this.#at,
    )
    if (refusal) return refuse(refusal.code, refusal.message)
    if (known) return this.#readmit(known, { ...token, account })
    const existing = await this.#tx
      .selectFrom('instances')
      .selectAll()
      .where('account_id', '=', account.id)
      .where('pid', '=', pid)
      .where('serial', 'in', serialsOf(pid, serial))
      .where('status', '=', 'active')
      .executeTakeFirst()
    // What is reserved for a box may be in use there, out of reach: overwriting cannot give it back.
    if (await activeReservation(this.#tx, account.id, body.udi))
      return refuse('INSTANCE_RESERVED', `Licences are reserved for ${pid}:${serial} in ${account.domain}.`)
    const below = await reportedRival(this.#tx, account.id, body.udi)
    if (below?.kind === 'reserved')
      return refuse(
        'INSTANCE_RESERVED',
        `Licences are reserved for ${pid}:${serial} at the satellite ${below.satellite}.`,
      )
    if (below && !body.force)
      return refuse(
        'INSTANCE_ALREADY_REGISTERED',
        `${account.domain} has a product instance ${pid}:${serial} already, at the satellite ${below.satellite}.`,
      )
    if (existing && !body.force) {
      return refuse(
        'INSTANCE_ALREADY_REGISTERED',
        `${account.domain} has a product instance ${pid}:${serial} already.`,
      )
    }
    if (below) await this.#replaceBelow(below, account)
    if (existing) await this.#replace(existing, account, proven?.id === existing.id)
    return this.#admit(request, key, spki, { ...token, account })
  }

  /** A token of an account that is not here is told from one that never was (R-TOK-4). */
  async #unknownToken(tag: string): Promise<Refused> {
    const domains = await this.#tx.selectFrom('accounts').select('domain').execute()
    return domains.some(({ domain }) => accountTag(domain) === tag)
      ? refuse('TOKEN_UNKNOWN', 'This authority knows no such token.')
      : refuse(
          'TOKEN_WRONG_ACCOUNT',
          'The token belongs to a smart account that this authority does not serve.',
        )
  }

  /** The instance whose key signed the proof that came with a registration; undefined without a good one. */
  async #provenInstance(
    previous: string | null,
    certificateRequest: string,
  ): Promise<InstanceRow | undefined> {
    const [head, payload, signature] = previous?.split('.') ?? []
    const sealed = sealedSchema.safeParse({ protected: head, payload, signature })
    if (!sealed.success) return undefined
    const [certificate] = sealedCertificates(sealed.data, 'sla-proof+jws') ?? []
    const row = certificate === undefined ? undefined : await findByCertificate(this.#tx, certificate)
    if (!row || !(await sealedBy(sealed.data, 'sla-proof+jws', row.key))) return undefined
    const claim = peek(sealed.data) as
      { use?: unknown; instanceId?: unknown; certificateRequest?: unknown } | undefined
    const expected = createHash('sha256').update(certificateRequest).digest('base64url')
    const fits =
      claim?.use === 'replace' &&
      claim.instanceId === row.instance.id &&
      claim.certificateRequest === expected
    return fits ? row.instance : undefined
  }

  /** A box of a satellite registers here: that it is replaced there, the satellite hears at its next exchange. */
  async #replaceBelow(below: ReportedRival, account: Account): Promise<void> {
    await new Reported(this.#tx, { id: below.satelliteId, status: 'active' }, this.#at).replace(below.id)
    await logEvent(this.#tx, {
      at: this.#at,
      type: 'INSTANCE_REPLACED_WITHOUT_PROOF',
      severity: 'major',
      accountId: account.id,
      instanceId: below.id,
      message: `${below.pid}:${below.serial} of the satellite ${below.satellite} registered here.`,
    })
  }

  async #replace(existing: InstanceRow, account: Account, proven: boolean): Promise<void> {
    await endInstance(this.#tx, existing, 'replaced', this.#at)
    await logEvent(this.#tx, {
      at: this.#at,
      type: proven ? 'INSTANCE_REPLACED' : 'INSTANCE_REPLACED_WITHOUT_PROOF',
      severity: proven ? 'info' : 'major',
      accountId: account.id,
      virtualAccount: await virtualAccountOf(this.#tx, existing),
      instanceId: existing.id,
      message: proven
        ? `${existing.pid}:${existing.serial} registered again.`
        : `${existing.pid}:${existing.serial} was replaced by a box that did not hold its key.`,
    })
  }

  /** The same registration with another token: the instance is where that token puts it. */
  async #readmit(row: InstanceRow, token: RegistrationToken): Promise<Decision> {
    const place = {
      virtual_account_id: token.virtual_account_id,
      export_controlled: token.export_controlled,
      token_id: token.id,
    }
    await setDemand(this.#tx, { id: row.id, virtualAccountId: row.virtual_account_id }, [], this.#at)
    await this.#tx.updateTable('instances').set(place).where('id', '=', row.id).execute()
    await touchInstance(this.#tx, row.id)
    await this.#useToken(row, token)
    return this.#registered({ ...row, ...place }, token.account.domain, token.virtualAccount)
  }

  async #useToken(row: InstanceRow, token: RegistrationToken): Promise<void> {
    await this.#tx
      .updateTable('tokens')
      .set((eb) => ({ uses: eb('uses', '+', 1) }))
      .where('id', '=', token.id)
      .execute()
    await logEvent(this.#tx, {
      at: this.#at,
      type: 'INSTANCE_REGISTERED',
      accountId: token.account.id,
      virtualAccount: token.virtualAccount,
      instanceId: row.id,
      message: `${row.pid}:${row.serial} was registered with token ${token.id}.`,
    })
  }

  async #admit(
    request: RegisterRequest,
    key: KeyObject,
    spki: string,
    token: RegistrationToken,
  ): Promise<Decision> {
    const { pid, serial, version } = request.body.udi
    const { account } = token
    const id = randomUUID()
    const certificates = await this.#credentials.issueIdentity(key, id, account.domain, this.#at)
    const certificate = new X509Certificate(certificates[0] ?? '')
    const row: InstanceRow = {
      id,
      account_id: account.id,
      virtual_account_id: token.virtual_account_id,
      pid,
      serial,
      version,
      hostname: request.body.hostname,
      status: 'active',
      export_controlled: token.export_controlled,
      thumbprint: thumbprint(certificate),
      public_key: spki,
      registered_key: spki,
      token_id: token.id,
      certificates: JSON.stringify(certificates),
      next_thumbprint: null,
      next_public_key: null,
      next_certificates: null,
      registered_at: this.#at,
      last_contact_at: this.#at,
      expires_at: Date.parse(certificate.validTo),
      sequence: 0,
      request_digest: null,
      message_id: null,
      decision: null,
      last_answer: null,
      answer_before: null,
      epoch: this.#credentials.identity.epoch,
      revision: 0,
      in_review: 0,
    }
    await this.#tx.insertInto('instances').values(row).execute()
    await touchInstance(this.#tx, row.id)
    await this.#useToken(row, token)
    return this.#registered(row, account.domain, token.virtualAccount)
  }

  #registered(row: InstanceRow, smartAccount: string, virtualAccount: string): Decision {
    return {
      outcome: 'accepted',
      instanceId: row.id,
      certificates: JSON.parse(row.certificates) as string[],
      exportControlled: row.export_controlled === 1,
      smartAccount,
      virtualAccount,
    }
  }
}
