import { randomUUID } from 'node:crypto'
import { canHandle, type Event, type RequestKind } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import { parseToken } from '../protocol/token.ts'
import type { AgentCore } from './agent-core.ts'
import { pendingRegistrationSchema } from './persisted-state.ts'
import type { RequestAwaiter } from './request-awaiter.ts'
import { toReservationRefusal } from './reservation-refusal.ts'
import type { Status } from './status.ts'
import type { TransportManager } from './transport-manager.ts'

/** Options of a request. With `wait: false` the call does not wait for the outcome. */
export interface RequestOptions {
  readonly wait?: boolean
}

/** Options of a registration. `force` replaces the product instance at the authority. */
export interface RegisterOptions extends RequestOptions {
  readonly force?: boolean
}

/** Starts requests for callers. Each request is stored on disk before it is sent. */
export class RegistrationRequests {
  readonly #core: AgentCore
  readonly #transport: TransportManager
  readonly #awaiter: RequestAwaiter

  constructor(core: AgentCore, transport: TransportManager, awaiter: RequestAwaiter) {
    this.#core = core
    this.#transport = transport
    this.#awaiter = awaiter
  }

  async register(token: string, options: RegisterOptions = {}): Promise<Status> {
    this.#core.device.requireOpen()
    const isRegistered = this.#core.runner.snapshot.context.registration !== null
    if (isRegistered && !options.force) {
      throw new LicensingError('ALREADY_REGISTERED', 'This device is already registered.')
    }
    return this.#register(token, options, isRegistered)
  }

  async reregister(token: string, options: RegisterOptions = {}): Promise<Status> {
    return this.#register(token, options, true)
  }

  async #register(
    token: string,
    { force = false, wait = true }: RegisterOptions,
    again: boolean,
  ): Promise<Status> {
    const { store, runner, device } = this.#core
    device.requireOpen()
    parseToken(token)
    this.#transport.requireConfigured()
    const event = (at: number): Event => ({ type: 'registration.start', at, force, again })
    this.#requireIdle(event)
    // The authority may have received an earlier attempt. The same key makes this attempt the same registration.
    const earlier = store.read('registering', pendingRegistrationSchema)
    const key = earlier ? { ...earlier, pem: null } : await this.#createKey()
    // Another caller may have started a registration or closed the agent while the key was generated.
    this.#requireIdle(event)
    // Unreferenced secrets can be deleted at any time, so there must be no `await` from here to the step.
    const tokenFile = `${randomUUID()}.token`
    store.secrets.put(tokenFile, token)
    if (key.pem !== null) store.secrets.put(key.key, key.pem)
    const { certificateRequest } = key
    runner.step(event, () => {
      store.write('registering', { token: tokenFile, key: key.key, certificateRequest, force })
    })
    const outcome = this.#awaiter.expect(['register', 'authorize'])
    return wait ? outcome.wait() : outcome.detach()
  }

  #requireIdle(event: (at: number) => Event): void {
    const { device, runner, clock } = this.#core
    device.requireOpen()
    if (canHandle(runner.snapshot, event(clock.now()))) return
    throw (
      toReservationRefusal(runner.snapshot) ??
      new LicensingError('REGISTRATION_IN_PROGRESS', 'A registration of this device is in progress.')
    )
  }

  async #createKey(): Promise<{ key: string; certificateRequest: string; pem: string }> {
    const { createCsr, generateKey } = await import('../pki/certificate-generation.ts')
    const { pid, serial } = this.#core.device.product
    const pem = await generateKey()
    const certificateRequest = await createCsr(pem, `${pid}:${serial}`)
    return { key: `${randomUUID()}.key`, certificateRequest, pem }
  }

  async deregister(options: RequestOptions = {}): Promise<Status> {
    return this.#request('deregister', (at) => ({ type: 'registration.end', at }), options)
  }

  async renewRegistration(options: RequestOptions = {}): Promise<Status> {
    return this.#request('renew', (at) => ({ type: 'registration.renew', at }), options)
  }

  async renewAuthorization(options: RequestOptions = {}): Promise<Status> {
    return this.#request('authorize', (at) => ({ type: 'authorization.renew', at }), options)
  }

  /** Reports changed usage. Resolves when a report of the current counts was answered, or an attempt has failed. */
  async flushUsage(): Promise<void> {
    const { runner, clock, device } = this.#core
    device.requireOpen()
    // A request already in progress when the usage changed does not include the change. The next request does.
    for (let requests = 0; requests < 2 && runner.snapshot.context.usage.reportAt !== null; requests++) {
      const event = (at: number): Event => ({ type: 'authorization.renew', at })
      if (canHandle(runner.snapshot, event(clock.now()))) runner.step(event)
      await this.#awaiter.idle()
      if (runner.snapshot.context.authorization.last?.outcome !== 'succeeded') return
    }
  }

  async #request(
    kind: RequestKind,
    event: (at: number) => Event,
    { wait = true }: RequestOptions,
  ): Promise<Status> {
    const { store, runner, clock, device } = this.#core
    device.requireOpen()
    // An earlier request may be in progress. Its outcome is the result of this call.
    const isInProgress = store.commands.list().some((command) => command.kind === kind)
    if (canHandle(runner.snapshot, event(clock.now()))) runner.step(event)
    else if (!isInProgress) throw this.#createRefusal(kind)
    const outcome = this.#awaiter.expect([kind])
    // Canceling a registration attempt sends no request.
    const isStored = store.commands.list().some((command) => command.kind === kind)
    return wait && isStored ? outcome.wait() : outcome.detach()
  }

  #createRefusal(kind: RequestKind): LicensingError {
    const { snapshot } = this.#core.runner
    const { registration, registering, registrationFailure } = snapshot.context
    const reserved = toReservationRefusal(snapshot)
    if (reserved?.code === 'RESERVED') return reserved
    if (registration === null) {
      if (registering)
        return new LicensingError('REGISTRATION_IN_PROGRESS', 'A registration of this device is in progress.')
      const reason = registrationFailure ? `: ${registrationFailure.message}` : '.'
      return new LicensingError('NOT_REGISTERED', `This device is not registered${reason}`)
    }
    return new LicensingError(
      'NOT_ALLOWED_IN_STATE',
      `Another request is in progress; ${kind} must wait for its outcome.`,
    )
  }
}
