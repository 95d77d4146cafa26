import { z } from 'zod'
import { LicensingError } from '../../core/errors.ts'
import { readKeySetting, writeKeySetting } from './key-settings.ts'
import type { Tx } from '../store/store.ts'

/** The number of the first root, which no bundle tells of. */
export const INITIAL_ROOT_VERSION = 1

/** Who the authority is: public facts only. */
const identitySchema = z.object({
  id: z.string(),
  account: z.string(),
  role: z.enum(['manager', 'satellite']),
  test: z.boolean(),
  /** Restores of this authority so far, plus one (trust §9). */
  epoch: z.int().min(1),
  /** The manager's roots, the newest first, and the issuing CA under them: null at a satellite that does not have them yet. */
  root: z.string().nullable(),
  issuingCa: z.string().nullable(),
  /** While a root is replaced: certificates of the same issuing CA by the other root. */
  crossSignedCas: z.array(z.string()),
  /** Issuing CAs that were replaced: identities that they issued are still this authority's. */
  previousCas: z.array(z.string()),
  /** The newest bundle of roots, the signed bundles up to it, and until when older roots are believed beside the newest. */
  trust: z.object({ number: z.int(), bundles: z.array(z.string()), until: z.number().nullable() }),
})
export type AuthorityIdentity = z.infer<typeof identitySchema>

/** @throws LicensingError STORE_UNREADABLE */
export async function readIdentity(tx: Tx): Promise<AuthorityIdentity | null> {
  const json = await readKeySetting(tx, 'authority')
  if (json === null) return null
  const parsed = identitySchema.safeParse(JSON.parse(json))
  if (parsed.success) return parsed.data
  throw new LicensingError('STORE_UNREADABLE', 'The database does not say which authority it is of.')
}

export async function writeIdentity(tx: Tx, identity: AuthorityIdentity): Promise<void> {
  await writeKeySetting(tx, 'authority', JSON.stringify(identity))
}
