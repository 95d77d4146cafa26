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
  async create(order: AccountSelector & OrderInput): Promise<OrderDocument> {
    requireRole(this.#context, 'manager', 'licenses are ordered')
    return this.#context.withVirtualAccount(order, (context, virtual) =>
      placeOrder(context, context.account, virtual, order),
    )
  }

  /**
   * Creates an order for a buyer who has not named a smart account. The authority reminds the buyer by e-mail,
   * and then hands the order to a person (R-ACC-6).
   */
  async createForBuyer(order: OrderInput & { buyer: string }): Promise<OrderDocument> {
    requireRole(this.#context, 'manager', 'licenses are ordered')
    return this.#context.withMaintenance((tx, at) =>
      placeBuyerOrder({ tx, at, profile: this.#context.profile }, order, order.buyer),
    )
  }

  /** Assigns an order that has no smart account to the selected virtual account. */
  assign(id: string, where: AccountSelector = {}): Promise<OrderDocument> {
    return this.#context.withVirtualAccount(where, (context, virtual) =>
      assignOrder(context, id, context.account, virtual),
    )
  }

  list(where: AccountSelector = {}): Promise<OrderDocument[]> {
    return this.#context.readAccount(where, (context) => listOrders(context, context.account))
  }
}
