import type { Authority } from '../../authority/authority.ts'
import { LicensingError } from '../../core/errors.ts'
import { implement } from '../../http/procedures.ts'
import { certificateFingerprint } from '../../pki/fingerprint.ts'
import { overviewContract } from './overview-contract.ts'

export const overviewProcedures = (authority: Authority) =>
  implement(overviewContract, {
    overview: async (_, caller) => ({
      role: authority.security.identity.role,
      test: authority.security.identity.test,
      accounts: (await authority.accounts.list())
        .map(({ domain }) => domain)
        .filter((domain) => caller.account === null || caller.account === domain),
      fingerprint: rootFingerprint(authority),
      tags: authority.licenses.product.tags.map(({ tag, name }) => ({ tag, name })),
      skus: authority.licenses.product.skus.map(({ sku, description, gives }) => ({
        sku,
        description,
        tag: gives.kind === 'licenses' ? gives.tag : null,
      })),
    }),
  })

/** Returns null at a satellite that has no root yet. */
function rootFingerprint(authority: Authority): string | null {
  try {
    return certificateFingerprint(authority.trustAnchor())
  } catch (error) {
    if (error instanceof LicensingError && error.code === 'SATELLITE_NOT_REGISTERED') return null
    throw error
  }
}
