import { sql } from 'kysely'
import { isIP } from 'node:net'
import { LicensingError } from '../../core/errors.ts'
import { isLoopbackName, parseHostName } from '../../core/host-name.ts'
import { parseCertificates } from '../../pki/chain-validation.ts'
import { isWithin, type NameConstraints, readNameConstraints } from '../../pki/name-constraints.ts'
import type { Tx } from '../store/store.ts'

/** Characters of all names of a satellite together: a certificate that has them goes along with every answer. */
const MAX_NAMES_LENGTH = 2_000

const getTotalLength = (names: readonly string[]): number => names.join(' ').length

/** The manager's name that a satellite's certificates would be for, were they for a name: itself, or one below it. */
const findManagerName = (name: string, managerNames: readonly string[]): string | undefined =>
  managerNames.find((one) => isWithin(one, name))

const createNameError = (name: string, managerName: string): LicensingError =>
  new LicensingError(
    'TLS_NAME_OF_MANAGER',
    name === managerName
      ? `${name} is a name of the manager, which no satellite may have.`
      : `${name} covers ${managerName}, a name of the manager, which no satellite may have.`,
  )

/**
 * Checks the names that the manager's people give the servers of a satellite.
 *
 * @returns them in their one spelling, without those that every machine has
 * @throws LicensingError INVALID_ARGUMENT, TLS_NAME_OF_MANAGER
 */
export function checkTlsNames(names: readonly string[], managerNames: readonly string[]): string[] {
  const good = new Set<string>()
  for (const text of names) {
    const name = parseHostName(text)
    if (name === null)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `${JSON.stringify(text.slice(0, 100))} is no name of a server: it is a host name or an IP address.`,
      )
    const taken = findManagerName(name, managerNames)
    if (taken !== undefined) throw createNameError(name, taken)
    if (!isLoopbackName(name)) good.add(name)
  }
  if (getTotalLength([...good]) > MAX_NAMES_LENGTH)
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The names of a satellite's servers have ${MAX_NAMES_LENGTH} characters at most, all together.`,
    )
  return [...good].sort()
}

/** The names that a satellite's certificates may be for, and what its people should know of others. */
export interface CertifiableNames {
  readonly constraints: NameConstraints
  readonly notices: readonly string[]
}

/**
 * Returns the names that a satellite's CA is to be constrained to: those its manager's people gave it, or else those it
 * asks for.
 *
 * @param given null where the manager's people gave it none
 * @throws LicensingError TLS_NAME_OF_MANAGER: it asks for a name of its manager
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
    // One label alone may be a whole country: its people must have said so.
    const whole = asked.filter((name) => isIP(name) === 0 && !name.includes('.'))
    permitted = asked.filter((name) => !isLoopbackName(name) && !whole.includes(name)).sort()
    const others = whole.filter((name) => !isLoopbackName(name))
    if (others.length > 0)
      notices.push(
        `No certificate is for ${others.join(', ')}: the manager gives a name without a dot with \`satellite configure NAME --tls-name\`.`,
      )
    if (getTotalLength(permitted) > MAX_NAMES_LENGTH) {
      notices.push('The names of the servers are too many: certificates are for none of them.')
      permitted = []
    }
  } else {
    // The manager's own names may have changed since these were given.
    const taken = given.filter((name) => findManagerName(name, managerNames) !== undefined)
    permitted = given.filter((name) => !taken.includes(name)).sort()
    if (taken.length > 0)
      notices.push(`No certificate is for ${taken.join(', ')} any more: the manager has that name now.`)
  }
  return { constraints: { permitted, excluded: listExcludedNames(permitted, managerNames) }, notices }
}

/**
 * The manager's names, so that no CA of a satellite covers one, whatever it is permitted. One that a permitted name is
 * below would exclude that; nothing that is permitted covers it.
 */
function listExcludedNames(permitted: readonly string[], managerNames: readonly string[]): string[] {
  const excluded: string[] = []
  for (const name of [...managerNames].sort((one, other) => one.length - other.length)) {
    const needed =
      !permitted.some((one) => isWithin(one, name)) && !excluded.some((one) => isWithin(name, one))
    if (needed && getTotalLength([...excluded, name]) <= MAX_NAMES_LENGTH) excluded.push(name)
  }
  return excluded
}

/** The names of the TLS certificates that a satellite's CA may issue: of its certificates, PEM. */
export const listCertifiedNames = (issuingCa: string | null): string[] =>
  issuingCa === null
    ? []
    : [...new Set(parseCertificates(issuingCa).flatMap((one) => readNameConstraints(one)?.permitted ?? []))]

/** The satellites whose CA may issue certificates for a name of this manager, which were certified before it had that name. */
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
      (one) => findManagerName(one, managerNames) !== undefined,
    )
    return name === undefined ? [] : [{ satellite: row.name, accountId: row.account_id, name }]
  })
}
