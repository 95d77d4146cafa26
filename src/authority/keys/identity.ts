import { z } from 'zod'
import { LicensingError } from '../../core/errors.ts'
import { readKeySetting, writeKeySetting } from './key-settings.ts'
import type { Tx } from '../store/store.ts'

/** The version of the first root, which has no rotation statement. */
export const INITIAL_ROOT_VERSION = 1

/** Schema of the public data that identify an authority. */
const identitySchema = z.object({
  id: z.string(),
  account: z.string(),
  role: z.enum(['manager', 'satellite']),
  test: z.boolean(),
  /** The number of restores of this authority, plus one. */
  epoch: z.int().min(1),
  /**
   * The manager's roots, newest first, and the issuing CA under them. Both are null at a satellite before its
   * first synchronization.
   */
  root: z.string().nullable(),
  issuingCa: z.string().nullable(),
  /** The certificates of the same issuing CA under the other root, while the root is being replaced. */
  crossSignedCas: z.array(z.string()),
  /** The replaced issuing CAs. ID certificates that they issued stay valid. */
  previousCas: z.array(z.string()),
  /** The newest root version, the signed rotation statements up to it, and the end of the older roots' validity. */
  trust: z.object({ number: z.int(), bundles: z.array(z.string()), until: z.number().nullable() }),
})
export type AuthorityIdentity = z.infer<typeof identitySchema>

/** @throws LicensingError STORE_UNREADABLE */
export async function readIdentity(tx: Tx): Promise<AuthorityIdentity | null> {
  const json = await readKeySetting(tx, 'authority')
  if (json === null) return null
  const parsed = identitySchema.safeParse(JSON.parse(json))
  if (parsed.success) return parsed.data
  throw new LicensingError(
    'STORE_UNREADABLE',
    'The database does not contain a valid identity of the authority.',
  )
}

export async function writeIdentity(tx: Tx, identity: AuthorityIdentity): Promise<void> {
  await writeKeySetting(tx, 'authority', JSON.stringify(identity))
}
