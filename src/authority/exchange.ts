import { createHash, createPublicKey, type KeyObject, randomUUID, X509Certificate } from 'node:crypto'
import { type ErrorCode, errorTable, LicensingError } from '../domain/errors.ts'
import { type Instant, iso } from '../domain/instant.ts'
import { conferencing } from '../domain/profile.ts'
import { answerHash, requestDigest } from '../protocol/digest.ts'
import {
  type Decision,
  type HelloRequest,
  helloRequestSchema,
  type InstanceRequest,
  PROTOCOL_VERSION,
  type Refused,
  type RegisterRequest,
  type Request,
  requestSchema,
  type RequestType,
  type Sealed,
  sealedSchema,
} from '../protocol/messages.ts'
import { tokenMacMatches } from '../protocol/token.ts'
import { readRequest } from '../trust/certificates.ts'
import { checkChain, readRoots, thumbprint } from '../trust/chain.ts'
import { peek, sealedBy, sealedCertificates } from '../trust/seal.ts'
import type { Account } from './accounts.ts'
import type { Credentials } from './credentials.ts'
import { logEvent } from './event-log.ts'
import { endInstance, type InstanceRow } from './instances.ts'
import { assessPool, setDemand } from './pools.ts'
import { accountTag, AUTHORIZATION_LIFE, BACKDATED, tokenRefusal } from './rules.ts'
import type { Tx } from './store.ts'

/** What an answer is to, and for whom. */
export interface Answered {
  readonly request: Pick<Request | HelloRequest, 'type' | 'messageId' | 'nonce'>
  readonly audience: string
  readonly decision: Decision
}

/** What was decided for a request, and whom the answer is for. */
interface Decided extends Answered {
  readonly request: Request
  readonly audience: string
  readonly decision: Decision
}

const malformed = (why: string) =>
  new LicensingError('REQUEST_MALFORMED', `The message cannot be taken: ${why}.`)

/** @throws LicensingError REQUEST_MALFORMED, PROTOCOL_UNSUPPORTED */
export function readHello(message: unknown): HelloRequest {
  checkVersion(message)
  const parsed = helloRequestSchema.safeParse(message)
  if (!parsed.success || parsed.data.direction !== 'request') throw malformed('it is not a greeting')
  return parsed.data
}

function checkVersion(payload: unknown): void {
  if (typeof payload !== 'object' || payload === null || !('protocol' in payload)) return
  if (payload.protocol === PROTOCOL_VERSION) return
  throw new LicensingError(
    'PROTOCOL_UNSUPPORTED',
    `This authority speaks version ${PROTOCOL_VERSION} of the protocol.`,
  )
}

/** A refusal that goes into a signed answer. */
const refuse = (code: ErrorCode, message: string): Refused => ({
  outcome: 'refused',
  code,
  message,
  remedy: errorTable[code].remedy,
})

/** A request whose form, type, direction and version are right; its signature is not looked at yet. */
export function readExchange(
  type: RequestType,
  message: unknown,
): { sealed: Sealed; request: Request; digest: string } {
  const sealed = sealedSchema.safeParse(message)
  if (!sealed.success) throw malformed('it is not a sealed message')
  const payload = peek(sealed.data)
  if (typeof payload !== 'object' || payload === null) throw malformed('its payload is not a JSON object')
  checkVersion(payload)
  const parsed = requestSchema.safeParse(payload)
  if (!parsed.success)
    throw malformed(`${parsed.error.issues[0]?.path.join('.') ?? 'its payload'} is not of its form`)
  if (parsed.data.type !== type) throw malformed('it was sent to the path of another type')
  if (parsed.data.direction !== 'request') throw malformed('it is not a request')
  return { sealed: sealed.data, request: parsed.data, digest: requestDigest(payload) }
}

/** A token that was found, with where it registers to. */
interface RegistrationToken {
  readonly id: string
  readonly virtual_account_id: string
  readonly virtualAccount: string
  readonly export_controlled: number
  readonly account: Account
}

/** Why an instance that is no more gets nothing. */
function endedRefusal(status: Exclude<InstanceRow['status'], 'active'>): [ErrorCode, string] {
  switch (status) {
    case 'replaced':
      return ['INSTANCE_REPLACED', 'This product instance was replaced by a newer registration.']
    case 'expired':
      return ['INSTANCE_EXPIRED', 'This product instance did not renew its registration within its year.']
    case 'removed':
    case 'deregistered':
      return ['INSTANCE_REMOVED', 'This product instance was removed at the authority.']
  }
}

/** Decides one exchange in the transaction it is given: decision, sequence, pools and events go together. */
export class Exchange {
  readonly #tx: Tx
  readonly #credentials: Credentials
  readonly #at: Instant

  constructor(tx: Tx, credentials: Credentials, at: Instant) {
    this.#tx = tx
    this.#credentials = credentials
    this.#at = at
  }

  async decide(exchange: { sealed: Sealed; request: Request; digest: string }): Promise<Decided> {
    const { sealed, request, digest } = exchange
    return request.type === 'register'
      ? this.#register(sealed, request)
      : this.#instanceRequest(sealed, request, digest)
  }

  // Registration

  async #register(sealed: Sealed, request: RegisterRequest): Promise<Decided> {
    const { body } = request
    const [root] = readRoots(this.#credentials.identity.root)
    if (!root || request.audience !== thumbprint(root))
      throw malformed('it is addressed to another authority')
    const key = await readRequest(body.certificateRequest)
    if (!key) throw malformed('its certificate request is not a good one')
    if (!(await sealedBy(sealed, 'sla-request+jws', key))) throw badSignature()
    const spki = spkiOf(key)
    const decision = await this.#decideRegistration(request, key, spki)
    return {
      request,
      audience: `key:${createHash('sha256').update(Buffer.from(spki, 'base64')).digest('base64url')}`,
      decision,
    }
  }

  async #decideRegistration(request: RegisterRequest, key: KeyObject, spki: string): Promise<Decision> {
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
      return this.#registered(known, account.domain, await this.#nameOf(known))
    const refusal = tokenRefusal(
      { revokedAt: token.revoked_at, expiresAt: token.expires_at, uses: token.uses, maxUses: token.max_uses },
      this.#at,
    )
    if (refusal) return refuse(refusal.code, refusal.message)
    if (known) return this.#readmit(known, { ...token, account })
    const existing = await this.#tx
      .selectFrom('instances')
      .selectAll()
      .where('account_id', '=', account.id)
      .where('pid', '=', pid)
      .where('serial', '=', serial)
      .where('status', '=', 'active')
      .executeTakeFirst()
    if (existing && !body.force) {
      return refuse(
        'INSTANCE_ALREADY_REGISTERED',
        `${account.domain} has a product instance ${pid}:${serial} already.`,
      )
    }
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
    const row = certificate === undefined ? undefined : await this.#instanceOf(certificate)
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

  async #replace(existing: InstanceRow, account: Account, proven: boolean): Promise<void> {
    await endInstance(this.#tx, existing, 'replaced', this.#at)
    await logEvent(this.#tx, {
      at: this.#at,
      type: proven ? 'INSTANCE_REPLACED' : 'INSTANCE_REPLACED_WITHOUT_PROOF',
      severity: proven ? 'info' : 'major',
      accountId: account.id,
      virtualAccount: await this.#nameOf(existing),
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
    }
    await this.#tx.insertInto('instances').values(row).execute()
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

  async #nameOf(row: Pick<InstanceRow, 'virtual_account_id'>): Promise<string> {
    const { name } = await this.#tx
      .selectFrom('virtual_accounts')
      .select('name')
      .where('id', '=', row.virtual_account_id)
      .executeTakeFirstOrThrow()
    return name
  }

  // Requests of a registered box

  async #instanceRequest(sealed: Sealed, request: InstanceRequest, digest: string): Promise<Decided> {
    if (request.audience !== this.#credentials.identity.id)
      throw malformed('it is addressed to another authority')
    const [certificate] = sealedCertificates(sealed, 'sla-request+jws') ?? []
    if (certificate === undefined) throw malformed('it does not say whose it is')
    const found = await this.#instanceOf(certificate)
    const key = found?.key ?? this.#ownCertificate(certificate, request.instanceId)
    // Nobody on the way may cause a final refusal: what does not verify gets no signed answer (trust §4).
    if (!key || !(await sealedBy(sealed, 'sla-request+jws', key))) throw badSignature()
    const decided = (decision: Decision): Decided => ({ request, audience: request.instanceId, decision })
    if (!found) return decided(refuse('INSTANCE_UNKNOWN', 'This authority knows no such product instance.'))
    const { instance } = found
    if (instance.id !== request.instanceId) throw malformed('its certificate is of another instance')
    // Only an end that the box itself asked for is told again as it was.
    const toldAgain = instance.status === 'deregistered' && repeats(instance, request, digest)
    if (instance.status !== 'active' && !toldAgain) return decided(refuse(...endedRefusal(instance.status)))
    if (this.#at >= Date.parse(found.validTo)) return decided(refuse(...endedRefusal('expired')))
    return decided(await this.#inSequence(instance, request, digest, found.pending))
  }

  /** The instance whose current, or newly issued, certificate this is: a chain alone permits nothing (trust §1). */
  async #instanceOf(
    pem: string,
  ): Promise<{ instance: InstanceRow; key: KeyObject; pending: boolean; validTo: string } | undefined> {
    let certificate: X509Certificate
    try {
      certificate = new X509Certificate(pem)
    } catch {
      return undefined
    }
    const print = thumbprint(certificate)
    const instance = await this.#tx
      .selectFrom('instances')
      .selectAll()
      .where((or) => or.or([or('thumbprint', '=', print), or('next_thumbprint', '=', print)]))
      .executeTakeFirst()
    if (!instance) return undefined
    const { publicKey: key, validTo } = certificate
    return { instance, key, pending: instance.thumbprint !== print, validTo }
  }

  /** The key of an identity certificate this authority issued to an instance it has no row of any more. */
  #ownCertificate(pem: string, instanceId: string): KeyObject | undefined {
    try {
      const { subCa, root, id } = this.#credentials.identity
      const checked = checkChain([pem, subCa], { role: 'instance', at: this.#at, roots: readRoots(root) })
      return checked.authorityId === id && checked.name === instanceId
        ? checked.certificate.publicKey
        : undefined
    } catch {
      return undefined
    }
  }

  /** One request, one decision (trust §2). */
  async #inSequence(
    instance: InstanceRow,
    request: InstanceRequest,
    digest: string,
    pending: boolean,
  ): Promise<Decision> {
    if (repeats(instance, request, digest)) return JSON.parse(instance.decision ?? 'null') as Decision
    if (request.sequence < instance.sequence) {
      // A message that was late, or a copy of the box that has fallen behind: nobody can tell, so it is said.
      await this.#alert(instance, 'INSTANCE_SUPERSEDED', 'minor', 'asked what is older than its last request')
      return refuse(
        'SEQUENCE_SUPERSEDED',
        `Request ${request.sequence} is older than ${instance.sequence}, which was answered.`,
      )
    }
    const heard = request.lastAnswer === instance.last_answer || request.lastAnswer === instance.answer_before
    if (request.sequence === instance.sequence || !heard) return this.#diverged(instance)
    if (pending) await this.#adopt(instance)
    const decision = await this.#carryOut(instance, request)
    await this.#tx
      .updateTable('instances')
      .set({
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
      virtualAccount: await this.#nameOf(instance),
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
        return this.#authorize(instance, request.body)
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

  async #authorize(
    instance: InstanceRow,
    body: { entitlements: { tag: string; count: number }[]; version: string },
  ): Promise<Decision> {
    const owner = { id: instance.id, virtualAccountId: instance.virtual_account_id }
    const isKnown = (wanted: string) => conferencing.tags.some(({ tag }) => tag === wanted)
    const demand = body.entitlements.filter(({ tag }) => isKnown(tag))
    await setDemand(this.#tx, owner, demand, this.#at)
    if (body.version !== '' && body.version !== instance.version) {
      await this.#tx
        .updateTable('instances')
        .set({ version: body.version })
        .where('id', '=', instance.id)
        .execute()
    }
    const entitlements = []
    for (const { tag, count } of body.entitlements) {
      const known = conferencing.tags.find((one) => one.tag === tag)
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
      deadlineAt: iso(this.#at - BACKDATED + AUTHORIZATION_LIFE),
      nextContactAt: null,
      ...(await this.#membership(instance)),
    }
  }

  async #renew(instance: InstanceRow, certificateRequest: string): Promise<Decision> {
    const key = await readRequest(certificateRequest)
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
    return { smartAccount: domain, virtualAccount: await this.#nameOf(instance) }
  }

  async #log(instance: InstanceRow, type: string, message: string): Promise<void> {
    await logEvent(this.#tx, {
      at: this.#at,
      type,
      accountId: instance.account_id,
      virtualAccount: await this.#nameOf(instance),
      instanceId: instance.id,
      message,
    })
  }
}

const badSignature = () =>
  new LicensingError('REQUEST_SIGNATURE_INVALID', 'The signature of the request does not fit it.')

const spkiOf = (key: KeyObject): string =>
  createPublicKey(key.export({ type: 'spki', format: 'pem' }))
    .export({ type: 'spki', format: 'der' })
    .toString('base64')

/** The last request once more: its answer was lost on the way. */
const repeats = (instance: InstanceRow, request: InstanceRequest, digest: string): boolean =>
  instance.decision !== null && request.sequence === instance.sequence && digest === instance.request_digest
