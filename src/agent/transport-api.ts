import type { TransportSettings } from '../transports/transport.ts'
import type { AgentCore } from './agent-core.ts'
import type { ConnectionTestReport, ConnectionTestStep } from './connection-test.ts'
import { identitySchema } from './persisted-state.ts'
import { toReservationRefusal } from './reservation-refusal.ts'
import type { Status, StatusReader } from './status.ts'
import { toStoredSettings, type TransportManager } from './transport-manager.ts'

/** Transport settings of the device (`agent.transport`). */
export class TransportApi {
  readonly #core: AgentCore
  readonly #transport: TransportManager
  readonly #readStatus: StatusReader

  constructor(core: AgentCore, transport: TransportManager, readStatus: StatusReader) {
    this.#core = core
    this.#transport = transport
    this.#readStatus = readStatus
  }

  /**
   * Validates and saves the transport settings, which apply from the next request on. A request in progress ends over the
   * previous transport. Makes no connection.
   *
   * @throws LicensingError TRANSPORT_URL_INVALID, PROXY_URL_INVALID or PROXY_CREDENTIALS_INVALID, and nothing is changed
   */
  set(settings: TransportSettings): Status['transport'] {
    const { store, runner, device } = this.#core
    device.requireOpen()
    const stored = toStoredSettings(settings, store)
    const via = stored.kind === 'proxy' ? ['via', stored.via] : []
    const transport = [stored.kind, stored.url, ...via].join(' ')
    runner.step(
      (at) => ({ type: 'transport.changed', at, transport }),
      () => {
        store.write('transport', stored)
      },
    )
    this.#transport.reset()
    return this.#readStatus().transport
  }

  /**
   * Tests the connection step by step, with the given settings or the current ones. Changes nothing and registers nothing
   * (R-NET-4).
   *
   * @param options `onStep` is called after each step
   * @throws LicensingError TRANSPORT_NOT_CONFIGURED, TRUST_ANCHOR_MISSING, TRANSPORT_URL_INVALID, PROXY_URL_INVALID, or
   * RESERVED for a device with a reservation, which makes no connections
   */
  async test(
    options: { settings?: TransportSettings; onStep?: (step: ConnectionTestStep) => void } = {},
  ): Promise<ConnectionTestReport> {
    const { settings, onStep = () => undefined } = options
    this.#core.device.requireOpen()
    const refusal = toReservationRefusal(this.#core.runner.snapshot)
    if (refusal?.code === 'RESERVED') throw refusal
    const identity = this.#core.store.read('identity', identitySchema)
    return this.#transport.test(settings, identity?.authority.id ?? null, onStep)
  }
}
