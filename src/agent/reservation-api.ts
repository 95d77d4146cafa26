import type { AgentCore } from './agent-core.ts'
import type { DeviceReservation } from './reservation.ts'
import type { Status, StatusReader } from './status.ts'
import type { TransportManager } from './transport-manager.ts'

/**
 * Specific license reservation (R-SLR-1…8), as `agent.reservation`. Codes and files are exchanged offline as text. The
 * result of each call is on disk when it resolves. A refused call changes nothing.
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

  /** Returns the request code, which stays the same until canceled. @throws LicensingError RESERVED, NOT_ALLOWED_IN_STATE */
  request(): Promise<string> {
    return this.#run((reservation) => reservation.request())
  }

  /** Cancels the request. Returns false if there was none. @throws LicensingError RESERVED */
  cancel(): Promise<boolean> {
    return this.#run((reservation) => reservation.cancel())
  }

  /**
   * Installs the authorization file of the pending request. The agent makes no connections afterwards.
   *
   * @throws LicensingError SIGNED_FILE_*, AUTHORIZATION_*, RESERVED, RESERVATION_RETURNING, TRUST_ANCHOR_MISSING
   */
  install(file: string): Promise<Status> {
    return this.#run((reservation) => {
      reservation.install(file)
      // Close a connection that is still open.
      this.#transport.abort()
      return this.#readStatus()
    })
  }

  /** Installs a newer file. The status has its confirmation code. @throws LicensingError as `install`, or RESERVATION_NONE */
  update(file: string): Promise<Status> {
    return this.#run((reservation) => {
      reservation.update(file)
      return this.#readStatus()
    })
  }

  /** Ends the reservation. Returns the return code, the same for each call. @throws LicensingError RESERVATION_NONE */
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

  /** Runs synchronous work, so that no other change happens between its checks and its writes. */
  async #run<T>(work: (reservation: DeviceReservation) => T): Promise<T> {
    const { DeviceReservation } = await import('./reservation.ts')
    this.#core.device.requireOpen()
    return work(new DeviceReservation(this.#core))
  }
}
