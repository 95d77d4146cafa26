import type { AgentCore } from './agent-core.ts'
import type { DeviceReservation } from './reservation.ts'
import type { Status, StatusReader } from './status.ts'
import type { TransportManager } from './transport-manager.ts'

/**
 * Specific license reservation (R-SLR-1…8): what people carry between the device and its authority, as text (`agent.reservation`).
 * Each call is on disk when it resolves. What is refused changes nothing.
 */
export class ReservationApi {
  readonly #core: AgentCore
  readonly #transport: TransportManager
  readonly #readStatus: StatusReader

  constructor(core: AgentCore, transport: TransportManager, readStatus: StatusReader) {
    this.#core = core
    this.#transport = transport
    this.#readStatus = readStatus
  }

  /** Returns the reservation request code: the same until it is canceled. @throws LicensingError RESERVED, NOT_ALLOWED_IN_STATE */
  request(): Promise<string> {
    return this.#run((reservation) => reservation.request())
  }

  /** Gives the request up. Returns false when there was none. @throws LicensingError RESERVED */
  cancel(): Promise<boolean> {
    return this.#run((reservation) => reservation.cancel())
  }

  /**
   * Installs the authorization file of the pending request; no connection is made from here on.
   *
   * @throws LicensingError SIGNED_FILE_*, AUTHORIZATION_*, RESERVED, RESERVATION_RETURNING, TRUST_ANCHOR_MISSING
   */
  install(file: string): Promise<Status> {
    return this.#run((reservation) => {
      reservation.install(file)
      // A connection that is open from the time before is closed, too.
      this.#transport.abort()
      return this.#readStatus()
    })
  }

  /** Installs a newer file; the status has the confirmation code. @throws LicensingError as `install`, and RESERVATION_NONE */
  update(file: string): Promise<Status> {
    return this.#run((reservation) => {
      reservation.update(file)
      return this.#readStatus()
    })
  }

  /** Ends the reservation, and returns the return code: asked again, the same. @throws LicensingError RESERVATION_NONE */
  returnCode(): Promise<string> {
    return this.#run((reservation) => reservation.returnCode())
  }

  /** Completes the return. @throws LicensingError RESERVATION_NONE, RESERVATION_NOT_RETURNING */
  return(): Promise<Status> {
    return this.#run((reservation) => {
      reservation.return()
      return this.#readStatus()
    })
  }

  /** Returns the return code of a file whose request was canceled. @throws LicensingError SIGNED_FILE_*, AUTHORIZATION_* */
  discard(file: string): Promise<{ instanceId: string; returnCode: string }> {
    return this.#run((reservation) => {
      const { reservationId: instanceId, returnCode } = reservation.discard(file)
      return { instanceId, returnCode }
    })
  }

  /** Runs work without a pause in it: what was checked still holds when it is written. */
  async #run<T>(work: (reservation: DeviceReservation) => T): Promise<T> {
    const { DeviceReservation } = await import('./reservation.ts')
    this.#core.device.requireOpen()
    return work(new DeviceReservation(this.#core))
  }
}
