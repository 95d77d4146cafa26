import { type AuthorityContext, requireRole, type AccountSelector } from '../context/authority-context.ts'
import {
  assignOrder,
  listOrders,
  type OrderDocument,
  placeBuyerOrder,
  placeOrder,
  type OrderInput,
} from '../inventory/orders.ts'

/** The license orders of a manager. */
export class OrderService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Orders licenses by tag or SKU, perpetual or for a term in days.
   *
   * @throws LicensingError WRONG_ROLE, UNKNOWN_TAG, INVALID_ARGUMENT, ACCOUNT_*, NOT_FOUND
   */
  async create(wanted: AccountSelector & OrderInput): Promise<OrderDocument> {
    requireRole(this.#context, 'manager', 'licenses are bought')
    return this.#context.withVirtualAccount(wanted, (context, virtual) =>
      placeOrder(context, context.account, virtual, wanted),
    )
  }

  /** Creates an order without a smart account. The buyer is asked for one, reminded by e-mail, and called (R-ACC-6). */
  async createForBuyer(wanted: OrderInput & { buyer: string }): Promise<OrderDocument> {
    requireRole(this.#context, 'manager', 'licenses are bought')
    return this.#context.withMaintenance((tx, at) =>
      placeBuyerOrder({ tx, at, profile: this.#context.profile }, wanted, wanted.buyer),
    )
  }

  /** Assigns an order without a smart account to one. */
  assign(id: string, where: AccountSelector = {}): Promise<OrderDocument> {
    return this.#context.withVirtualAccount(where, (context, virtual) =>
      assignOrder(context, id, context.account, virtual),
    )
  }

  list(where: AccountSelector = {}): Promise<OrderDocument[]> {
    return this.#context.readAccount(where, (context) => listOrders(context, context.account))
  }
}
