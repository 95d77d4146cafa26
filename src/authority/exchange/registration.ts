import { createHash, randomUUID } from 'node:crypto'
import type { Instant } from '../../core/time.ts'
import {
  type Decision,
  type Refusal,
  type RegisterRequest,
  signedMessageSchema,
} from '../../protocol/messages.ts'
import { verifyTokenMac } from '../../protocol/token.ts'
import { computeThumbprint } from '../../pki/chain-validation.ts'
import type { P256Key } from '../../pki/p256-key.ts'
import { decodePayloadUnverified, verifyMessage, getCertificateChain } from '../../pki/signed-message.ts'
import type { Account } from '../context/account-context.ts'
import type { Credentials } from '../keys/credentials.ts'
import { logEvent } from '../events/event-log.ts'
import {
  deactivateInstance,
  findByCertificate,
  type InstanceRow,
  NO_EXCHANGE,
  getVirtualAccountName,
} from '../inventory/instances.ts'
import { setInstanceUsage } from '../inventory/pools.ts'
import { replaceReported, type ConflictingInstance } from '../satellites/reported-instances.ts'
import { markInstanceChanged } from '../store/revisions.ts'
import {
  type DecidedRequest,
  getInactiveInstanceRefusal,
  createMalformedError,
  createRefusal,
  type SignedRequest,
} from './requests.ts'
import { type IssuingLimits, issuanceBlockedBy } from '../satellite-sync/issuing-limits.ts'
import { hashAccountDomain, getTokenRefusal } from '../policy.ts'
import type { RegistrationToken } from '../inventory/tokens.ts'
import type { WorkingSet } from './working-set.ts'

type SignedRegistration = Extract<SignedRequest, { key: P256Key }>

/** Decides on registration requests in the transaction of a working set. */
export class Registration {
  readonly #set: WorkingSet
  readonly #credentials: Credentials
  readonly #limits: IssuingLimits
  readonly #at: Instant

  constructor(set: WorkingSet, credentials: Credentials, limits: IssuingLimits) {
    this.#limits = limits
    this.#set = set
    this.#credentials = credentials
    this.#at = set.at
  }

  async decide(signed: SignedRegistration): Promise<DecidedRequest> {
    const { request, key, spki } = signed
    if (!this.#credentials.keyRing.roots.some((root) => request.audience === computeThumbprint(root)))
      throw createMalformedError('it is addressed to another authority')
    const decision = await this.#decideRegistration(request, key, spki)
    return {
      request,
      audience: `key:${createHash('sha256').update(Buffer.from(spki, 'base64')).digest('base64url')}`,
      decision,
    }
  }

  async #decideRegistration(request: RegisterRequest, key: P256Key, spki: string): Promise<Decision> {
    const { body } = request
    const { pid, serial } = body.udi
    const token = await this.#set.tokens.find(body.token.id)
    const claim = {
      audience: request.audience,
      nonce: request.nonce,
      certificateRequest: body.certificateRequest,
      udi: body.udi,
      force: body.force,
    }
    if (
      !token ||
      !verifyTokenMac(this.#credentials.secrets.decryptSecret(token.secret), claim, body.token.mac)
    ) {
      return this.#refuseUnknownToken(body.token.account)
    }
    const { account } = token
    const provenInstance = await this.#findProvenInstance(body.previous, body.certificateRequest)
    if (provenInstance?.status === 'active' && provenInstance.account_id !== account.id) {
      return createRefusal(
        'TOKEN_WRONG_ACCOUNT',
        'The token belongs to another smart account than this device.',
      )
    }
    if (account.agreementAt === null) {
      return createRefusal(
        'AGREEMENT_NOT_ACCEPTED',
        `The license agreement of ${account.domain} has not been accepted.`,
      )
    }
    const known = await this.#set.instances.findByKey(account.id, spki)
    // A known key means that the request is repeated: its answer was lost, or someone replays it.
    if (known && known.status !== 'active') return createRefusal(...getInactiveInstanceRefusal(known.status))
    if (known?.token_id === token.id)
      return this.#createAcceptance(
        known,
        account.domain,
        await this.#set.accounts.getVirtualAccountName(known.virtual_account_id),
      )
    const issuingRefusal = issuanceBlockedBy(this.#limits)
    if (issuingRefusal) return createRefusal(issuingRefusal.code, issuingRefusal.message)
    const refusal = getTokenRefusal(token, this.#at)
    if (refusal) return createRefusal(refusal.code, refusal.message)
    if (known) return this.#moveInstance(known, token)
    const existing = await this.#set.instances.findActive(account.id, body.udi)
    // A device without a connection may still use its reserved licenses. A new registration of the device does not
    // return them.
    if (await this.#set.instances.isReserved(account.id, body.udi))
      return createRefusal(
        'INSTANCE_RESERVED',
        `Licenses are reserved for ${pid}:${serial} in ${account.domain}.`,
      )
    const reported = await this.#set.instances.findConflict(account.id, body.udi)
    if (reported?.kind === 'reserved')
      return createRefusal(
        'INSTANCE_RESERVED',
        `Licenses are reserved for ${pid}:${serial} at the satellite ${reported.satellite}.`,
      )
    if (reported && !body.force)
      return createRefusal(
        'INSTANCE_ALREADY_REGISTERED',
        `${account.domain} already has a product instance ${pid}:${serial}, at the satellite ${reported.satellite}.`,
      )
    if (existing && !body.force) {
      return createRefusal(
        'INSTANCE_ALREADY_REGISTERED',
        `${account.domain} already has a product instance ${pid}:${serial}.`,
      )
    }
    if (reported) await this.#replaceAtSatellite(reported, account)
    if (existing) await this.#replaceInstance(existing, account, provenInstance?.id === existing.id)
    return this.#createInstance(request, key, spki, token)
  }

  /**
   * Refuses a token of an account that this authority does not serve, or an unknown token of an account that it
   * serves (R-TOK-4).
   */
  async #refuseUnknownToken(accountHash: string): Promise<Refusal> {
    const domains = await this.#set.tx.selectFrom('accounts').select('domain').execute()
    return domains.some(({ domain }) => hashAccountDomain(domain) === accountHash)
      ? createRefusal('TOKEN_UNKNOWN', 'The token is not known to this authority.')
      : createRefusal(
          'TOKEN_WRONG_ACCOUNT',
          'The token belongs to a smart account that this authority does not serve.',
        )
  }

  /**
   * Returns the instance whose key signed the registration's proof of replacement, or undefined without a valid proof.
   */
  async #findProvenInstance(
    previous: string | null,
    certificateRequest: string,
  ): Promise<InstanceRow | undefined> {
    const [head, payload, signature] = previous?.split('.') ?? []
    const signed = signedMessageSchema.safeParse({ protected: head, payload, signature })
    if (!signed.success) return undefined
    const [certificate] = getCertificateChain(signed.data, 'sla-proof+jws') ?? []
    const row =
      certificate === undefined ? undefined : await findByCertificate(await this.#set.settle(), certificate)
    if (!row || !(await verifyMessage(signed.data, 'sla-proof+jws', row.key))) return undefined
    const claim = decodePayloadUnverified(signed.data) as
      { use?: unknown; instanceId?: unknown; certificateRequest?: unknown } | undefined
    const expected = createHash('sha256').update(certificateRequest).digest('base64url')
    const isValid =
      claim?.use === 'replace' &&
      claim.instanceId === row.instance.id &&
      claim.certificateRequest === expected
    return isValid ? row.instance : undefined
  }

  /** Replaces an instance that a satellite has reported. The satellite is notified at its next exchange. */
  async #replaceAtSatellite(reported: ConflictingInstance, account: Account): Promise<void> {
    const tx = await this.#set.settle()
    const satellite = { id: reported.satelliteId, status: 'active' as const }
    await replaceReported({ tx, satellite, at: this.#at }, reported.id)
    await logEvent(tx, {
      at: this.#at,
      type: 'INSTANCE_REPLACED_WITHOUT_PROOF',
      severity: 'major',
      accountId: account.id,
      instanceId: reported.id,
      message: `${reported.pid}:${reported.serial}, registered at the satellite ${reported.satellite}, was replaced by a registration here.`,
    })
  }

  async #replaceInstance(existing: InstanceRow, account: Account, isProven: boolean): Promise<void> {
    const tx = await this.#set.settle()
    await deactivateInstance(tx, existing, 'replaced', this.#at)
    await logEvent(tx, {
      at: this.#at,
      type: isProven ? 'INSTANCE_REPLACED' : 'INSTANCE_REPLACED_WITHOUT_PROOF',
      severity: isProven ? 'info' : 'major',
      accountId: account.id,
      virtualAccount: await getVirtualAccountName(tx, existing),
      instanceId: existing.id,
      message: isProven
        ? `${existing.pid}:${existing.serial} registered again.`
        : `${existing.pid}:${existing.serial} was replaced by a device that did not prove possession of its key.`,
    })
  }

  /** Moves an instance that registers with another token to the virtual account of that token. */
  async #moveInstance(row: InstanceRow, token: RegistrationToken): Promise<Decision> {
    const assignment = {
      virtual_account_id: token.virtual_account_id,
      export_controlled: token.export_controlled,
      token_id: token.id,
    }
    const tx = await this.#set.settle()
    await setInstanceUsage(tx, { id: row.id, virtualAccountId: row.virtual_account_id }, [], this.#at)
    await tx.updateTable('instances').set(assignment).where('id', '=', row.id).execute()
    await markInstanceChanged(tx, row.id)
    this.#set.tokens.recordUse(row, token)
    return this.#createAcceptance({ ...row, ...assignment }, token.account.domain, token.virtualAccount)
  }

  async #createInstance(
    request: RegisterRequest,
    key: P256Key,
    spki: string,
    token: RegistrationToken,
  ): Promise<Decision> {
    const { pid, serial, version } = request.body.udi
    const { account } = token
    const id = randomUUID()
    const issued = await this.#credentials.instanceCertificates.issue(key, id, account.domain, this.#at)
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
      thumbprint: issued.thumbprint,
      public_key: spki,
      registered_key: spki,
      token_id: token.id,
      certificates: JSON.stringify(issued.certificates),
      ...NO_EXCHANGE,
      registered_at: this.#at,
      last_contact_at: this.#at,
      expires_at: issued.expiresAt,
      epoch: this.#credentials.keyRing.identity.epoch,
      revision: 0,
      in_review: 0,
    }
    this.#set.instances.add(row)
    this.#set.tokens.recordUse(row, token)
    return this.#createAcceptance(row, account.domain, token.virtualAccount)
  }

  #createAcceptance(row: InstanceRow, smartAccount: string, virtualAccount: string): Decision {
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
