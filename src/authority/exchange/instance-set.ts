import type { ProfileId } from '../../core/profile.ts'
import { sql } from 'kysely'
import { listSerialForms, hashUdi } from '../../protocol/digest.ts'
import type { InstanceRow } from '../inventory/instances.ts'
import { type ConflictingInstance, findConflictingInstances } from '../satellites/reported-instances.ts'
import type { Tx } from '../store/store.ts'
import type { ExchangeTransaction } from './exchange-transaction.ts'

/** The product and serial number of a device. */
export interface DeviceId {
  readonly pid: string
  readonly serial: string
}

/** The columns of an instance that an answer changes. */
export type RecordedAnswer = Pick<
  InstanceRow,
  | 'epoch'
  | 'sequence'
  | 'request_digest'
  | 'message_id'
  | 'decision'
  | 'last_answer'
  | 'previous_answer'
  | 'last_contact_at'
>

const formatDeviceKey = ({ pid, serial }: DeviceId): string => `${pid}\u0000${serial}`

/** The product instances of a working set. */
export class InstanceSet {
  readonly #transaction: ExchangeTransaction
  readonly #byThumbprint = new Map<string, InstanceRow | null>()
  readonly #byRegisteredKey = new Map<string, InstanceRow[]>()
  readonly #byDevice = new Map<string, InstanceRow[]>()
  /** Ids of the accounts that have a reservation, by device. */
  readonly #reserved = new Map<string, string[]>()
  readonly #conflicts = new Map<string, ConflictingInstance[]>()
  /** Instances that were added since the last `clear`. */
  readonly #added = new Set<string>()

  // Unwritten changes.
  readonly #newRows: InstanceRow[] = []
  readonly #answers = new Map<string, RecordedAnswer>()
  readonly #versions = new Map<string, string>()
  readonly #profiles = new Map<string, Pick<InstanceRow, 'profile_name' | 'profile_version'>>()
  readonly #touched = new Set<string>()

  constructor(transaction: ExchangeTransaction) {
    this.#transaction = transaction
  }

  /** Reads the instances whose certificates have these thumbprints. */
  async load(thumbprints: readonly string[]): Promise<InstanceRow[]> {
    if (thumbprints.length === 0) return []
    await this.#transaction.flush()
    const rows = await this.#transaction.tx
      .selectFrom('instances')
      .selectAll()
      .where((or) => or.or([or('thumbprint', 'in', thumbprints), or('next_thumbprint', 'in', thumbprints)]))
      .execute()
    for (const thumbprint of thumbprints) this.#byThumbprint.set(thumbprint, null)
    for (const row of rows) {
      for (const thumbprint of [row.thumbprint, row.next_thumbprint])
        if (thumbprint !== null) this.#byThumbprint.set(thumbprint, row)
    }
    return rows
  }

  /** Reads the rows that registrations depend on, by registered key and by device. */
  async loadForRegistration(keys: readonly string[], devices: readonly DeviceId[]): Promise<void> {
    await this.#loadByKey(keys)
    await this.#loadByDevice(devices)
  }

  /** Returns the instance whose current or newly issued certificate has this thumbprint. */
  async find(thumbprint: string): Promise<InstanceRow | undefined> {
    if (!this.#byThumbprint.has(thumbprint)) await this.load([thumbprint])
    return this.#byThumbprint.get(thumbprint) ?? undefined
  }

  /** Returns the instance of an account that registered with this key. */
  async findByKey(accountId: string, key: string): Promise<InstanceRow | undefined> {
    if (!this.#byRegisteredKey.has(key)) await this.#loadByKey([key])
    return this.#byRegisteredKey.get(key)?.find(({ account_id }) => account_id === accountId)
  }

  /** Returns the active instance of an account for a device. */
  async findActive(accountId: string, device: DeviceId): Promise<InstanceRow | undefined> {
    if (!this.#byDevice.has(formatDeviceKey(device))) await this.#loadByDevice([device])
    return this.#byDevice.get(formatDeviceKey(device))?.find(({ account_id }) => account_id === accountId)
  }

  /** Returns true if licenses of an account are reserved for a device. */
  async isReserved(accountId: string, device: DeviceId): Promise<boolean> {
    if (!this.#reserved.has(formatDeviceKey(device))) await this.#loadByDevice([device])
    return this.#reserved.get(formatDeviceKey(device))?.includes(accountId) ?? false
  }

  /** Returns the product instance of a device that a satellite of the account has reported. */
  async findConflict(accountId: string, device: DeviceId): Promise<ConflictingInstance | undefined> {
    if (!this.#conflicts.has(formatDeviceKey(device))) await this.#loadByDevice([device])
    return this.#conflicts.get(formatDeviceKey(device))?.find(({ account_id }) => account_id === accountId)
  }

  async #loadByKey(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    await this.#transaction.flush()
    const rows = await this.#transaction.tx
      .selectFrom('instances')
      .selectAll()
      .where('registered_key', 'in', keys)
      .execute()
    for (const key of keys) this.#byRegisteredKey.set(key, [])
    for (const row of rows) this.#byRegisteredKey.get(row.registered_key)?.push(row)
  }

  async #loadByDevice(devices: readonly DeviceId[]): Promise<void> {
    if (devices.length === 0) return
    await this.#transaction.flush()
    const { tx } = this.#transaction
    const pids = [...new Set(devices.map(({ pid }) => pid))]
    const serials = devices.flatMap(({ pid, serial }) => listSerialForms(pid, serial))
    const instances = await tx
      .selectFrom('instances')
      .selectAll()
      .where('pid', 'in', pids)
      .where('serial', 'in', serials)
      .where('status', '=', sql.lit('active'))
      .execute()
    const reserved = await tx
      .selectFrom('reservations')
      .select(['account_id', 'pid', 'serial'])
      .where('pid', 'in', pids)
      .where('serial', 'in', serials)
      .where('status', '=', sql.lit('active'))
      .execute()
    const conflicts = await findConflictingInstances(
      tx,
      devices.map(({ pid, serial }) => hashUdi(pid, serial)),
    )
    for (const device of devices) {
      const serialForms = listSerialForms(device.pid, device.serial)
      const isDevice = ({ pid, serial }: DeviceId) => pid === device.pid && serialForms.includes(serial)
      const digest = hashUdi(device.pid, device.serial)
      this.#byDevice.set(formatDeviceKey(device), instances.filter(isDevice))
      this.#reserved.set(
        formatDeviceKey(device),
        reserved.filter(isDevice).map(({ account_id }) => account_id),
      )
      this.#conflicts.set(
        formatDeviceKey(device),
        conflicts.filter(({ udi }) => udi === digest),
      )
    }
  }

  /** Adds a new instance. */
  add(row: InstanceRow): void {
    const added = { ...row, revision: this.#transaction.revision }
    this.#newRows.push(added)
    this.#added.add(row.id)
    this.#byThumbprint.set(row.thumbprint, added)
    this.#byRegisteredKey.set(row.registered_key, [
      ...(this.#byRegisteredKey.get(row.registered_key) ?? []),
      added,
    ])
    this.#byDevice.set(formatDeviceKey(row), [...(this.#byDevice.get(formatDeviceKey(row)) ?? []), added])
  }

  /** Returns true if an instance was added since the last `clear`. */
  isAdded(id: string): boolean {
    return this.#added.has(id)
  }

  /** Records the newest answer to an instance. */
  recordAnswer(row: InstanceRow, answer: RecordedAnswer): void {
    Object.assign(row, answer)
    this.#answers.set(row.id, answer)
  }

  /** Records the software version that an instance runs. */
  recordVersion(row: InstanceRow, version: string): void {
    row.version = version
    this.#versions.set(row.id, version)
    this.touch(row.id)
  }

  /** Records the product profile that an instance names. */
  recordProfile(row: InstanceRow, { name, version }: ProfileId): void {
    row.profile_name = name
    row.profile_version = version
    this.#profiles.set(row.id, { profile_name: name, profile_version: version })
  }

  /** Marks an instance as changed, so that a satellite reports it to its manager. */
  touch(id: string): void {
    this.#touched.add(id)
  }

  async flush(): Promise<void> {
    const { tx, revision } = this.#transaction
    if (this.#newRows.length > 0) await tx.insertInto('instances').values(this.#newRows).execute()
    if (this.#answers.size > 0) await writeAnswers(tx, this.#answers)
    for (const [id, version] of this.#versions)
      await tx.updateTable('instances').set({ version }).where('id', '=', id).execute()
    for (const [id, profile] of this.#profiles)
      await tx.updateTable('instances').set(profile).where('id', '=', id).execute()
    // At a manager every revision is 0 and stays 0.
    if (this.#touched.size > 0 && revision > 0)
      await tx
        .updateTable('instances')
        .set({ revision })
        .where('id', 'in', [...this.#touched])
        .execute()
    this.#newRows.length = 0
    for (const written of [this.#answers, this.#versions, this.#profiles, this.#touched]) written.clear()
  }

  /** Drops the cached rows. */
  clear(): void {
    for (const cache of [
      this.#byThumbprint,
      this.#byRegisteredKey,
      this.#byDevice,
      this.#reserved,
      this.#conflicts,
      this.#added,
    ])
      cache.clear()
  }
}

/**
 * Writes every answer in one statement. The casts are needed because PostgreSQL takes an untyped parameter for
 * text.
 */
async function writeAnswers(tx: Tx, answers: ReadonlyMap<string, RecordedAnswer>): Promise<void> {
  const rows = [...answers].map(
    ([id, answer]) => sql`(
      ${id}, cast(${answer.epoch} as bigint), cast(${answer.sequence} as bigint), ${answer.request_digest}, ${answer.message_id},
      ${answer.decision}, ${answer.last_answer}, ${answer.previous_answer}, cast(${answer.last_contact_at} as bigint)
    )`,
  )
  await sql`
    with new (id, epoch, sequence, request_digest, message_id, decision, last_answer, previous_answer, last_contact_at)
      as (values ${sql.join(rows)})
    update instances set epoch = new.epoch, sequence = new.sequence, request_digest = new.request_digest,
      message_id = new.message_id, decision = new.decision, last_answer = new.last_answer,
      previous_answer = new.previous_answer, last_contact_at = new.last_contact_at
    from new where instances.id = new.id
  `.execute(tx)
}
