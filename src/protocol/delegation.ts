import { z } from 'zod'
import { entitlementTagSchema } from '../core/entitlement.ts'

/** A satellite's leave to act, signed by its manager and carried in each of its answers (trust §7). */
export const delegationSchema = z.object({
  use: z.literal('mandate'),
  satellite: z.uuid(),
  account: z.string().min(1).max(253),
  /** The SHA-256 of the issuing CA's public key, base64url: the mandate is of whoever holds it. */
  issuingKey: z.string().length(43),
  epoch: z.int().min(1),
  sequence: z.int().min(1),
  /** The most of each tag that may be in use at any time while it lasts. */
  quantities: z.array(z.object({ tag: entitlementTagSchema, quantity: z.int().min(0) })).max(1000),
  issuedAt: z.iso.datetime({ precision: 3 }),
  notAfter: z.iso.datetime({ precision: 3 }),
})
export type Delegation = z.infer<typeof delegationSchema>

/** Which of two mandates of one satellite is newer, as a difference. */
export const compareDelegations = (
  a: { epoch: number; sequence: number },
  b: { epoch: number; sequence: number },
): number => a.epoch - b.epoch || a.sequence - b.sequence
