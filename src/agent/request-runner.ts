import { type ProfileId, toProfileId } from '../core/profile.ts'
import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import type { RequestKind } from '../../machines/index.ts'
import { toLicensingError, type LicensingError } from '../core/errors.ts'
import { toIsoString, MINUTE } from '../core/time.ts'
import type { RegisterAccepted } from '../protocol/messages.ts'
import { getTrustedRoots } from '../pki/root-rotation.ts'
import type { VerifiedAnswer } from './answer-verification.ts'
import type { LicenseClock } from './license-clock.ts'
import type { MachineRunner, TransactionHook } from './machine-runner.ts'
import type { PendingCommand } from './pending-commands.ts'
import {
  type Identity,
  identitySchema,
  type PendingRequest,
  pendingRequestSchema,
  productSchema,
  pendingRegistrationSchema,
} from './persisted-state.ts'
import type { AuthorityConnection } from './protocol-client.ts'
import { type RequestResult, toRefusal, toUnreachable } from './request-failures.ts'
import type { AgentCore } from './agent-core.ts'
import { recordAuthorityProfile } from './authority-profile.ts'
import { readLastAnswer, recordLastAnswer } from './last-answer.ts'
import { recordSignedVersion } from './signed-version.ts'
import type { AgentStore } from './store.ts'
import type { TransportManager } from './transport-manager.ts'
import { readAnchors, requireAnchors, writeAnchors } from './trust-store.ts'

/** Maximum age of a repeated authorization request whose decision still counts as current. */
const MAX_DECISION_AGE_MS = 5 * MINUTE

/** Parts of an agent that its requests need. */
type RequestCore = Pick<AgentCore, 'store' | 'runner' | 'clock' | 'profile'>

/** Outcome of a request, with a hook that stores the outcome. */
interface StoredResult extends RequestResult {
  readonly hook: TransactionHook
}

/** Outcome of an attempt, for the caller that waits for the outcome. */
export interface RequestOutcome {
  readonly kind: RequestKind
  readonly failure: LicensingError | null
}

interface RequestEvents {
  settled: [RequestOutcome]
  stopped: []
}

/**
 * Sends the stored requests of the machine, one at a time and in order. A request stays on disk until its outcome is
 * stored. After a crash the same message is sent again.
 */
export class RequestRunner {
  readonly events = new EventEmitter<RequestEvents>()
  readonly #store: AgentStore
  readonly #runner: MachineRunner
  readonly #clock: LicenseClock
  readonly #profile: ProfileId
  readonly #transport: TransportManager
  /** Root version that an answer contained and that is not announced yet. */
  #newRootVersion: number | null = null
  /** Difference between the profiles of device and authority that an answer showed and that is not announced yet. */
  #profileDifference: string | null = null
  /** Last synchronization of the satellite that gave the last answer. Null from a manager. */
  #synchronizedAt: string | null = null
  #running: Promise<void> | null = null
  #closed = false

  constructor({ store, runner, clock, profile }: RequestCore, transport: TransportManager) {
    this.#store = store
    this.#runner = runner
    this.#clock = clock
    this.#profile = toProfileId(profile)
    this.#transport = transport
    this.events.setMaxListeners(0)
  }

  /**
   * Sends the stored requests until none is left. A request stored before this call is sent before the promise resolves,
   * even if another call started the run.
   */
  run(): Promise<void> {
    // Start in a microtask, so that `#running` is set before the run can end.
    this.#running ??= Promise.resolve().then(() => this.#drain())
    return this.#running
  }

  /** Starts no further request. The caller aborts the request in progress, with `TransportManager.abort`. */
  stop(): void {
    this.#closed = true
    this.events.emit('stopped')
  }

  async #drain(): Promise<void> {
    try {
      for (;;) {
        const [command] = this.#closed ? [] : this.#store.commands.list()
        if (!command) return
        await this.#execute(command)
      }
    } finally {
      // Cleared in the same turn as the last read of the store, so that no caller can join a finished run.
      this.#running = null
    }
  }

  async #execute(command: PendingCommand): Promise<void> {
    let result: StoredResult | null
    this.#synchronizedAt = null
    const { generation } = this.#transport
    try {
      result = await this.#request(command.kind)
    } catch (error) {
      // Ignore a failure over a replaced transport. The request is sent again over the current one.
      if (this.#transport.generation !== generation || this.#closed) return
      // A request that is no longer stored has no outcome. Its registration ended or was canceled in the meantime.
      if (!this.#store.commands.list().some(({ kind }) => kind === command.kind)) return
      result = { ...toUnreachable(command.kind, toLicensingError(error)), hook: () => undefined }
    }
    if (this.#closed) return
    // A null result means that the registration ended meanwhile, so the request is obsolete.
    if (result === null)
      this.#store.commit(() => {
        this.#store.commands.remove(command.id)
      })
    else {
      const { event, hook, failure } = result
      this.#runner.step(event, (store) => {
        store.commands.remove(command.id)
        hook(store)
        this.#recordExchange(command.kind, event, failure)
      })
    }
    this.#announceNewRoots()
    this.#announceProfileDifference()
    this.events.emit('settled', { kind: command.kind, failure: result?.failure ?? null })
  }

  /** Stores the exchange with its outcome, in the same transaction. */
  #recordExchange(kind: RequestKind, event: StoredResult['event'], failure: LicensingError | null): void {
    const exchange = this.#transport.recorder.take()
    const settings = this.#transport.readSettings()
    if (exchange === null || settings === null) return
    const identity = this.#store.read('identity', identitySchema)
    const at = this.#clock.now()
    const outcome = event(at).type.split('.')[1]
    this.#store.exchanges.add({
      at,
      kind,
      duration: Math.round(exchange.duration * 10) / 10,
      outcome: outcome === 'accepted' || outcome === 'refused' ? outcome : 'unreachable',
      failure: failure && { code: failure.code, message: failure.message, remedy: failure.remedy },
      route: {
        proxy: settings.kind === 'proxy' ? new URL(settings.via).host : null,
        server: new URL(settings.url).host,
        role: identity?.authority.role ?? null,
        synchronizedAt: this.#synchronizedAt,
      },
      steps: exchange.steps,
    })
  }

  async #request(kind: RequestKind): Promise<StoredResult | null> {
    if (kind === 'register') return this.#register()
    const identity = this.#store.read('identity', identitySchema)
    if (!identity) return null
    const { sendPendingRequest } = await import('./protocol-client.ts')
    const connection = await this.#connect()
    // Repeat an unanswered request first, because sequence numbers have no gaps. A deregistration does not wait.
    const unanswered = this.#store.read('outstanding', pendingRequestSchema)
    const repeated =
      unanswered && (kind !== 'deregister' || unanswered.kind === 'deregister') ? unanswered : null
    const request = repeated ?? (await this.#createMessage(kind, identity, unanswered))
    const keys = {
      identity: this.#store.secrets.get(identity.key),
      requested: request.key === null ? null : this.#store.secrets.get(request.key),
    }
    const answer = await sendPendingRequest(connection, request, {
      identity,
      keys,
      earliestNow: this.#clock.earliestNow(),
      lastSignedAnswer: readLastAnswer(this.#store),
    })
    // The registration may have ended while the request was in progress. Then the answer is ignored.
    if (this.#store.read('identity', identitySchema) === null) return null
    const result = await this.#handleAnswer(request, identity, answer)
    if (repeated === null || this.#closed) return result
    if (request.kind === kind) {
      // The decision may concern the usage of months ago. Store the decision, and request a new authorization.
      const isRecent = this.#clock.now() - request.madeAt < MAX_DECISION_AGE_MS
      const isCurrent = isRecent && isDeepStrictEqual(request.body, this.#createAuthorizationBody())
      if (kind !== 'authorize' || result.failure !== null || isCurrent) return result
      this.#store.commit(() => {
        result.hook(this.#store)
      })
    } else {
      this.#runner.step(result.event, result.hook)
      this.events.emit('settled', { kind: request.kind, failure: result.failure })
    }
    return this.#request(kind)
  }

  /** Creates a message and stores it before it is sent. */
  async #createMessage(
    kind: PendingRequest['kind'],
    identity: Identity,
    skipped: PendingRequest | null,
  ): Promise<PendingRequest> {
    const { body, key } = await this.#createBody(kind, identity)
    const request: PendingRequest = {
      kind,
      messageId: randomUUID(),
      sequence: (skipped?.sequence ?? identity.sequence) + 1,
      body,
      key,
      madeAt: this.#clock.now(),
      trustBundle: readAnchors(this.#store)?.number ?? 0,
    }
    this.#store.commit(() => {
      this.#store.write('outstanding', request)
    })
    return request
  }

  /** Creates the body of an authorization request from the current usage. */
  #createAuthorizationBody(): Record<string, unknown> {
    const { usage, authorization } = this.#runner.snapshot.context
    const entitlements = Object.entries(usage.counts)
      .filter(([, count]) => count > 0)
      .map(([tag, count]) => ({ tag, count }))
    const product = this.#store.read('product', productSchema)
    const udi = product && { pid: product.pid, serial: product.serial }
    const deadlineAt = toIsoString(authorization.deadlineAt)
    return {
      entitlements,
      version: product?.version ?? '',
      deadlineAt,
      profile: this.#profile,
      ...(udi && { udi }),
    }
  }

  async #createBody(
    kind: PendingRequest['kind'],
    identity: Identity,
  ): Promise<{ body: Record<string, unknown>; key: string | null }> {
    switch (kind) {
      case 'authorize':
        return { body: this.#createAuthorizationBody(), key: null }
      case 'renew': {
        const { createCsr, generateKey } = await import('../pki/certificate-generation.ts')
        const key = `${randomUUID()}.key`
        const pem = await generateKey()
        const certificateRequest = await createCsr(pem, identity.instanceId)
        this.#store.secrets.put(key, pem)
        return { body: { certificateRequest }, key }
      }
      case 'acknowledge': {
        const { getLeafThumbprint } = await import('./protocol-client.ts')
        return { body: { thumbprint: getLeafThumbprint(identity.certificates) }, key: null }
      }
      case 'deregister':
        return { body: {}, key: null }
    }
  }

  async #connect(): Promise<AuthorityConnection> {
    const transport = await this.#transport.connect()
    const anchors = requireAnchors(this.#store)
    return { transport, anchors, roots: getTrustedRoots(anchors, this.#clock.now()) }
  }

  async #register(): Promise<StoredResult | null> {
    const registering = this.#store.read('registering', pendingRegistrationSchema)
    const product = this.#store.read('product', productSchema)
    if (!registering || !product) return null
    const { sendRegistration } = await import('./protocol-client.ts')
    const identity = this.#store.read('identity', identitySchema)
    const answer = await sendRegistration(
      await this.#connect(),
      registering,
      {
        token: this.#store.secrets.get(registering.token),
        key: this.#store.secrets.get(registering.key),
        oldKey: identity && this.#store.secrets.get(identity.key),
      },
      { product, identity, messageId: randomUUID(), earliestNow: this.#clock.earliestNow() },
    )
    const { toRegistrationResult } = await import('./request-results.ts')
    // The attempt may have been canceled while the request was in progress. Then the answer is ignored.
    if (this.#store.read('registering', pendingRegistrationSchema)?.key !== registering.key) return null
    const { decision } = answer
    if (decision.outcome === 'refused')
      return {
        ...toRefusal('register', decision),
        hook: () => {
          this.#applyAnswer(answer)
        },
      }
    const result = toRegistrationResult(answer, decision as RegisterAccepted, registering)
    return {
      ...result,
      hook: (store) => {
        this.#applyAnswer(answer)
        recordLastAnswer(store, answer)
        store.write('identity', result.identity)
        store.remove('outstanding')
      },
    }
  }

  async #handleAnswer(
    request: PendingRequest,
    identity: Identity,
    answer: VerifiedAnswer,
  ): Promise<StoredResult> {
    const { toRequestResult } = await import('./request-results.ts')
    const result = toRequestResult(request, identity, answer)
    return {
      ...result,
      hook: (store) => {
        this.#applyAnswer(answer)
        // The tick in this transaction may have ended the registration.
        if (store.read('identity', identitySchema)?.instanceId !== result.identity.instanceId) return
        recordLastAnswer(store, answer)
        recordSignedVersion(store, answer)
        this.#profileDifference = recordAuthorityProfile(store, this.#profile, answer)
        store.write('identity', result.identity)
        store.remove('outstanding')
      },
    }
  }

  /** Applies the time and the root rotation of a verified answer. */
  #applyAnswer(answer: VerifiedAnswer): void {
    this.#clock.setAuthorityTime(answer.now)
    this.#synchronizedAt = answer.synchronizedAt ?? null
    if (answer.anchors === null) return
    writeAnchors(this.#store, answer.anchors)
    this.#newRootVersion = answer.anchors.number
  }

  #announceNewRoots(): void {
    const version = this.#newRootVersion
    this.#newRootVersion = null
    // Announce only a root version that was committed. The next answer contains a rolled-back version again.
    if (version !== null && readAnchors(this.#store)?.number === version)
      this.#runner.recordNotice('TRUST_CHANGED', `root version ${version}`)
  }

  #announceProfileDifference(): void {
    const difference = this.#profileDifference
    this.#profileDifference = null
    if (difference !== null) this.#runner.recordNotice('PROFILE_DIFFERS', difference)
  }
}
