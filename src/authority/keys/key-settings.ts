import { type Tx, writeSetting } from '../store/store.ts'

/** The settings about keys and certificates. */
const NAMES = [
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
type KeySetting = (typeof NAMES)[number]

/** As they are in a transaction: each exchange asks for several, and they are read together, once. */
const known = new WeakMap<Tx, Map<string, string>>()

/** A setting about keys; null when it was never written. */
export async function readKeySetting(tx: Tx, name: KeySetting): Promise<string | null> {
  const there = known.get(tx) ?? (await readAll(tx))
  return there.get(name) ?? null
}

async function readAll(tx: Tx): Promise<Map<string, string>> {
  const rows = await tx.selectFrom('settings').select(['name', 'value']).where('name', 'in', NAMES).execute()
  const there = new Map(rows.map(({ name, value }) => [name, value]))
  known.set(tx, there)
  return there
}

export async function writeKeySetting(tx: Tx, name: KeySetting, value: string): Promise<void> {
  await writeSetting(tx, name, value)
  known.get(tx)?.set(name, value)
}

export async function removeKeySetting(tx: Tx, name: KeySetting): Promise<void> {
  await tx.deleteFrom('settings').where('name', '=', name).execute()
  known.get(tx)?.delete(name)
}
