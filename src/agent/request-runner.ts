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

/** A decision on a request that is no older than this is one on what is in use now. */
const MAX_DECISION_AGE_MS = 5 * MINUTE

/** The end of one request, and what goes to disk with it. */
interface StoredResult extends RequestResult {
  readonly hook: TransactionHook
}

/** How an attempt ended, for its caller. */
export interface RequestOutcome {
  readonly kind: RequestKind
  readonly failure: LicensingError | null
}

interface RequestEvents {
  settled: [RequestOutcome]
  stopped: []
}

/**
 * Sends the requests that the machine stored, one at a time, in the order they were decided. A request is on disk until its outcome
 * is: after a crash it is sent again, as the same message.
 */
export class RequestRunner {
  readonly events = new EventEmitter<RequestEvents>()
  readonly #store: AgentStore
  readonly #runner: MachineRunner
  readonly #clock: LicenseClock
  readonly #transport: TransportManager
  /** The number of roots that an answer brought, and that were not announced yet. */
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
   * Sends the stored requests until none is left. A request that is stored before this call is sent before the promise resolves, even
   * when another call began the work.
   */
  run(): Promise<void> {
    // The work begins in a microtask, so that it never ends before it is remembered.
    this.#running ??= Promise.resolve().then(() => this.#drain())
    return this.#running
  }

  /** Begins no further request. The transport ends the one under way. */
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
      // Cleared in the same turn as the last look at the store: nobody can join work that has ended.
      this.#running = null
    }
  }

  async #execute(command: PendingCommand): Promise<void> {
    let result: StoredResult | null
    const { generation } = this.#transport
    try {
      result = await this.#request(command.kind)
    } catch (error) {
      // What failed over a transport that is not in force any more is asked over the one that is.
      if (this.#transport.generation !== generation || this.#closed) return
      // A request that is not stored any more has no outcome: the registration ended meanwhile, or was given up.
      if (!this.#store.listCommands.list().some(({ kind }) => kind === command.kind)) return
      result = { ...toUnreachable(command.kind, toLicensingError(error)), hook: () => undefined }
    }
    if (this.#closed) return
    // Without an outcome there was nothing left to ask for: the registration ended meanwhile.
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
    // What was sent and perhaps not received is settled first: a sequence has no holes (trust §2). Ending the
    // registration does not wait for it.
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
    // The registration may have ended while the answer was on its way: then nothing is announced.
    if (this.#store.read('identity', identitySchema) === null) return null
    const result = await this.#handleAnswer(outstanding, identity, answer)
    if (again === null || this.#closed) return result
    if (outstanding.kind === kind) {
      // A decision on what was in use when it was first asked may be months old: it is noted, and asked anew.
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

  /** Creates a message, on disk before it is sent. */
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

  /** What is in use now, as an authorization asks for it. */
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
    // The attempt may have been given up while the answer was on its way: then nobody waits for it, and nothing is kept of it.
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
        // The time that passed may have ended the registration in this very step.
        if (store.read('identity', identitySchema)?.instanceId !== result.identity.instanceId) return
        recordSignedVersion(store, answer)
        store.write('identity', result.identity)
        store.remove('outstanding')
      },
    }
  }

  /** The answer's time is the time of the device from here on (trust §3), and its roots the device's roots (trust §10). */
  #applyAnswer(answer: VerifiedAnswer): void {
    this.#clock.setAuthorityTime(answer.now)
    if (answer.anchors === null) return
    writeAnchors(this.#store, answer.anchors)
    this.#newRootVersion = answer.anchors.number
  }

  #announceNewRoots(): void {
    const version = this.#newRootVersion
    this.#newRootVersion = null
    // What was not kept is not announced: it comes again with the next answer.
    if (version !== null && readAnchors(this.#store)?.number === version)
      this.#runner.recordNotice('TRUST_CHANGED', `bundle ${version}`)
  }
}
