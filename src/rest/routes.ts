type Version = 'v1' | 'v2' | 'v3'

/** Path prefixes of the generations of Cisco's API. */
const FAMILIES = {
  /** Prefixes of the older cloud hosts. Real clients also send the prefix twice. */
  cloudV1: [
    '/services/api/smart-accounts-and-licensing',
    '/services/api/services/api/smart-accounts-and-licensing',
  ],
  onPrem: ['/api/v1', '/backend/api/v1'],
  cloudV2: ['/v1/software/apis'],
} as const

/** Returns a path in the given versions of the older cloud family. */
export const cloudV1Routes = (path: string, versions: readonly Version[] = ['v1', 'v2', 'v3']): string[] =>
  FAMILIES.cloudV1.flatMap((prefix) => versions.map((version) => `${prefix}/${version}${path}`))

export const onPremRoutes = (path: string): string[] => FAMILIES.onPrem.map((prefix) => `${prefix}${path}`)

export const cloudV2Routes = (...paths: readonly string[]): string[] =>
  paths.flatMap((path) => FAMILIES.cloudV2.map((prefix) => `${prefix}${path}`))

/** Returns a path in the older cloud family and the on-premises family, which share their paths. */
export const sharedRoutes = (path: string): string[] => [...cloudV1Routes(path), ...onPremRoutes(path)]

export const isOnPrem = (url: string): boolean =>
  FAMILIES.onPrem.some((prefix) => url.startsWith(`${prefix}/`))

/** Prefixes of this API alone. A missing path below them gets an error in the format of this API. */
export const RESERVED_PREFIXES: readonly string[] = [
  ...FAMILIES.cloudV1,
  '/backend/api/v1',
  ...FAMILIES.cloudV2,
  '/api/v1/accounts',
]
