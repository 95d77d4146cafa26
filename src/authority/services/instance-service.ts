import { LicensingError } from '../../core/errors.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import type { AccountContext } from '../context/account-context.ts'
import { confirmInstance } from '../exchange/restore-review.ts'
import { resolveVirtualAccount } from '../inventory/accounts.ts'
import type { InstanceFilter } from '../inventory/instance-list.ts'
import {
  type InstanceDocument,
  removeInstance,
  toReservedInstance,
  getInstance,
} from '../inventory/instances.ts'
import { readReservations, type ReservationDocument } from '../inventory/reservation-ledger.ts'
import { type TransferDocument, transferInstance } from '../inventory/transfers.ts'
import {
  type InstancePage,
  type ListPart,
  readAllInstances,
  readInstancePage,
  readInstancesById,
  readInstancesBySerial,
} from '../satellites/all-instances.ts'
import { readReportedInstances } from '../satellites/reported-instances.ts'
import { runTransfer, type TransferOptions } from './transfer.ts'

/** Instances that one transaction finds by their keys. */
const MAX_KEYS = 250

/** The product instances of a smart account: registered, reserved, and reported by satellites. */
export class InstanceService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Returns the registered instances, then the instances with a reservation, then the instances of each satellite. Of a
   * large account `page` and `readAll` return a part at a time.
   */
  async list(where: AccountSelector = {}): Promise<InstanceDocument[]> {
    const instances: InstanceDocument[] = []
    for await (const slice of this.readAll(where)) instances.push(...slice)
    return instances
  }

  /** Returns a page of the instances that match a filter, in the order of `list`, and the number of all. */
  page(where: AccountSelector, filter: InstanceFilter, part: ListPart): Promise<InstancePage> {
    return readInstancePage((read) => this.#context.readAccount(where, read), filter, part)
  }

  /** Yields the instances that match a filter in slices, in the order of `list`. */
  readAll(
    where: AccountSelector = {},
    filter: InstanceFilter = {},
  ): AsyncGenerator<readonly InstanceDocument[]> {
    return readAllInstances((read) => this.#context.readAccount(where, read), filter)
  }

  /** Returns the instances with one of the serial numbers. */
  async findBySerial(serials: readonly string[], where: AccountSelector = {}): Promise<InstanceDocument[]> {
    return this.#findInSlices(serials, where, readInstancesBySerial)
  }

  /** Returns the instances with one of the ids. */
  async findById(ids: readonly string[], where: AccountSelector = {}): Promise<InstanceDocument[]> {
    return this.#findInSlices(ids, where, readInstancesById)
  }

  async #findInSlices(
    keys: readonly string[],
    where: AccountSelector,
    find: (context: AccountContext, keys: readonly string[]) => Promise<InstanceDocument[]>,
  ): Promise<InstanceDocument[]> {
    const unique = [...new Set(keys)]
    const found: InstanceDocument[] = []
    for (let from = 0; from < unique.length; from += MAX_KEYS) {
      const slice = unique.slice(from, from + MAX_KEYS)
      found.push(...(await this.#context.readAccount(where, (context) => find(context, slice))))
    }
    return found
  }

  /** @throws LicensingError NOT_FOUND */
  get(id: string, where: AccountSelector = {}): Promise<InstanceDocument> {
    return this.#context.readAccount(where, (context) => readAnyInstance(context, id))
  }

  /**
   * @throws LicensingError NOT_FOUND, INSTANCE_OF_SATELLITE, RETURN_CODE_REQUIRED for an instance with a reservation
   */
  remove(id: string, where: AccountSelector = {}): Promise<InstanceDocument> {
    return this.#context.withAccount(where, async (context) => {
      const reservation = await findReservation(context, id)
      if (reservation)
        throw new LicensingError(
          'RETURN_CODE_REQUIRED',
          `${reservation.udi.pid}:${reservation.udi.serial} works from a reservation, and can be removed only with its return code.`,
        )
      await requireLocalInstance(context, id)
      return removeInstance(context.tx, context.account, id, context.at)
    })
  }

  /** Confirms an instance that is in review after a restore. @throws LicensingError INSTANCE_NOT_IN_REVIEW */
  review(id: string, where: AccountSelector = {}): Promise<InstanceDocument> {
    return this.#context.withAccount(where, async (context) => {
      await confirmInstance(context.tx, context.account, id, context.at)
      return readAnyInstance(context, id)
    })
  }

  /**
   * Moves a registered product instance and its usage to another virtual account (R-ACC-3).
   *
   * @throws LicensingError NOT_FOUND, INSTANCE_OF_SATELLITE, INSTANCE_RESERVED, TRANSFER_UNCONFIRMED, VIRTUAL_ACCOUNT_*
   */
  transfer(
    id: string,
    options: AccountSelector & { to: string } & TransferOptions,
  ): Promise<TransferDocument> {
    return runTransfer(this.#context, options, async (context) => {
      const reservation = await findReservation(context, id)
      if (reservation)
        throw new LicensingError(
          'INSTANCE_RESERVED',
          `${reservation.udi.pid}:${reservation.udi.serial} has a reservation, whose authorization file names the virtual account.`,
          { remedy: 'Return the reservation, then reserve again from the other virtual account.' },
        )
      await requireLocalInstance(context, id)
      const to = await resolveVirtualAccount(context.tx, context.account, options.to)
      return transferInstance(context, id, to)
    })
  }
}

async function findReservation(
  context: AccountContext,
  id: string,
): Promise<ReservationDocument | undefined> {
  const [reservation] = await readReservations(context, [id])
  return reservation
}

async function readAnyInstance(context: AccountContext, id: string): Promise<InstanceDocument> {
  const { tx, account, at } = context
  const reservation = await findReservation(context, id)
  if (reservation) return toReservedInstance(reservation)
  const [reported] = await readReportedInstances(context, [id])
  return reported ?? getInstance(tx, account, id, at)
}

/** @throws LicensingError INSTANCE_OF_SATELLITE */
async function requireLocalInstance(context: AccountContext, id: string): Promise<void> {
  const [reported] = await readReportedInstances(context, [id])
  if (!reported) return
  throw new LicensingError(
    'INSTANCE_OF_SATELLITE',
    `${reported.udi.pid}:${reported.udi.serial} belongs to the satellite ${reported.satellite ?? ''}.`,
  )
}
