import { randomBytes, randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Event, Failure, RequestKind } from '../../machines/index.ts'
import { asLicensingError, LicensingError } from '../core/errors.ts'
import { iso, MINUTE } from '../core/time.ts'
import type { AuthorizeAccepted, RegisterAccepted, RenewAccepted } from '../protocol/messages.ts'
import type { Transport } from '../transports/transport.ts'
import type { ClockGuard } from './license-clock.ts'
import type { OpenedAnswer, Road } from './protocol-client.ts'
import {
  type Identity,
  identitySchema,
  type Outstanding,
  outstandingSchema,
  productSchema,
  registeringSchema,
} from './persisted-state.ts'
import { rootsAt } from '../pki/root-rotation.ts'
import type { AgentStore, PendingCommand } from './store.ts'
import { readAnchors, requireAnchors, writeAnchors } from './trust-store.ts'
import type { AlongWith, Stepper } from './machine-runner.ts'

/** Refusals that say the registration itself is over. */
const ENDING: readonly string[] = [
  'INSTANCE_UNKNOWN',
  'INSTANCE_REMOVED',
  'INSTANCE_REPLACED',
  'INSTANCE_EXPIRED',
]

/** A decision on a request this young is today's. */
const FRESH = 5 * MINUTE

/** The end of one request: the event for the chart, and the facts that go to disk with it. */
interface Outcome {
  readonly event: (at: number) => Event
  readonly along: AlongWith
  /** What the one who waits is told; null when the request was accepted. */
  readonly failure: LicensingError | null
}

/** How an attempt ended, for whoever waits for it. */
export interface Settled {
  readonly kind: RequestKind
  readonly failure: LicensingError | null
}

/**
 * Carries out the requests of the chart, one at a time, in the order they were decided. They are on disk
 * until their outcome is: after a crash they are made again, as the same message.
 */
export class CommandRunner {
  readonly #store: AgentStore
  readonly #stepper: Stepper
  readonly #clock: ClockGuard
  readonly #transport: () => Promise<Transport>
  readonly #roadNumber: () => number
  readonly #settled: (settled: Settled) => void
  readonly #trustChanged: (bundle: number) => void
  /** A bundle of roots that was taken, and not told of yet. */
  #adopted: number | null = null
  #running: Promise<void> | null = null
  #closed = false

  constructor(parts: {
    store: AgentStore
    stepper: Stepper
    clock: ClockGuard
    transport: () => Promise<Transport>
    /** Counts the changes of the road. */
    roadNumber: () => number
    /** The authority has replaced its root: that is on disk. */
    trustChanged: (bundle: number) => void
    settled: (settled: Settled) => void
  }) {
    this.#store = parts.store
    this.#stepper = parts.stepper
    this.#clock = parts.clock
    this.#transport = parts.transport
    this.#roadNumber = parts.roadNumber
    this.#settled = parts.settled
    this.#trustChanged = parts.trustChanged
  }

  /**
   * Carries out the stored requests until none is left. A request that is stored before this call is carried out before the
   * promise resolves, even when another call began the work.
   */
  run(): Promise<void> {
    // The work begins in a microtask, so that it never ends before it is remembered.
    this.#running ??= Promise.resolve().then(() => this.#drain())
    return this.#running
  }

  /** Begins no further request. The transport ends the one under way. */
  stop(): void {
    this.#closed = true
  }

  async #drain(): Promise<void> {
    try {
      for (;;) {
        const [command] = this.#closed ? [] : this.#store.commands()
        if (!command) return
        await this.#carryOut(command)
      }
    } finally {
      // Cleared in the same turn as the last look at the store: nobody can join work that has ended.
      this.#running = null
    }
  }

  async #carryOut(command: PendingCommand): Promise<void> {
    let outcome: Outcome | null
    const road = this.#roadNumber()
    try {
      outcome = await this.#request(command.kind)
    } catch (thrown) {
      // What failed on a road that is not in force any more is asked on the one that is.
      if (this.#roadNumber() !== road || this.#closed) return
      // What nobody waits for any more has no outcome: the registration ended meanwhile, or was given up.
      if (!this.#store.commands().some(({ kind }) => kind === command.kind)) return
      outcome = unreachable(command.kind, asLicensingError(thrown))
    }
    if (this.#closed) return
    // Without an outcome there was nothing left to ask for: the registration ended meanwhile.
    if (outcome === null)
      this.#store.commit(() => {
        this.#store.removeCommand(command.id)
      })
    else {
      const { event, along } = outcome
      this.#stepper.step(event, (store) => {
        store.removeCommand(command.id)
        along(store)
      })
    }
    this.#tellAdopted()
    this.#settled({ kind: command.kind, failure: outcome?.failure ?? null })
  }

  async #request(kind: RequestKind): Promise<Outcome | null> {
    if (kind === 'register') return this.#register()
    const identity = this.#store.read('identity', identitySchema)
    if (!identity) return null
    const { sendOutstanding } = await import('./protocol-client.ts')
    const road = await this.#road()
    // What was asked and perhaps not heard is settled first: a sequence has no holes (trust §2). Ending the
    // registration does not wait for it.
    const left = this.#store.read('outstanding', outstandingSchema)
    const again = left && (kind !== 'deregister' || left.kind === 'deregister') ? left : null
    const outstanding = again ?? (await this.#compose(kind, identity, left))
    const keys = {
      identity: this.#store.secrets.get(identity.key),
      requested: outstanding.key === null ? null : this.#store.secrets.get(outstanding.key),
    }
    const answer = await sendOutstanding(road, outstanding, identity, keys, this.#clock.ranTo())
    // The registration may have ended while the answer was on its way: then there is nothing to tell of it.
    if (this.#store.read('identity', identitySchema) === null) return null
    const outcome = await this.#conclude(outstanding, identity, answer)
    if (again === null || this.#closed) return outcome
    if (outstanding.kind === kind) {
      // A decision on what was in use when it was first asked may be months old: it is noted, and asked anew.
      const young = this.#clock.now() - outstanding.madeAt < FRESH
      const fresh = young && isDeepStrictEqual(outstanding.body, this.#usage())
      if (kind !== 'authorize' || outcome.failure !== null || fresh) return outcome
      this.#store.commit(() => {
        outcome.along(this.#store)
      })
    } else {
      const { event, along } = outcome
      this.#stepper.step(event, along)
      this.#settled({ kind: outstanding.kind, failure: outcome.failure })
    }
    return this.#request(kind)
  }

  /** A new message, on disk before it is sent. */
  async #compose(
    kind: Outstanding['kind'],
    identity: Identity,
    skipped: Outstanding | null,
  ): Promise<Outstanding> {
    const { body, key } = await this.#body(kind, identity)
    const sequence = (skipped?.sequence ?? identity.sequence) + 1
    const madeAt = this.#clock.now()
    const trustBundle = readAnchors(this.#store)?.number ?? 0
    const outstanding: Outstanding = {
      kind,
      messageId: randomUUID(),
      sequence,
      body,
      key,
      madeAt,
      trustBundle,
    }
    this.#store.commit(() => {
      this.#store.write('outstanding', outstanding)
    })
    return outstanding
  }

  /** What is in use now, as an authorization asks for it. */
  #usage(): Record<string, unknown> {
    const { usage, authorization } = this.#stepper.position.context
    const entitlements = Object.entries(usage.counts)
      .filter(([, count]) => count > 0)
      .map(([tag, count]) => ({ tag, count }))
    const product = this.#store.read('product', productSchema)
    const udi = product && { pid: product.pid, serial: product.serial }
    const deadlineAt = iso(authorization.deadlineAt)
    return { entitlements, version: product?.version ?? '', deadlineAt, ...(udi && { udi }) }
  }

  async #body(
    kind: Outstanding['kind'],
    identity: Identity,
  ): Promise<{ body: Record<string, unknown>; key: string | null }> {
    switch (kind) {
      case 'authorize':
        return { body: this.#usage(), key: null }
      case 'renew': {
        const { createRequest, generateKey } = await import('../pki/certificate-generation.ts')
        const key = `${randomUUID()}.key`
        const pem = await generateKey()
        const certificateRequest = await createRequest(pem, identity.instanceId)
        this.#store.secrets.put(key, pem)
        return { body: { certificateRequest }, key }
      }
      case 'acknowledge': {
        const { thumbprintOf } = await import('./protocol-client.ts')
        return { body: { thumbprint: thumbprintOf(identity.certificates) }, key: null }
      }
      case 'deregister':
        return { body: {}, key: null }
    }
  }

  async #road(): Promise<Road> {
    const transport = await this.#transport()
    const anchors = requireAnchors(this.#store)
    return { transport, anchors, roots: rootsAt(anchors, this.#clock.now()) }
  }

  async #register(): Promise<Outcome | null> {
    const registering = this.#store.read('registering', registeringSchema)
    const product = this.#store.read('product', productSchema)
    if (!registering || !product) return null
    const { expiryOf, rememberAnswer, sendRegistration } = await import('./protocol-client.ts')
    const identity = this.#store.read('identity', identitySchema)
    const answer = await sendRegistration(
      await this.#road(),
      registering,
      {
        token: this.#store.secrets.get(registering.token),
        key: this.#store.secrets.get(registering.key),
        oldKey: identity && this.#store.secrets.get(identity.key),
      },
      { product, identity, messageId: randomUUID(), ranTo: this.#clock.ranTo() },
    )
    // The attempt may have been given up while the answer was on its way: then nobody waits for it, and nothing is kept of it.
    if (this.#store.read('registering', registeringSchema)?.key !== registering.key) return null
    const decision = answer.decision
    if (decision.outcome === 'refused')
      return {
        ...refused('register', decision),
        along: () => {
          this.#sync(answer)
        },
      }
    const accepted = decision as RegisterAccepted
    const { instanceId, smartAccount, virtualAccount, exportControlled, certificates } = accepted
    const registration = {
      instanceId,
      smartAccount,
      virtualAccount,
      exportControlled,
      expiresAt: expiryOf(certificates),
    }
    const next: Identity = {
      instanceId,
      account: smartAccount,
      authority: answer.authority,
      key: registering.key,
      certificates: [...certificates],
      sequence: 0,
      mandate: null,
      ...rememberAnswer(answer),
      lastAnswer: null,
    }
    return {
      event: (at) => ({ type: 'register.accepted', at, registration: { ...registration, registeredAt: at } }),
      along: (store) => {
        this.#sync(answer)
        store.write('identity', next)
        store.remove('outstanding')
      },
      failure: null,
    }
  }

  async #conclude(outstanding: Outstanding, identity: Identity, answer: OpenedAnswer): Promise<Outcome> {
    const { expiryOf, rememberAnswer } = await import('./protocol-client.ts')
    const decision = answer.decision
    const remembered: Identity = {
      ...identity,
      authority: answer.authority,
      sequence: outstanding.sequence,
      ...rememberAnswer(answer),
    }
    const along =
      (next: Identity): AlongWith =>
      (store) => {
        this.#sync(answer)
        // The time that passed may have ended the registration in this very step.
        if (store.read('identity', identitySchema)?.instanceId !== next.instanceId) return
        store.write('identity', next)
        store.remove('outstanding')
      }
    if (decision.outcome === 'refused') {
      // A refusal of divergence is not part of the sequence: the authority did not move either.
      const next =
        decision.code === 'INSTANCE_DIVERGED' || decision.code === 'SEQUENCE_SUPERSEDED'
          ? identity
          : remembered
      return { ...refused(outstanding.kind, decision), along: along(next) }
    }
    switch (outstanding.kind) {
      case 'authorize': {
        const { entitlements, compliance, deadlineAt, nextContactAt, smartAccount, virtualAccount } =
          decision as AuthorizeAccepted
        const asked = outstanding.body.entitlements as { tag: string; count: number }[]
        const counts = Object.fromEntries(asked.map(({ tag, count }) => [tag, count]))
        return {
          event: (at) => ({
            type: 'authorize.accepted',
            at,
            counts,
            compliant: compliance === 'in-compliance',
            entitlements,
            deadlineAt: Date.parse(deadlineAt),
            nextContactAt: nextContactAt === null ? null : Date.parse(nextContactAt),
            smartAccount,
            virtualAccount,
          }),
          along: along(remembered),
          failure: null,
        }
      }
      case 'renew': {
        const { certificates } = decision as RenewAccepted
        const next = { ...remembered, certificates: [...certificates], key: outstanding.key ?? identity.key }
        return {
          event: (at) => ({ type: 'renew.accepted', at, expiresAt: expiryOf(certificates) }),
          along: along(next),
          failure: null,
        }
      }
      case 'acknowledge':
        return {
          event: (at) => ({ type: 'acknowledge.accepted', at }),
          along: along(remembered),
          failure: null,
        }
      case 'deregister':
        return {
          event: (at) => ({ type: 'deregister.accepted', at }),
          along: along(remembered),
          failure: null,
        }
    }
  }

  /** The answer's time is the box's time from here on (trust §3), and its roots the box's roots (trust §10). */
  #sync(answer: OpenedAnswer): void {
    this.#clock.sync(answer.now)
    if (answer.anchors === null) return
    writeAnchors(this.#store, answer.anchors)
    this.#adopted = answer.anchors.number
  }

  #tellAdopted(): void {
    const bundle = this.#adopted
    this.#adopted = null
    // What was not kept is not told: it comes again with the next answer.
    if (bundle !== null && readAnchors(this.#store)?.number === bundle) this.#trustChanged(bundle)
  }
}

/** A failed deregistration has ended the registration all the same: that is what a person must know of it. */
function toldOf(kind: RequestKind, { code, message, remedy }: Failure): Failure {
  if (kind !== 'deregister') return { code, message, remedy }
  return {
    code,
    message: `The box is deregistered here, but not at its authority: ${message}`,
    remedy: 'Remove the product instance at the authority by hand, so that its licences go back to the pool.',
  }
}

function refused(kind: RequestKind, decision: Failure): Omit<Outcome, 'along'> {
  const failure = toldOf(kind, decision)
  return {
    event: (at) => ({
      type: `${kind}.refused`,
      at,
      failure,
      ended: ENDING.includes(decision.code),
      again: decision.code === 'SATELLITE_OUT_OF_TOUCH',
    }),
    failure: LicensingError.fromDocument(failure),
  }
}

function unreachable(kind: RequestKind, thrown: LicensingError): Outcome {
  const failure = toldOf(kind, thrown)
  const jitter = randomBytes(4).readUInt32BE() / 2 ** 32
  return {
    event: (at) => ({
      type: `${kind}.unreachable`,
      at,
      failure,
      jitter,
      retryAfter: thrown.retryAfterMs ?? null,
    }),
    along: () => undefined,
    failure: LicensingError.fromDocument(failure),
  }
}
