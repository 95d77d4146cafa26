import type { Status } from '../../index.ts'
import { formatLicenses } from '../format-licenses.ts'
import { formatCodeNotice, type QrOptions } from '../codes.ts'

/** What is reserved, in a line. */
export const formatReserved = ({ reservation }: Status): string =>
  formatLicenses(reservation.entitlements) || 'nothing any more'

export const formatConfirmation = (status: Status, code: string, options: QrOptions): Promise<string> =>
  formatCodeNotice(
    'Confirmation code',
    code,
    [
      'Unless it was entered already, enter it at the authority (Product Instances, Actions, Enter Confirmation Code):',
      `  smart-authority reservation confirm --instance ${status.registration.instanceId ?? 'INSTANCE'} --code CODE`,
    ],
    options,
  )

export const formatReturn = (status: Status, code: string, options: QrOptions): Promise<string> =>
  formatCodeNotice(
    'Reservation return code',
    code,
    [
      'Enter it at the authority (Product Instances, Actions, Remove):',
      `  smart-authority instance remove ${status.registration.instanceId ?? 'INSTANCE'} --return-code CODE`,
      'Then complete the return here: smart-agent reservation return',
    ],
    options,
  )

/** `reservation show` for people: where the reservation stands, and the code that waits to be carried. */
export async function formatReservation(status: Status, options: QrOptions): Promise<string> {
  const { reservation } = status
  switch (reservation.status) {
    case 'none':
      return reservation.returnCode === null
        ? 'This box works from no reservation, and none was requested.'
        : `${await formatCodeNotice(
            'This box works from no reservation. Return code of the last one',
            reservation.returnCode,
            [
              `Unless it was entered already, it belongs to instance ${reservation.returned.at(-1)?.instanceId ?? ''} at the authority.`,
            ],
            options,
          )}${formatEarlierCodes(status)}`
    case 'requested': {
      const request = await formatCodeNotice(
        'A reservation was requested. Reservation request code',
        reservation.requestCode ?? '',
        ['Install its authorization file here: smart-agent reservation install FILE'],
        options,
      )
      if (reservation.returnCode === null) return request
      const last = await formatCodeNotice(
        'Return code of the reservation before',
        reservation.returnCode,
        ['Unless it was entered already, the authority asks for it before it reserves anew.'],
        { qr: false },
      )
      return `${request}\n\n${last}`
    }
    case 'installed': {
      const line = `Reserved for this box: ${formatReserved(status)}.`
      const { confirmationCode } = reservation
      return confirmationCode === null
        ? line
        : `${line}\n${await formatConfirmation(status, confirmationCode, options)}`
    }
    case 'returning':
      return formatReturn(status, reservation.returnCode ?? '', options)
  }
}

/** The codes of reservations before the last: one of them may never have been entered. */
function formatEarlierCodes({ reservation: { returned } }: Status): string {
  const lines = returned
    .slice(0, -1)
    .map(({ instanceId, returnCode, returnedAt }) => `  ${returnedAt}  ${instanceId}  ${returnCode}`)
  return lines.length === 0 ? '' : `\n\nEarlier ones:\n${lines.join('\n')}`
}
