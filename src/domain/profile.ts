/** One entitlement tag of a product. */
export interface ProfileTag {
  readonly tag: string
  readonly name: string
  readonly description: string
}

/** The licensed tags of a product, as typed data: what may be counted, ordered and answered for. */
export interface ProductProfile {
  readonly name: string
  readonly tags: readonly ProfileTag[]
}

/** Deployment sizes and their ports (guide, "System Licenses"). */
export const SIZES = { micro: 50, small: 250, medium: 800, large: 2000 } as const
export type Size = keyof typeof SIZES

/** The shipped profile: the conferencing server of the guide. */
export const conferencing: ProductProfile = {
  name: 'conferencing',
  tags: [
    { tag: 'HOST', name: 'Host License', description: 'Permanent host licence, per host' },
    {
      tag: 'SYS-XL',
      name: 'Extended Capacity',
      description: 'Large deployment extended from 2000 to 4000 ports',
    },
    {
      tag: 'MDC-SMALL',
      name: 'Multi-data Center, small',
      description: 'Multi-data center, 250 concurrent users',
    },
    {
      tag: 'MDC-MEDIUM',
      name: 'Multi-data Center, medium',
      description: 'Multi-data center, 800 concurrent users',
    },
    {
      tag: 'MDC-LARGE',
      name: 'Multi-data Center, large and extra large',
      description: 'Multi-data center, 2000 concurrent users and more',
    },
  ],
}
