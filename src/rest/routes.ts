type Version = 'v1' | 'v2' | 'v3'

/** The generations of the field's API, and the prefixes of their paths. */
const FAMILIES = {
  /** The older cloud hosts. Real clients also send the prefix doubled. */
  cloudV1: [
    '/services/api/smart-accounts-and-licensing',
    '/services/api/services/api/smart-accounts-and-licensing',
  ],
  onPrem: ['/api/v1', '/backend/api/v1'],
  cloudV2: ['/v1/software/apis'],
} as const

/** Returns a path in the older cloud family, in the versions that know it. */
export const cloudV1Routes = (path: string, versions: readonly Version[] = ['v1', 'v2', 'v3']): string[] =>
  FAMILIES.cloudV1.flatMap((prefix) => versions.map((version) => `${prefix}/${version}${path}`))

/** Returns a path in the on-premises family. */
export const onPremRoutes = (path: string): string[] => FAMILIES.onPrem.map((prefix) => `${prefix}${path}`)

/** Returns paths in the newer cloud family. */
export const cloudV2Routes = (...paths: readonly string[]): string[] =>
  paths.flatMap((path) => FAMILIES.cloudV2.map((prefix) => `${prefix}${path}`))

/** Returns a path in the older cloud family and in the on-premises one, which share their paths. */
export const sharedRoutes = (path: string): string[] => [...cloudV1Routes(path), ...onPremRoutes(path)]

export const isOnPrem = (url: string): boolean =>
  FAMILIES.onPrem.some((prefix) => url.startsWith(`${prefix}/`))

/** Prefixes that belong to this API alone: a missing path below them is answered in its way too. */
export const RESERVED_PREFIXES: readonly string[] = [
  ...FAMILIES.cloudV1,
  '/backend/api/v1',
  ...FAMILIES.cloudV2,
  '/api/v1/accounts',
]
