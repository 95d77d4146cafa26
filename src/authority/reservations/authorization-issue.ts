import type { AccountContext } from '../context/account-context.ts'
import { formatAuthorization } from '../../protocol/authorization-file.ts'
import { listRotationsAfter } from '../../pki/root-rotation.ts'
import { signText } from '../../pki/sign-text.ts'
import { type IssuingLimits } from '../satellite-sync/issuing-limits.ts'
import {
  type ReservationDocument,
  findAuthorizationEpoch,
  listReservedParts,
  toReservationDocument,
  type ReservationRow,
} from '../inventory/reservation-ledger.ts'
import { TimeFloor } from '../store/time-floor.ts'

/** Quantities to reserve, by tag. */
export type Quantities = Readonly<Record<string, number>>

/** A smart account with the present issuing limits of the authority. */
export interface ReservationContext extends AccountContext {
  readonly limits: IssuingLimits
}

export async function issueAuthorization(
  context: ReservationContext,
  row: ReservationRow,
): Promise<ReservationDocument & { file: string }> {
  const document = await toReservationDocument(context, row)
  const parts = await listReservedParts(context, row, row.sequence)
  const names = new Map(context.profile.tags.map(({ tag, name }) => [tag, name]))
  const lines = formatAuthorization({
    udi: document.udi,
    smartAccount: context.account.domain,
    virtualAccount: document.virtualAccount,
    authorityId: context.credentials.keyRing.identity.id,
    reservationId: row.id,
    request: row.request,
    epoch:
      (await findAuthorizationEpoch(context, row, row.sequence)) ??
      context.credentials.keyRing.identity.epoch,
    sequence: row.sequence,
    issuedAt: context.at,
    licenses: [...parts].flatMap(([tag, list]) =>
      list.map((part) => ({ tag, name: names.get(tag) ?? tag, ...part })),
    ),
    deviceKey: row.device_key,
    authorityKey: context.credentials.reservationKeys.getPublicKey(),
    trustBundle: context.credentials.keyRing.identity.trust.number,
    mandate: context.limits.mandate,
    trustBundles: listRotationsAfter(context.credentials.keyRing.identity.trust, 0),
  })
  await TimeFloor.raise(context.tx, context.at)
  const signer = await context.credentials.signer(context.tx, 'reservation-signer', context.at)
  return { ...document, file: signText(lines, signer) }
}
