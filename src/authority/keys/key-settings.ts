import { type Tx, writeSetting } from '../store/store.ts'

/** The settings about keys and certificates. */
const KEY_SETTINGS = [
  'authority',
  'issuing-ca-key',
  'next-issuing-ca-key',
  'reservation-key',
  'answer-signer',
  'reservation-signer',
  'sync',
  'audit-signer',
  'tls',
  'server-names',
] as const
type KeySetting = (typeof KEY_SETTINGS)[number]

/** As they are in a transaction: each exchange asks for several, and they are read together, once. */
const settingsByTransaction = new WeakMap<Tx, Map<string, string>>()

/** A setting about keys; null when it was never written. */
export async function readKeySetting(tx: Tx, name: KeySetting): Promise<string | null> {
  const there = settingsByTransaction.get(tx) ?? (await readAll(tx))
  return there.get(name) ?? null
}

async function readAll(tx: Tx): Promise<Map<string, string>> {
  const rows = await tx
    .selectFrom('settings')
    .select(['name', 'value'])
    .where('name', 'in', KEY_SETTINGS)
    .execute()
  const there = new Map(rows.map(({ name, value }) => [name, value]))
  settingsByTransaction.set(tx, there)
  return there
}

export async function writeKeySetting(tx: Tx, name: KeySetting, value: string): Promise<void> {
  await writeSetting(tx, name, value)
  settingsByTransaction.get(tx)?.set(name, value)
}

export async function removeKeySetting(tx: Tx, name: KeySetting): Promise<void> {
  await tx.deleteFrom('settings').where('name', '=', name).execute()
  settingsByTransaction.get(tx)?.delete(name)
}
