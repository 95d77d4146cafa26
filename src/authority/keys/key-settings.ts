import { type Tx, writeSetting } from '../store/store.ts'

/** Names of the settings about keys and certificates. */
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
  'served-names',
] as const
type KeySetting = (typeof KEY_SETTINGS)[number]

/** The settings of each transaction. They are read once, in one query, because each exchange needs several. */
const settingsByTransaction = new WeakMap<Tx, Map<string, string>>()

/** Returns a setting about keys, or null if it does not exist. */
export async function readKeySetting(tx: Tx, name: KeySetting): Promise<string | null> {
  const settings = settingsByTransaction.get(tx) ?? (await readAll(tx))
  return settings.get(name) ?? null
}

async function readAll(tx: Tx): Promise<Map<string, string>> {
  const rows = await tx
    .selectFrom('settings')
    .select(['name', 'value'])
    .where('name', 'in', KEY_SETTINGS)
    .execute()
  const settings = new Map(rows.map(({ name, value }) => [name, value]))
  settingsByTransaction.set(tx, settings)
  return settings
}

export async function writeKeySetting(tx: Tx, name: KeySetting, value: string): Promise<void> {
  await writeSetting(tx, name, value)
  settingsByTransaction.get(tx)?.set(name, value)
}

export async function removeKeySetting(tx: Tx, name: KeySetting): Promise<void> {
  await tx.deleteFrom('settings').where('name', '=', name).execute()
  settingsByTransaction.get(tx)?.delete(name)
}
