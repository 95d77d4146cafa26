import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import type { QrOptions } from '../codes.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `reservation`. */
export function createReservationCommand(cli: AgentCli): Command {
  const reservation = createCommand('reservation').description(
    'manage the specific license reservation of a device without a connection',
  )
  const { json, call, printStatus } = cli

  reservation
    .command('request')
    .description('print the reservation request code, which stays the same until it is canceled')
    .option('--qr', 'also draw the code as a QR code')
    .option('--no-qr', 'draw no QR code on a terminal')
    .action(async (options: QrOptions) => {
      const { requestCode } = await call<{ requestCode: string }>('reservation-request')
      if (json()) return printJson({ requestCode })
      const whatToDo = [
        'Enter the code at the authority (Licenses, License Reservation), which writes an authorization file:',
        '  smart-authority reservation reserve --request CODE --license TAG=QUANTITY --out FILE',
        'Install the file on this device: smart-agent reservation install FILE',
      ]
      await printCode('Reservation request code', requestCode, whatToDo, options)
    })
  reservation
    .command('cancel')
    .description('cancel the request and invalidate its code')
    .action(async () => {
      const { canceled } = await call<{ canceled: boolean }>('reservation-cancel')
      if (json()) printJson({ canceled })
      else
        printText(
          canceled
            ? 'The request is canceled. If an authorization file for it arrives later, return it with `smart-agent reservation discard FILE`.'
            : 'No request is pending.',
        )
    })
  reservation
    .command('show')
    .description('show the reserved licenses and the codes to enter at the authority')
    .option('--qr', 'also draw the code as a QR code')
    .option('--no-qr', 'draw no QR code on a terminal')
    .action(async (options: QrOptions) => {
      const status = await call<Status>('status')
      if (json()) return printJson(status.reservation)
      const { formatReservation } = await import('./format-reservation.ts')
      printText(await formatReservation(status, options))
    })
  for (const name of ['install', 'update'] as const) {
    reservation
      .command(name)
      .description(
        name === 'install'
          ? 'install the authorization file of the authority'
          : 'install a newer authorization file and print the confirmation code',
      )
      .argument('<file>', 'authorization file, or - for standard input')
      .option('--qr', 'also draw the confirmation code as a QR code')
      .option('--no-qr', 'draw no QR code on a terminal')
      .action(async (path: string, options: QrOptions) => {
        const { readSignedFile } = await import('../codes.ts')
        const status = await call<Status>(`reservation-${name}`, { file: await readSignedFile(path) })
        const { confirmationCode } = status.reservation
        if (json()) return printJson({ ...status, confirmationCode })
        const { formatConfirmation, formatReserved } = await import('./format-reservation.ts')
        printText(`Authorization code installed successfully: ${formatReserved(status)}.`)
        if (confirmationCode !== null) printText(await formatConfirmation(status, confirmationCode, options))
      })
  }
  reservation
    .command('return-code')
    .description('end the reservation on this device and print its return code')
    .option('--yes', 'do not ask for confirmation')
    .option('--qr', 'also draw the code as a QR code')
    .option('--no-qr', 'draw no QR code on a terminal')
    .action(async (options: QrOptions & { yes?: boolean }) => {
      const { reservation: before } = await call<Status>('status')
      if (before.status === 'installed') {
        const { confirm } = await import('../secrets.ts')
        await confirm(
          'Return all reserved licenses? The device is then limited to license management, and the reservation cannot be changed.',
          options.yes ?? false,
        )
      }
      const { returnCode } = await call<{ returnCode: string }>('reservation-return-code')
      if (json()) return printJson({ returnCode })
      const { formatReturn } = await import('./format-reservation.ts')
      printText(await formatReturn(await call<Status>('status'), returnCode, options))
    })
  reservation
    .command('return')
    .description('complete the return after the return code was entered at the authority')
    .action(async () => {
      await printStatus(await call<Status>('reservation-return'))
    })
  reservation
    .command('discard')
    .description(
      'return the licenses of an authorization file whose request was canceled, without installing it',
    )
    .argument('<file>', 'authorization file, or - for standard input')
    .option('--qr', 'also draw the return code as a QR code')
    .option('--no-qr', 'draw no QR code on a terminal')
    .action(async (path: string, options: QrOptions) => {
      const { readSignedFile } = await import('../codes.ts')
      const { instanceId, returnCode } = await call<{ instanceId: string; returnCode: string }>(
        'reservation-discard',
        { file: await readSignedFile(path) },
      )
      if (json()) return printJson({ returnCode, instanceId })
      const whatToDo = [
        'Enter the code at the authority to return the licenses to the pool:',
        `  smart-authority instance remove ${instanceId} --return-code CODE`,
      ]
      await printCode('Reservation return code', returnCode, whatToDo, options)
    })

  return reservation
}

/** Prints a code that an administrator enters at the authority. */
async function printCode(
  what: string,
  code: string,
  whatToDo: readonly string[],
  options: QrOptions,
): Promise<void> {
  const { formatCodeNotice } = await import('../codes.ts')
  printText(await formatCodeNotice(what, code, whatToDo, options))
}
