import { sql } from 'kysely'
import { isIP } from 'node:net'
import { LicensingError } from '../../core/errors.ts'
import { isLoopbackName, parseHostName } from '../../core/host-name.ts'
import { parseCertificates } from '../../pki/chain-validation.ts'
import { isWithin, type NameConstraints, readNameConstraints } from '../../pki/name-constraints.ts'
import type { Tx } from '../store/store.ts'

/** The maximum length of all names of a satellite together. The certificate with the names is part of every answer. */
const MAX_NAMES_LENGTH = 2_000

const getTotalLength = (names: readonly string[]): number => names.join(' ').length

/** Returns the manager's name that a permitted name would cover: the name itself or one below it. */
const findManagerName = (name: string, managerNames: readonly string[]): string | undefined =>
  managerNames.find((managerName) => isWithin(managerName, name))

const createNameError = (name: string, managerName: string): LicensingError =>
  new LicensingError(
    'TLS_NAME_OF_MANAGER',
    name === managerName
      ? `${name} is a name of the manager, which no satellite may have.`
      : `${name} covers ${managerName}, a name of the manager, which no satellite may have.`,
  )

/**
 * Checks the server names that an administrator of the manager sets for a satellite.
 *
 * @returns the names, normalized and without loopback names
 * @throws LicensingError INVALID_ARGUMENT, TLS_NAME_OF_MANAGER
 */
export function checkTlsNames(names: readonly string[], managerNames: readonly string[]): string[] {
  const valid = new Set<string>()
  for (const text of names) {
    const name = parseHostName(text)
    if (name === null)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `${JSON.stringify(text.slice(0, 100))} is not a server name. Use a host name or an IP address.`,
      )
    const taken = findManagerName(name, managerNames)
    if (taken !== undefined) throw createNameError(name, taken)
    if (!isLoopbackName(name)) valid.add(name)
  }
  if (getTotalLength([...valid]) > MAX_NAMES_LENGTH)
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The names of a satellite's servers have at most ${MAX_NAMES_LENGTH} characters altogether.`,
    )
  return [...valid].sort()
}

/** The names that a satellite's certificates may have, and notices about excluded names. */
export interface CertifiableNames {
  readonly constraints: NameConstraints
  readonly notices: readonly string[]
}

/**
 * Resolves the name constraints for a satellite's CA: the names that the manager has set, or the names that the
 * satellite requests.
 *
 * @param given the names that the manager has set, or null
 * @throws LicensingError TLS_NAME_OF_MANAGER if the satellite requests a name of its manager
 */
export function resolveNames(
  given: readonly string[] | null,
  asked: readonly string[],
  managerNames: readonly string[],
): CertifiableNames {
  const notices: string[] = []
  let permitted: readonly string[]
  if (given === null) {
    for (const name of asked) {
      const taken = findManagerName(name, managerNames)
      if (taken !== undefined) throw createNameError(name, taken)
    }
    // A name of one label could cover a whole top-level domain, so an administrator must set such a name.
    const singleLabels = asked.filter((name) => isIP(name) === 0 && !name.includes('.'))
    permitted = asked.filter((name) => !isLoopbackName(name) && !singleLabels.includes(name)).sort()
    const others = singleLabels.filter((name) => !isLoopbackName(name))
    if (others.length > 0)
      notices.push(
        `The certificates of the satellite exclude ${others.join(', ')}. Set a name without a dot at the manager with \`satellite configure NAME --tls-name\`.`,
      )
    if (getTotalLength(permitted) > MAX_NAMES_LENGTH) {
      notices.push(
        'The server names are too long altogether, so the certificates of the satellite exclude all of them.',
      )
      permitted = []
    }
  } else {
    // The manager's own names may have changed since the satellite's were set.
    const taken = given.filter((name) => findManagerName(name, managerNames) !== undefined)
    permitted = given.filter((name) => !taken.includes(name)).sort()
    if (taken.length > 0)
      notices.push(
        `The certificates of the satellite no longer contain ${taken.join(', ')}, which the manager uses now.`,
      )
  }
  return { constraints: { permitted, excluded: listExcludedNames(permitted, managerNames) }, notices }
}

/**
 * Lists the manager's names to exclude from a satellite's CA. A name above a permitted name is left out, because it
 * would exclude the permitted name too.
 */
function listExcludedNames(permitted: readonly string[], managerNames: readonly string[]): string[] {
  const excluded: string[] = []
  for (const name of [...managerNames].sort((a, b) => a.length - b.length)) {
    const needed =
      !permitted.some((host) => isWithin(host, name)) && !excluded.some((host) => isWithin(name, host))
    if (needed && getTotalLength([...excluded, name]) <= MAX_NAMES_LENGTH) excluded.push(name)
  }
  return excluded
}

/** Lists the names that a satellite's CA certificates permit. @param issuingCa PEM */
export const listCertifiedNames = (issuingCa: string | null): string[] =>
  issuingCa === null
    ? []
    : [
        ...new Set(
          parseCertificates(issuingCa).flatMap(
            (certificate) => readNameConstraints(certificate)?.permitted ?? [],
          ),
        ),
      ]

/**
 * Finds the satellites whose CA permits a name of this manager, because it was certified before the manager had that
 * name.
 */
export async function findSatellitesCovering(
  tx: Tx,
  managerNames: readonly string[],
): Promise<{ satellite: string; accountId: string; name: string }[]> {
  const rows = await tx
    .selectFrom('satellites')
    .select(['name', 'account_id', 'issuing_ca'])
    .where('status', '<>', sql.lit('removed'))
    .where('issuing_ca', 'is not', null)
    .execute()
  return rows.flatMap((row) => {
    const name = listCertifiedNames(row.issuing_ca).find(
      (certified) => findManagerName(certified, managerNames) !== undefined,
    )
    return name === undefined ? [] : [{ satellite: row.name, accountId: row.account_id, name }]
  })
}
