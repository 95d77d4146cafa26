import { X509Certificate } from 'node:crypto'
import { type Instant, iso } from '../domain/instant.ts'
import type { ProductProfile } from '../domain/profile.ts'
import { answerHash } from '../protocol/digest.ts'
import type { Decision, InstanceRequest, Request, Sealed } from '../protocol/messages.ts'
import { readRequest } from '../trust/certificate-request.ts'
import { thumbprint } from '../trust/chain.ts'
import { sealedBy, sealedCertificates } from '../trust/seal.ts'
import type { Credentials } from './credentials.ts'
import { logEvent } from './event-log.ts'
import type { Leave } from './leave.ts'
import { endInstance, findByCertificate, type InstanceRow, virtualAccountOf } from './instances.ts'
import { assessPool, setDemand } from './pools.ts'
import { Registration } from './registration.ts'
import { Review } from './review.ts'
import { badSignature, type Decided, endedRefusal, malformed, refuse, spkiOf } from './requests.ts'
import { touchInstance } from './revisions.ts'
import { AUTHORIZATION_LIFE, BACKDATED } from './rules.ts'
import type { Tx } from './store.ts'

type AuthorizeBody = (InstanceRequest & { type: 'authorize' })['body']

/** Decides one exchange in the transaction it is given: decision, sequence, pools and events go together. */
export class Exchange {
  readonly #tx: Tx
  readonly #credentials: Credentials
  readonly #profile: ProductProfile
  readonly #leave: Leave
  readonly #at: Instant

  constructor(tx: Tx, credentials: Credentials, profile: ProductProfile, leave: Leave, at: Instant) {
    this.#leave = leave
    this.#tx = tx
    this.#credentials = credentials
    this.#profile = profile
    this.#at = at
  }

  async decide(exchange: { sealed: Sealed; request: Request; digest: string }): Promise<Decided> {
    const { sealed, request, digest } = exchange
    return request.type === 'register'
      ? new Registration(this.#tx, this.#credentials, this.#leave, this.#at).decide(sealed, request)
      : this.#instanceRequest(sealed, request, digest)
  }

  // Requests of a registered box

  async #instanceRequest(sealed: Sealed, request: InstanceRequest, digest: string): Promise<Decided> {
    if (request.audience !== this.#credentials.identity.id)
      throw malformed('it is addressed to another authority')
    const [certificate] = sealedCertificates(sealed, 'sla-request+jws') ?? []
    if (certificate === undefined) throw malformed('it does not say whose it is')
    const found =
      (await findByCertificate(this.#tx, certificate)) ??
      (await new Review(this.#tx, this.#credentials, this.#at).shown(certificate, request.instanceId))
    const key = found?.key ?? this.#credentials.ownIdentity(certificate, request.instanceId, this.#at)?.key
    // Nobody on the way may cause a final refusal: what does not verify gets no signed answer (trust §4).
    if (!key || !(await sealedBy(sealed, 'sla-request+jws', key))) throw badSignature()
    const decided = (decision: Decision): Decided => ({ request, audience: request.instanceId, decision })
    // Not known here, and perhaps so all the same: no answer, so that the box asks again.
    if (!found && this.#leave.frozen) throw this.#leave.frozen
    if (!found) return decided(refuse('INSTANCE_UNKNOWN', 'This authority knows no such product instance.'))
    const { instance } = found
    if (instance.id !== request.instanceId) throw malformed('its certificate is of another instance')
    // Only an end that the box itself asked for is told again as it was.
    const toldAgain = instance.status === 'deregistered' && repeats(instance, request, digest)
    if (instance.status !== 'active' && !toldAgain) return decided(refuse(...endedRefusal(instance.status)))
    if (this.#at >= Date.parse(found.validTo)) return decided(refuse(...endedRefusal('expired')))
    return decided(await this.#inSequence(instance, request, digest, found.pending))
  }

  /** One request, one decision (trust §2). */
  async #inSequence(
    instance: InstanceRow,
    request: InstanceRequest,
    digest: string,
    pending: boolean,
  ): Promise<Decision> {
    if (repeats(instance, request, digest)) return JSON.parse(instance.decision ?? 'null') as Decision
    const { epoch } = this.#credentials.identity
    // The first request after a restore: the box may have gone on while this authority went back (trust §9).
    const ahead = instance.epoch < epoch && request.sequence >= instance.sequence
    if (request.sequence < instance.sequence) {
      // A message that was late, or a copy of the box that has fallen behind: nobody can tell, so it is said.
      await this.#alert(instance, 'INSTANCE_SUPERSEDED', 'minor', 'asked what is older than its last request')
      return refuse(
        'SEQUENCE_SUPERSEDED',
        `Request ${request.sequence} is older than ${instance.sequence}, which was answered.`,
      )
    }
    const heard = request.lastAnswer === instance.last_answer || request.lastAnswer === instance.answer_before
    if (!ahead && (request.sequence === instance.sequence || !heard)) return this.#diverged(instance)
    if (pending) await this.#adopt(instance)
    const decision = await this.#carryOut(instance, request)
    await this.#tx
      .updateTable('instances')
      .set({
        epoch,
        sequence: request.sequence,
        request_digest: digest,
        message_id: request.messageId,
        decision: JSON.stringify(decision),
        last_answer: answerHash(request.messageId, decision),
        answer_before: instance.last_answer,
        last_contact_at: this.#at,
      })
      .where('id', '=', instance.id)
      .execute()
    return decision
  }

  async #diverged(instance: InstanceRow): Promise<Decision> {
    await this.#alert(instance, 'INSTANCE_DIVERGED', 'major', 'has two histories')
    return refuse('INSTANCE_DIVERGED', 'Another history of this product instance exists.')
  }

  async #alert(
    instance: InstanceRow,
    type: string,
    severity: 'minor' | 'major',
    what: string,
  ): Promise<void> {
    await logEvent(this.#tx, {
      at: this.#at,
      type,
      severity,
      accountId: instance.account_id,
      virtualAccount: await virtualAccountOf(this.#tx, instance),
      instanceId: instance.id,
      message: `${instance.pid}:${instance.serial} ${what}: it may have been copied, or restored from a copy.`,
    })
  }

  /** The box has shown that it holds the new certificate: the old one stops. */
  async #adopt(instance: InstanceRow): Promise<void> {
    if (
      instance.next_thumbprint === null ||
      instance.next_public_key === null ||
      instance.next_certificates === null
    )
      return
    await this.#tx
      .updateTable('instances')
      .set({
        thumbprint: instance.next_thumbprint,
        public_key: instance.next_public_key,
        certificates: instance.next_certificates,
        next_thumbprint: null,
        next_public_key: null,
        next_certificates: null,
      })
      .where('id', '=', instance.id)
      .execute()
  }

  async #carryOut(instance: InstanceRow, request: InstanceRequest): Promise<Decision> {
    switch (request.type) {
      case 'authorize':
        return this.#authorizeAs(instance, request.body)
      case 'renew':
        return this.#renew(instance, request.body.certificateRequest)
      case 'acknowledge':
        return { outcome: 'accepted' }
      case 'deregister':
        await endInstance(this.#tx, instance, 'deregistered', this.#at)
        await this.#log(instance, 'INSTANCE_DEREGISTERED', `${instance.pid}:${instance.serial} deregistered.`)
        return { outcome: 'accepted' }
    }
  }

  /** A box that was taken back says what it is. */
  async #authorizeAs(instance: InstanceRow, body: AuthorizeBody): Promise<Decision> {
    const row = await new Review(this.#tx, this.#credentials, this.#at).learn(instance, body.udi)
    return row.status === 'active' ? this.#authorize(row, body) : refuse(...endedRefusal(row.status))
  }

  async #authorize(instance: InstanceRow, body: AuthorizeBody): Promise<Decision> {
    const owner = { id: instance.id, virtualAccountId: instance.virtual_account_id }
    const isKnown = (wanted: string) => this.#profile.tags.some(({ tag }) => tag === wanted)
    const demand = body.entitlements.filter(({ tag }) => isKnown(tag))
    await setDemand(this.#tx, owner, demand, this.#at)
    if (body.version !== '' && body.version !== instance.version) {
      await this.#tx
        .updateTable('instances')
        .set({ version: body.version })
        .where('id', '=', instance.id)
        .execute()
      await touchInstance(this.#tx, instance.id)
    }
    // What is in use is known all the same.
    if (this.#leave.refusal) return refuse(this.#leave.refusal.code, this.#leave.refusal.message)
    const entitlements = []
    for (const { tag, count } of body.entitlements) {
      const known = this.#profile.tags.find((one) => one.tag === tag)
      const pool = await assessPool(this.#tx, instance.virtual_account_id, tag, this.#at)
      entitlements.push({
        tag,
        name: known?.name ?? '',
        description: known?.description ?? '',
        count,
        status: known
          ? pool.compliant
            ? ('in-compliance' as const)
            : ('out-of-compliance' as const)
          : ('invalid-tag' as const),
      })
    }
    const covered = entitlements.every(({ count, status }) => count === 0 || status === 'in-compliance')
    return {
      outcome: 'accepted',
      entitlements,
      compliance: covered ? 'in-compliance' : 'out-of-compliance',
      deadlineAt: iso(Math.min(this.#at - BACKDATED + AUTHORIZATION_LIFE, this.#leave.notAfter)),
      nextContactAt: null,
      ...(await this.#membership(instance)),
    }
  }

  async #renew(instance: InstanceRow, certificateRequest: string): Promise<Decision> {
    const key = readRequest(certificateRequest)
    if (!key)
      return refuse(
        'CERTIFICATE_REQUEST_INVALID',
        'The certificate request is not one for a P-256 key, signed by it.',
      )
    const membership = await this.#membership(instance)
    const certificates = await this.#credentials.issueIdentity(
      key,
      instance.id,
      membership.smartAccount,
      this.#at,
    )
    const certificate = new X509Certificate(certificates[0] ?? '')
    await this.#tx
      .updateTable('instances')
      .set({
        next_thumbprint: thumbprint(certificate),
        expires_at: Date.parse(certificate.validTo),
        next_public_key: spkiOf(key),
        next_certificates: JSON.stringify(certificates),
      })
      .where('id', '=', instance.id)
      .execute()
    await this.#log(
      instance,
      'INSTANCE_RENEWED',
      `${instance.pid}:${instance.serial} renewed its registration.`,
    )
    return { outcome: 'accepted', certificates, ...membership }
  }

  async #membership(instance: InstanceRow): Promise<{ smartAccount: string; virtualAccount: string }> {
    const { domain } = await this.#tx
      .selectFrom('accounts')
      .select('domain')
      .where('id', '=', instance.account_id)
      .executeTakeFirstOrThrow()
    return { smartAccount: domain, virtualAccount: await virtualAccountOf(this.#tx, instance) }
  }

  async #log(instance: InstanceRow, type: string, message: string): Promise<void> {
    await logEvent(this.#tx, {
      at: this.#at,
      type,
      accountId: instance.account_id,
      virtualAccount: await virtualAccountOf(this.#tx, instance),
      instanceId: instance.id,
      message,
    })
  }
}

/** The last request once more: its answer was lost on the way. */
const repeats = (instance: InstanceRow, request: InstanceRequest, digest: string): boolean =>
  instance.decision !== null && request.sequence === instance.sequence && digest === instance.request_digest
