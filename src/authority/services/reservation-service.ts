import { LicensingError } from '../../core/errors.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import type { AccountContext } from '../context/account-context.ts'
import { listReservations, type ReservationDocument } from '../inventory/reservation-ledger.ts'
import { acceptReturnCode, writeOffOrphan, writeOffReservation } from '../reservations/reservation-end.ts'
import {
  type ReserveOptions,
  confirmReservation,
  enableReservation,
  type IssuedAuthorization,
  reserveLicenses,
  showReservation,
  updateReservation,
} from '../reservations/reservations.ts'
import type { Quantities, ReservationContext } from '../reservations/authorization-issue.ts'
import { readIssuingLimits } from '../satellite-sync/issuing-limits.ts'
import { findOrphanedReservation } from '../satellites/reported-instances.ts'

/** Specific license reservation: licenses set aside for devices that make no connection. */
export class ReservationService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /** Enables reservation for a smart account (R-SLR-1). */
  enable(where: AccountSelector = {}): Promise<void> {
    return this.#context.withAccount(where, async (context) => enableReservation(await withLimits(context)))
  }

  /** Reserves licenses for the device of a request code, and returns its authorization file. */
  reserve(
    options: AccountSelector & ReserveOptions & { request: string; licenses: Quantities },
  ): Promise<IssuedAuthorization> {
    return this.#context.withVirtualAccount(options, async (context, virtual) =>
      reserveLicenses(await withLimits(context), virtual, options.request, options.licenses, options),
    )
  }

  /** Changes the quantities of a reservation, and returns the next authorization file. */
  update(
    id: string,
    licenses: Quantities,
    where: AccountSelector & ReserveOptions = {},
  ): Promise<IssuedAuthorization> {
    return this.#context.withAccount(where, async (context) =>
      updateReservation(await withLimits(context), id, licenses, where),
    )
  }

  /** Completes an update with its confirmation code. */
  async confirm(id: string, code: string, where: AccountSelector = {}): Promise<ReservationDocument> {
    return throwIfError(
      await this.#context.withAccount(where, async (context) =>
        confirmReservation(await withLimits(context), id, code),
      ),
    )
  }

  /** Removes an instance by its return code, and returns its licenses to the pool. */
  async acceptReturnCode(
    id: string,
    code: string,
    where: AccountSelector = {},
  ): Promise<ReservationDocument> {
    return throwIfError(
      await this.#context.withAccount(where, async (context) =>
        acceptReturnCode(await withLimits(context), id, code),
      ),
    )
  }

  /** Removes the instance of a lost device without its return code. The user and the reason are recorded. */
  writeOff(
    id: string,
    options: { reason: string; by: string },
    where: AccountSelector = {},
  ): Promise<ReservationDocument> {
    return this.#context.withAccount(where, async (context) => {
      const orphan = await findOrphanedReservation(context.tx, context.account, id)
      return orphan
        ? writeOffOrphan(context, orphan, options.reason, options.by)
        : writeOffReservation(context, id, options.reason, options.by)
    })
  }

  list(where: AccountSelector = {}): Promise<ReservationDocument[]> {
    return this.#context.readAccount(where, (context) => listReservations(context))
  }

  /**
   * Returns one reservation with its newest authorization file, signed again. `file` is null if the reservation has
   * ended.
   */
  get(
    id: string,
    where: AccountSelector = {},
  ): Promise<ReservationDocument & { readonly file: string | null }> {
    return this.#context.withAccount(where, async (context) => showReservation(await withLimits(context), id))
  }
}

async function withLimits(context: AccountContext): Promise<ReservationContext> {
  return { ...context, limits: await readIssuingLimits(context.tx, context.credentials, context.at) }
}

/**
 * Throws an error that a transaction returned. The transaction is committed before, because the authority counts
 * wrong codes.
 */
function throwIfError<T>(outcome: T | LicensingError): T {
  if (outcome instanceof LicensingError) throw outcome
  return outcome
}
