import { z } from 'zod'
import { hashSchema } from './sync-request.ts'

/** Media type of synchronization requests and answers, which are signed texts and not JSON. */
export const SYNC_CONTENT_TYPE = 'application/vnd.smart-licensing.sync'

/** Header that authenticates the sender before the body is read. */
export const SYNC_PROOF_HEADER = 'satellite-proof'

/** Proof of the sender, the recipient and the content of a request body, so that the body cannot be replaced. */
export interface SyncProof {
  readonly use: 'sync-proof'
  /** Id of the manager that the body is sent to. */
  readonly manager: string
  readonly account: string
  /** Public key of the satellite: SPKI, base64url. */
  readonly key: string
  /** Length of the body in bytes. */
  readonly length: number
  /** SHA-256 of the body, base64url. */
  readonly digest: string
}

export const syncProofSchema: z.ZodType<SyncProof> = z.strictObject({
  use: z.literal('sync-proof'),
  manager: z.uuid(),
  account: z.string().min(1).max(253),
  key: z.string().regex(/^[A-Za-z0-9_-]{80,160}$/),
  length: z.int().min(1),
  digest: hashSchema,
})
