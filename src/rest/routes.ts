/** Where the older cloud hosts serve the API; the last is what real clients send, a prefix of theirs doubled. */
const LEGACY = [
  '/services/api/smart-accounts-and-licensing',
  '/services/api/services/api/smart-accounts-and-licensing',
]
const ON_PREMISES = ['/api/v1', '/backend/api/v1']
const NEW = '/v1/software/apis'

type Version = 'v1' | 'v2' | 'v3'

/** The older cloud family, in the versions that know the path; every one unless named. */
export const legacy = (path: string, versions: readonly Version[] = ['v1', 'v2', 'v3']): string[] =>
  LEGACY.flatMap((prefix) => versions.map((version) => `${prefix}/${version}${path}`))

/** The on-premises family. */
export const onPremises = (path: string): string[] => ON_PREMISES.map((prefix) => `${prefix}${path}`)

/** The newer cloud family. */
export const newer = (...paths: readonly string[]): string[] => paths.map((path) => `${NEW}${path}`)

/** The older cloud family and the on-premises one: the same paths. */
export const everywhere = (path: string): string[] => [...legacy(path), ...onPremises(path)]

export const isOnPremises = (route: string): boolean =>
  ON_PREMISES.some((prefix) => route.startsWith(`${prefix}/`))

/** Where nothing but this API is: what is not there is answered in its way too. */
export const OWN_PREFIXES: readonly string[] = [...LEGACY, '/backend/api/v1', NEW, '/api/v1/accounts']
