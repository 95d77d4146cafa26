import { type Instant, toIsoString } from '../../core/time.ts'
import { type ProductProfile, toProfileId } from '../../core/profile.ts'
import { hashAnswer } from '../../protocol/digest.ts'
import type { Decision, InstanceRequest } from '../../protocol/messages.ts'
import { parseCsr } from '../../pki/certificate-request.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { IssuingLimits } from '../satellite-sync/issuing-limits.ts'
import { deactivateInstance, type InstanceRow, NO_RENEWAL } from '../inventory/instances.ts'
import { Registration } from './registration.ts'
import { identifyDevice, isPlaceholder, recoverInstance } from './restore-review.ts'
import { checkIssuedCertificate, checkSignedAnswer } from './reverted-database.ts'
import {
  createSignatureError,
  type DecidedRequest,
  getInactiveInstanceRefusal,
  createMalformedError,
  createRefusal,
  type SignedRequest,
} from './requests.ts'
import { AUTHORIZATION_LIFETIME, BACKDATE_MS, jitterContactDelay } from '../policy.ts'
import type { WorkingSet } from './working-set.ts'

/** Data that the exchanges of one transaction share. */
export interface ExchangeContext {
  readonly set: WorkingSet
  readonly credentials: Credentials
  readonly profile: ProductProfile
  readonly limits: IssuingLimits
  /** True if devices are asked to spread their next contacts. */
  readonly isUnderLoad: boolean
  readonly at: Instant
}

type AuthorizeBody = (InstanceRequest & { type: 'authorize' })['body']

type SignedInstanceRequest = Extract<SignedRequest, { digest: string }>

export function decideRequest(context: ExchangeContext, signed: SignedRequest): Promise<DecidedRequest> {
  return 'key' in signed
    ? new Registration(context.set, context.credentials, context.limits).decide(signed)
    : handleInstanceRequest(context, signed)
}

/** Decides a request of a registered device. */
async function handleInstanceRequest(
  context: ExchangeContext,
  signed: SignedInstanceRequest,
): Promise<DecidedRequest> {
  const { request, digest } = signed
  if (request.audience !== context.credentials.keyRing.identity.id)
    throw createMalformedError('it is addressed to another authority')
  const instance =
    (await context.set.instances.find(signed.thumbprint)) ?? (await recoverLostInstance(context, signed))
  // A request signed under a certificate of another issuer gets no signed answer, so that no third party can cause a
  // refusal.
  if (!instance && !isIssuedHere(context, signed)) throw createSignatureError()
  const decided = (decision: Decision): DecidedRequest => ({
    request,
    audience: request.instanceId,
    decision,
  })
  // The instance may exist although its row is missing. Without an answer the device retries.
  if (!instance && context.limits.suspended) throw context.limits.suspended
  if (!instance)
    return decided(createRefusal('INSTANCE_UNKNOWN', 'The product instance is not known to this authority.'))
  if (instance.id !== request.instanceId)
    throw createMalformedError('its certificate belongs to another instance')
  // Only a repeated deregistration gets its earlier answer again.
  const isRepeatedDeregistration = instance.status === 'deregistered' && isReplay(instance, request, digest)
  if (instance.status !== 'active' && !isRepeatedDeregistration)
    return decided(createRefusal(...getInactiveInstanceRefusal(instance.status)))
  if (context.at >= signed.notAfter) return decided(createRefusal(...getInactiveInstanceRefusal('expired')))
  const usesNextCertificate = instance.thumbprint !== signed.thumbprint
  return decided(await handleInSequence(context, instance, request, digest, usesNextCertificate))
}

/**
 * Returns true if this authority issued the certificate to the instance, even if the database has no row of the
 * instance.
 */
function isIssuedHere(context: ExchangeContext, { pem, request }: SignedInstanceRequest): boolean {
  return (
    context.credentials.instanceCertificates.findIssued(pem, request.instanceId, context.at) !== undefined
  )
}

/**
 * Recovers the instance of a certificate that this authority issued, if a restore has lost the row of the
 * instance.
 */
async function recoverLostInstance(
  context: ExchangeContext,
  signed: SignedInstanceRequest,
): Promise<InstanceRow | undefined> {
  if (!isIssuedHere(context, signed)) return undefined
  const { credentials, at } = context
  const tx = await context.set.settle()
  const { instanceId } = signed.request
  if (await recoverInstance({ tx, credentials, at }, signed.pem, instanceId))
    return context.set.instances.find(signed.thumbprint)
  if (credentials.keyRing.identity.role === 'manager') {
    const row = await tx.selectFrom('instances').selectAll().where('id', '=', instanceId).executeTakeFirst()
    checkIssuedCertificate(credentials, row, signed.pem)
  }
  return undefined
}

/** Decides a request at most once. A repeated request gets the stored decision. */
async function handleInSequence(
  context: ExchangeContext,
  instance: InstanceRow,
  request: InstanceRequest,
  digest: string,
  usesNextCertificate: boolean,
): Promise<Decision> {
  if (isReplay(instance, request, digest)) return JSON.parse(instance.decision ?? 'null') as Decision
  const { epoch } = context.credentials.keyRing.identity
  // After a restore, the device may be ahead of this authority. Its first request is accepted.
  const isAhead = instance.epoch < epoch && request.sequence >= instance.sequence
  const knowsLastAnswer =
    request.lastAnswer === instance.last_answer || request.lastAnswer === instance.previous_answer
  const continues = request.sequence > instance.sequence && knowsLastAnswer
  if (!isAhead && !continues) await checkProof(context, instance, request)
  if (request.sequence < instance.sequence) {
    // The request was delayed, or a copy of the device has fallen behind. Both look the same, so the event is logged.
    await logSuspectedClone(
      context,
      instance,
      'INSTANCE_SUPERSEDED',
      'minor',
      'sent a request older than its last one',
    )
    return createRefusal(
      'SEQUENCE_SUPERSEDED',
      `Request ${request.sequence} is older than request ${instance.sequence}, which was answered.`,
    )
  }
  if (!isAhead && !continues) return refuseDiverged(context, instance)
  if (usesNextCertificate) await activateCertificate(context, instance)
  const decision = await executeRequest(context, instance, request)
  context.set.instances.recordAnswer(instance, {
    epoch,
    sequence: request.sequence,
    request_digest: digest,
    message_id: request.messageId,
    decision: JSON.stringify(decision),
    last_answer: hashAnswer(request.messageId, decision),
    previous_answer: instance.last_answer,
    last_contact_at: context.at,
  })
  return decision
}

/** Checks the proof of a device whose request does not continue its history. @throws RevertedDatabaseError */
async function checkProof(
  { credentials }: ExchangeContext,
  instance: InstanceRow,
  { lastSignedAnswer }: InstanceRequest,
): Promise<void> {
  if (lastSignedAnswer !== undefined && credentials.keyRing.identity.role === 'manager')
    await checkSignedAnswer(credentials, instance, lastSignedAnswer)
}

async function refuseDiverged(context: ExchangeContext, instance: InstanceRow): Promise<Decision> {
  await logSuspectedClone(
    context,
    instance,
    'INSTANCE_DIVERGED',
    'major',
    'sent a request that does not continue its history',
  )
  return createRefusal(
    'INSTANCE_DIVERGED',
    'The request does not continue the history of this product instance.',
  )
}

async function logSuspectedClone(
  context: ExchangeContext,
  instance: InstanceRow,
  type: string,
  severity: 'minor' | 'major',
  observation: string,
): Promise<void> {
  context.set.log({
    at: context.at,
    type,
    severity,
    accountId: instance.account_id,
    virtualAccount: await context.set.accounts.getVirtualAccountName(instance.virtual_account_id),
    instanceId: instance.id,
    message: `${instance.pid}:${instance.serial} ${observation}. The device may have been cloned or restored from a copy.`,
  })
}

/** Replaces the certificate of an instance by the renewed one, because the device has used the renewed one. */
async function activateCertificate(context: ExchangeContext, instance: InstanceRow): Promise<void> {
  if (
    instance.next_thumbprint === null ||
    instance.next_public_key === null ||
    instance.next_certificates === null
  )
    return
  const tx = await context.set.settle()
  await tx
    .updateTable('instances')
    .set({
      thumbprint: instance.next_thumbprint,
      public_key: instance.next_public_key,
      certificates: instance.next_certificates,
      ...NO_RENEWAL,
    })
    .where('id', '=', instance.id)
    .execute()
}

async function executeRequest(
  context: ExchangeContext,
  instance: InstanceRow,
  request: InstanceRequest,
): Promise<Decision> {
  switch (request.type) {
    case 'authorize':
      return identifyAndAuthorize(context, instance, request.body)
    case 'renew':
      return renew(context, instance, request.body.certificateRequest)
    case 'acknowledge':
      return { outcome: 'accepted' }
    case 'deregister':
      await deactivateInstance(await context.set.settle(), instance, 'deregistered', context.at)
      await logInstanceEvent(
        context,
        instance,
        'INSTANCE_DEREGISTERED',
        `${instance.pid}:${instance.serial} deregistered.`,
      )
      return { outcome: 'accepted' }
  }
}

/** Records the product and serial number of an instance that a restore has recovered, then authorizes it. */
async function identifyAndAuthorize(
  context: ExchangeContext,
  instance: InstanceRow,
  body: AuthorizeBody,
): Promise<Decision> {
  if (!isPlaceholder(instance)) return authorize(context, instance, body)
  const { credentials, at } = context
  const tx = await context.set.settle()
  const row = await identifyDevice({ tx, credentials, at }, instance, body.udi)
  return row.status === 'active'
    ? authorize(context, row, body)
    : createRefusal(...getInactiveInstanceRefusal(row.status))
}

async function authorize(
  context: ExchangeContext,
  instance: InstanceRow,
  body: AuthorizeBody,
): Promise<Decision> {
  const isKnown = (name: string) => context.profile.tags.some(({ tag }) => tag === name)
  const usage = body.entitlements.filter(({ tag }) => isKnown(tag))
  await context.set.pools.setUsage(instance, usage)
  if (body.version !== '' && body.version !== instance.version)
    context.set.instances.recordVersion(instance, body.version)
  if (
    body.profile !== undefined &&
    (body.profile.name !== instance.profile_name || body.profile.version !== instance.profile_version)
  )
    context.set.instances.recordProfile(instance, body.profile)
  // The usage is recorded even if the authorization is refused.
  if (context.limits.refusal)
    return createRefusal(context.limits.refusal.code, context.limits.refusal.message)
  const entitlements = []
  for (const { tag, count } of body.entitlements) {
    const known = context.profile.tags.find((profileTag) => profileTag.tag === tag)
    const pool = await context.set.pools.read(instance.virtual_account_id, tag)
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
  const softwareVersion = await context.set.accounts.getSoftwareVersion(instance)
  const isCovered = entitlements.every(({ count, status }) => count === 0 || status === 'in-compliance')
  return {
    outcome: 'accepted',
    entitlements,
    compliance: isCovered ? 'in-compliance' : 'out-of-compliance',
    deadlineAt: toIsoString(
      Math.min(context.at - BACKDATE_MS + AUTHORIZATION_LIFETIME, context.limits.notAfter),
    ),
    nextContactAt:
      isCovered && context.isUnderLoad ? toIsoString(context.at + jitterContactDelay(Math.random())) : null,
    ...(softwareVersion !== null && { softwareVersion }),
    profile: toProfileId(context.profile),
    ...(await context.set.accounts.getAccountNames(instance)),
  }
}

async function renew(
  context: ExchangeContext,
  instance: InstanceRow,
  certificateRequest: string,
): Promise<Decision> {
  const key = parseCsr(certificateRequest)
  if (!key)
    return createRefusal(
      'CERTIFICATE_REQUEST_INVALID',
      'The certificate request is not for a P-256 key, or that key has not signed it.',
    )
  const accountNames = await context.set.accounts.getAccountNames(instance)
  const issued = await context.credentials.instanceCertificates.issue(
    key,
    instance.id,
    accountNames.smartAccount,
    context.at,
  )
  const tx = await context.set.settle()
  await tx
    .updateTable('instances')
    .set({
      next_thumbprint: issued.thumbprint,
      expires_at: issued.expiresAt,
      next_public_key: key.spki.toString('base64'),
      next_certificates: JSON.stringify(issued.certificates),
    })
    .where('id', '=', instance.id)
    .execute()
  await logInstanceEvent(
    context,
    instance,
    'INSTANCE_RENEWED',
    `${instance.pid}:${instance.serial} renewed its registration.`,
  )
  return { outcome: 'accepted', certificates: issued.certificates, ...accountNames }
}

async function logInstanceEvent(
  context: ExchangeContext,
  instance: InstanceRow,
  type: string,
  message: string,
): Promise<void> {
  context.set.log({
    at: context.at,
    type,
    accountId: instance.account_id,
    virtualAccount: await context.set.accounts.getVirtualAccountName(instance.virtual_account_id),
    instanceId: instance.id,
    message,
  })
}

/** Returns true if a request repeats the last one, because its answer was lost. */
const isReplay = (instance: InstanceRow, request: InstanceRequest, digest: string): boolean =>
  instance.decision !== null && request.sequence === instance.sequence && digest === instance.request_digest
