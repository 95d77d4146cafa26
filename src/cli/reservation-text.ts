import type { Status } from '../agent/status.ts'
import { codeText, type QrOptions } from './carry.ts'

/** What is reserved, in a line. */
export const reservedLine = ({ reservation }: Status): string =>
  reservation.entitlements
    .map(({ tag, count, endsAt }) => `${count} of ${tag}${endsAt === null ? '' : ` until ${endsAt}`}`)
    .join(', ') || 'nothing any more'

export const confirmationText = (status: Status, code: string, options: QrOptions): Promise<string> =>
  codeText(
    'Confirmation code',
    code,
    [
      'Enter it at the authority (Product Instances, Actions, Enter Confirmation Code):',
      `  smart-authority reservation confirm --instance ${status.registration.instanceId ?? 'INSTANCE'} --code CODE`,
    ],
    options,
  )

export const returnText = (status: Status, code: string, options: QrOptions): Promise<string> =>
  codeText(
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
export async function reservationText(status: Status, options: QrOptions): Promise<string> {
  const { reservation } = status
  switch (reservation.status) {
    case 'none':
      return reservation.returnCode === null
        ? 'This box works from no reservation, and none was requested.'
        : codeText(
            'This box works from no reservation. Return code of the last one',
            reservation.returnCode,
            ['Where it was not entered at the authority yet, it still can be.'],
            options,
          )
    case 'requested':
      return codeText(
        'A reservation was requested. Reservation request code',
        reservation.requestCode ?? '',
        ['Install its authorization file here: smart-agent reservation install FILE'],
        options,
      )
    case 'installed': {
      const line = `Reserved for this box: ${reservedLine(status)}.`
      const { confirmationCode } = reservation
      return confirmationCode === null
        ? line
        : `${line}\n${await confirmationText(status, confirmationCode, options)}`
    }
    case 'returning':
      return returnText(status, reservation.returnCode ?? '', options)
  }
}
