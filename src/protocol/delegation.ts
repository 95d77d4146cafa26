import { z } from 'zod'
import { entitlementTagSchema } from '../core/entitlement.ts'

/** Delegation of a satellite: signed by its manager and included in each of the satellite's answers. */
export const delegationSchema = z.object({
  use: z.literal('mandate'),
  satellite: z.uuid(),
  account: z.string().min(1).max(253),
  /** SHA-256 of the public key of the issuing CA that the delegation is bound to, base64url. */
  issuingKey: z.string().length(43),
  epoch: z.int().min(1),
  sequence: z.int().min(1),
  /** Maximum usage of each tag at any time while the delegation is valid. */
  quantities: z.array(z.object({ tag: entitlementTagSchema, quantity: z.int().min(0) })).max(1000),
  issuedAt: z.iso.datetime({ precision: 3 }),
  notAfter: z.iso.datetime({ precision: 3 }),
})
export type Delegation = z.infer<typeof delegationSchema>

/** Compares two delegations of one satellite by age: positive if `a` is newer. */
export const compareDelegations = (
  a: { epoch: number; sequence: number },
  b: { epoch: number; sequence: number },
): number => a.epoch - b.epoch || a.sequence - b.sequence
