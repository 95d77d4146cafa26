import { z } from 'zod'
import { hashSchema } from './sync-request.ts'

/** The media type of a synchronization request and of its answer: a signed text, which is no JSON. */
export const SYNC_CONTENT_TYPE = 'application/vnd.smart-licensing.sync'

/** The header that proves, before the body is read, whose request it is. */
export const SYNC_PROOF_HEADER = 'satellite-proof'

/** Says whose the body is that follows, to whom it goes and what it is, so that nothing else can be sent in its place. */
export interface SyncProof {
  readonly use: 'sync-proof'
  /** The id of the manager that it is for. */
  readonly manager: string
  readonly account: string
  /** The satellite's public key, SPKI in base64url. */
  readonly key: string
  /** Bytes of the body. */
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
