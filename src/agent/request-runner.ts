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
import { recordSignedVersion } from './signed-version.ts'
import type { AgentStore } from './store.ts'
import type { TransportManager } from './transport-manager.ts'
import { readAnchors, requireAnchors, writeAnchors } from './trust-store.ts'

/** Maximum age of a repeated authorization request whose decision still counts as current. */
const MAX_DECISION_AGE_MS = 5 * MINUTE

/** Outcome of a request, with a hook that stores it. */
interface StoredResult extends RequestResult {
  readonly hook: TransactionHook
}

/** Outcome of an attempt, for the caller. */
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
  readonly #transport: TransportManager
  /** Root version from an answer that was not announced yet. */
  #newRootVersion: number | null = null
  #running: Promise<void> | null = null
  #closed = false

  constructor(store: AgentStore, runner: MachineRunner, clock: LicenseClock, transport: TransportManager) {
    this.#store = store
    this.#runner = runner
    this.#clock = clock
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

  /** Starts no further request. The transport aborts the one in progress. */
  stop(): void {
    this.#closed = true
    this.events.emit('stopped')
  }

  async #drain(): Promise<void> {
    try {
      for (;;) {
        const [command] = this.#closed ? [] : this.#store.listCommands.list()
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
    const { generation } = this.#transport
    try {
      result = await this.#request(command.kind)
    } catch (error) {
      // Ignore a failure over a replaced transport. The request is sent again over the current one.
      if (this.#transport.generation !== generation || this.#closed) return
      // A request that is no longer stored has no outcome: its registration ended or was canceled meanwhile.
      if (!this.#store.listCommands.list().some(({ kind }) => kind === command.kind)) return
      result = { ...toUnreachable(command.kind, toLicensingError(error)), hook: () => undefined }
    }
    if (this.#closed) return
    // A null result means that the registration ended meanwhile, so the request is obsolete.
    if (result === null)
      this.#store.commit(() => {
        this.#store.listCommands.remove(command.id)
      })
    else {
      const { event, hook } = result
      this.#runner.step(event, (store) => {
        store.listCommands.remove(command.id)
        hook(store)
      })
    }
    this.#announceNewRoots()
    this.events.emit('settled', { kind: command.kind, failure: result?.failure ?? null })
  }

  async #request(kind: RequestKind): Promise<StoredResult | null> {
    if (kind === 'register') return this.#register()
    const identity = this.#store.read('identity', identitySchema)
    if (!identity) return null
    const { sendPendingRequest } = await import('./protocol-client.ts')
    const connection = await this.#connect()
    // Settle an unanswered request first, because sequence numbers have no gaps. A deregistration does not wait.
    const left = this.#store.read('outstanding', pendingRequestSchema)
    const again = left && (kind !== 'deregister' || left.kind === 'deregister') ? left : null
    const outstanding = again ?? (await this.#createMessage(kind, identity, left))
    const keys = {
      identity: this.#store.secrets.get(identity.key),
      requested: outstanding.key === null ? null : this.#store.secrets.get(outstanding.key),
    }
    const answer = await sendPendingRequest(connection, outstanding, {
      identity,
      keys,
      earliestNow: this.#clock.earliestNow(),
    })
    // The registration may have ended while the request was in progress. Then the answer is ignored.
    if (this.#store.read('identity', identitySchema) === null) return null
    const result = await this.#handleAnswer(outstanding, identity, answer)
    if (again === null || this.#closed) return result
    if (outstanding.kind === kind) {
      // The decision may concern the usage of months ago. Store it, and request an authorization again.
      const isYoung = this.#clock.now() - outstanding.madeAt < MAX_DECISION_AGE_MS
      const isCurrent = isYoung && isDeepStrictEqual(outstanding.body, this.#createAuthorizationBody())
      if (kind !== 'authorize' || result.failure !== null || isCurrent) return result
      this.#store.commit(() => {
        result.hook(this.#store)
      })
    } else {
      this.#runner.step(result.event, result.hook)
      this.events.emit('settled', { kind: outstanding.kind, failure: result.failure })
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
    const outstanding: PendingRequest = {
      kind,
      messageId: randomUUID(),
      sequence: (skipped?.sequence ?? identity.sequence) + 1,
      body,
      key,
      madeAt: this.#clock.now(),
      trustBundle: readAnchors(this.#store)?.number ?? 0,
    }
    this.#store.commit(() => {
      this.#store.write('outstanding', outstanding)
    })
    return outstanding
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
    return { entitlements, version: product?.version ?? '', deadlineAt, ...(udi && { udi }) }
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
    const { toRegistered } = await import('./request-results.ts')
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
    const result = toRegistered(answer, decision as RegisterAccepted, registering)
    return {
      ...result,
      hook: (store) => {
        this.#applyAnswer(answer)
        store.write('identity', result.identity)
        store.remove('outstanding')
      },
    }
  }

  async #handleAnswer(
    outstanding: PendingRequest,
    identity: Identity,
    answer: VerifiedAnswer,
  ): Promise<StoredResult> {
    const { toResult } = await import('./request-results.ts')
    const result = toResult(outstanding, identity, answer)
    return {
      ...result,
      hook: (store) => {
        this.#applyAnswer(answer)
        // The tick in this transaction may have ended the registration.
        if (store.read('identity', identitySchema)?.instanceId !== result.identity.instanceId) return
        recordSignedVersion(store, answer)
        store.write('identity', result.identity)
        store.remove('outstanding')
      },
    }
  }

  /** Applies the time and the root rotation of a verified answer. */
  #applyAnswer(answer: VerifiedAnswer): void {
    this.#clock.setAuthorityTime(answer.now)
    if (answer.anchors === null) return
    writeAnchors(this.#store, answer.anchors)
    this.#newRootVersion = answer.anchors.number
  }

  #announceNewRoots(): void {
    const version = this.#newRootVersion
    this.#newRootVersion = null
    // Announce only a root version that was committed. A rolled-back one comes again with the next answer.
    if (version !== null && readAnchors(this.#store)?.number === version)
      this.#runner.recordNotice('TRUST_CHANGED', `root version ${version}`)
  }
}
