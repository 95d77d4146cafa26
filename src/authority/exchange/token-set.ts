import type { InstanceRow } from '../inventory/instances.ts'
import { findRegistrationTokens, type RegistrationToken } from '../inventory/tokens.ts'
import type { ExchangeTransaction } from './exchange-transaction.ts'

/** The registration tokens of a working set, and their uses. */
export class TokenSet {
  readonly #transaction: ExchangeTransaction
  readonly #tokens = new Map<string, RegistrationToken | null>()
  /** Uses that are not written yet, by token id. */
  readonly #uses = new Map<string, number>()

  constructor(transaction: ExchangeTransaction) {
    this.#transaction = transaction
  }

  async load(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    await this.#transaction.flush()
    for (const id of ids) this.#tokens.set(id, null)
    for (const token of await findRegistrationTokens(this.#transaction.tx, ids))
      this.#tokens.set(token.id, token)
  }

  async find(id: string): Promise<RegistrationToken | undefined> {
    if (!this.#tokens.has(id)) await this.load([id])
    return this.#tokens.get(id) ?? undefined
  }

  /** Counts and logs the registration of an instance with a token. */
  recordUse(row: InstanceRow, token: RegistrationToken): void {
    this.#tokens.set(token.id, { ...token, uses: token.uses + 1 })
    this.#uses.set(token.id, (this.#uses.get(token.id) ?? 0) + 1)
    this.#transaction.log({
      at: this.#transaction.at,
      type: 'INSTANCE_REGISTERED',
      accountId: token.account.id,
      virtualAccount: token.virtualAccount,
      instanceId: row.id,
      message: `${row.pid}:${row.serial} was registered with token ${token.id}.`,
    })
  }

  async flush(): Promise<void> {
    for (const [id, uses] of this.#uses)
      await this.#transaction.tx
        .updateTable('tokens')
        .set((eb) => ({ uses: eb('uses', '+', uses) }))
        .where('id', '=', id)
        .execute()
    this.#uses.clear()
  }

  /** Drops the cached rows. */
  clear(): void {
    this.#tokens.clear()
  }
}
