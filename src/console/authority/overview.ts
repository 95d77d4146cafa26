import type { Authority } from '../../authority/authority.ts'
import { LicensingError } from '../../core/errors.ts'
import { implement } from '../../http/procedures.ts'
import { formatCertificateFingerprint } from '../../pki/fingerprint.ts'
import { overviewContract } from './overview-contract.ts'

export const createOverviewProcedures = (authority: Authority) =>
  implement(overviewContract, {
    overview: async (_, caller) => ({
      role: authority.security.identity.role,
      test: authority.security.identity.test,
      accounts: (await authority.accounts.list())
        .map(({ domain }) => domain)
        .filter((domain) => caller.account === null || caller.account === domain),
      fingerprint: getRootFingerprint(authority),
      tags: authority.licenses.profile.current.tags.map(({ tag, name }) => ({ tag, name })),
      skus: authority.licenses.profile.current.skus.map(({ sku, description, grants }) => ({
        sku,
        description,
        tag: grants.kind === 'licenses' ? grants.tag : null,
      })),
    }),
  })

/** Returns the fingerprint of the root; null at a satellite without a root. */
function getRootFingerprint(authority: Authority): string | null {
  try {
    return formatCertificateFingerprint(authority.trustAnchor())
  } catch (error) {
    if (error instanceof LicensingError && error.code === 'SATELLITE_NOT_REGISTERED') return null
    throw error
  }
}
