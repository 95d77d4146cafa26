import type { Status } from '../../index.ts'
import { formatLicenses } from '../format-licenses.ts'
import { formatCodeNotice, type QrOptions } from '../codes.ts'

/** Formats the reserved licenses as one line. */
export const formatReserved = ({ reservation }: Status): string =>
  formatLicenses(reservation.entitlements) || 'no licenses'

export const formatConfirmation = (status: Status, code: string, options: QrOptions): Promise<string> =>
  formatCodeNotice(
    'Confirmation code',
    code,
    [
      'If the code is not entered yet, enter it at the authority (Product Instances, Actions, Enter Confirmation Code):',
      `  smart-authority reservation confirm --instance ${status.registration.instanceId ?? 'INSTANCE'} --code CODE`,
    ],
    options,
  )

export const formatReturn = (status: Status, code: string, options: QrOptions): Promise<string> =>
  formatCodeNotice(
    'Reservation return code',
    code,
    [
      'Enter the code at the authority (Product Instances, Actions, Remove):',
      `  smart-authority instance remove ${status.registration.instanceId ?? 'INSTANCE'} --return-code CODE`,
      'Then complete the return on this device: smart-agent reservation return',
    ],
    options,
  )

/** Formats `reservation show`: the status of the reservation and the code to enter at the authority. */
export async function formatReservation(status: Status, options: QrOptions): Promise<string> {
  const { reservation } = status
  switch (reservation.status) {
    case 'none':
      return reservation.returnCode === null
        ? 'This device has no reservation, and none is requested.'
        : `${await formatCodeNotice(
            'This device has no reservation. Return code of the previous reservation',
            reservation.returnCode,
            [
              `If the code is not entered yet, enter it at the authority for the product instance ${reservation.returned.at(-1)?.instanceId ?? ''}.`,
            ],
            options,
          )}${formatEarlierCodes(status)}`
    case 'requested': {
      const request = await formatCodeNotice(
        'A reservation is requested. Reservation request code',
        reservation.requestCode ?? '',
        ['Install the authorization file on this device: smart-agent reservation install FILE'],
        options,
      )
      if (reservation.returnCode === null) return request
      const previous = await formatCodeNotice(
        'Return code of the previous reservation',
        reservation.returnCode,
        [
          'If this code is not entered yet, enter it at the authority first. The authority requires it before a new reservation.',
        ],
        { qr: false },
      )
      return `${request}\n\n${previous}`
    }
    case 'installed': {
      const line = `Reserved for this device: ${formatReserved(status)}.`
      const { confirmationCode } = reservation
      return confirmationCode === null
        ? line
        : `${line}\n${await formatConfirmation(status, confirmationCode, options)}`
    }
    case 'returning':
      return formatReturn(status, reservation.returnCode ?? '', options)
  }
}

/** Formats the return codes of earlier reservations, because one of them may not have been entered yet. */
function formatEarlierCodes({ reservation: { returned } }: Status): string {
  const lines = returned
    .slice(0, -1)
    .map(({ instanceId, returnCode, returnedAt }) => `  ${returnedAt}  ${instanceId}  ${returnCode}`)
  return lines.length === 0 ? '' : `\n\nEarlier return codes:\n${lines.join('\n')}`
}
