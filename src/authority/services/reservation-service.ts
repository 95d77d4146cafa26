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

  /** Authorizes a smart account for reservation (R-SLR-1). */
  enable(where: AccountSelector = {}): Promise<void> {
    return this.#context.withAccount(where, async (context) => enableReservation(await withLimits(context)))
  }

  /** Reserves licenses for the device of a request code, and writes its authorization file. */
  reserve(
    wanted: AccountSelector & ReserveOptions & { request: string; licenses: Quantities },
  ): Promise<IssuedAuthorization> {
    return this.#context.withVirtualAccount(wanted, async (context, virtual) =>
      reserveLicenses(await withLimits(context), virtual, wanted.request, wanted.licenses, wanted),
    )
  }

  /** Reserves other quantities for a device that works from a reservation: the next authorization file. */
  update(
    id: string,
    licenses: Quantities,
    where: AccountSelector & ReserveOptions = {},
  ): Promise<IssuedAuthorization> {
    return this.#context.withAccount(where, async (context) =>
      updateReservation(await withLimits(context), id, licenses, where),
    )
  }

  /** Takes the confirmation code of an update. */
  async confirm(id: string, code: string, where: AccountSelector = {}): Promise<ReservationDocument> {
    return throwIfError(
      await this.#context.withAccount(where, async (context) =>
        confirmReservation(await withLimits(context), id, code),
      ),
    )
  }

  /** Takes a return code: the instance is removed, and its licenses are back in the pool. */
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

  /** Removes the instance of a device that is lost, without its return code; who did so, and why, is recorded. */
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

  /** One reservation, with its newest authorization file signed anew; without a file when it has ended. */
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

/** Throws what was refused in a transaction that is kept: a wrong code counts. */
function throwIfError<T>(outcome: T | LicensingError): T {
  if (outcome instanceof LicensingError) throw outcome
  return outcome
}
