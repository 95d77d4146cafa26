import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import type { QrOptions } from '../codes.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `reservation`. */
export function createReservationCommand(cli: AgentCli): Command {
  const reservation = createCommand('reservation').description(
    'specific license reservation: for a box that never makes a connection',
  )
  const { json, call, printStatus } = cli

  reservation
    .command('request')
    .description('the reservation request code: the same until it is canceled')
    .option('--qr', 'draw it as a QR code too')
    .option('--no-qr', 'do not, on a terminal either')
    .action(async (options: QrOptions) => {
      const { requestCode } = await call<{ requestCode: string }>('reservation-request')
      if (json()) return printJson({ requestCode })
      const whatToDo = [
        'Enter it at the authority (Licenses, License Reservation), which writes an authorization file:',
        '  smart-authority reservation reserve --request CODE --license TAG=QUANTITY --out FILE',
        'Install that file here: smart-agent reservation install FILE',
      ]
      await printCode('Reservation request code', requestCode, whatToDo, options)
    })
  reservation
    .command('cancel')
    .description('give the request up: its code is good for nothing any more')
    .action(async () => {
      const { canceled } = await call<{ canceled: boolean }>('reservation-cancel')
      if (json()) printJson({ canceled })
      else
        printText(
          canceled
            ? 'The request is canceled. A file that comes for it yet is given back with `smart-agent reservation discard FILE`.'
            : 'No request is pending.',
        )
    })
  reservation
    .command('show')
    .description('what is reserved, and the codes to carry')
    .option('--qr', 'draw the code as a QR code too')
    .option('--no-qr', 'do not, on a terminal either')
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
          : 'install a newer one, and print the confirmation code',
      )
      .argument('<file>', 'authorization file, or - for standard input')
      .option('--qr', 'draw the confirmation code as a QR code too')
      .option('--no-qr', 'do not, on a terminal either')
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
    .description('end the reservation here, and print the code that gives it back')
    .option('--yes', 'do not ask for confirmation')
    .option('--qr', 'draw it as a QR code too')
    .option('--no-qr', 'do not, on a terminal either')
    .action(async (options: QrOptions & { yes?: boolean }) => {
      const { reservation: before } = await call<Status>('status')
      if (before.status === 'installed') {
        const { confirm } = await import('../secrets.ts')
        await confirm(
          'Return all reserved licenses? From here on the box does license management only, and the reservation cannot be changed.',
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
    .description('complete the return, once its code was entered at the authority')
    .action(async () => {
      await printStatus(await call<Status>('reservation-return'))
    })
  reservation
    .command('discard')
    .description('give back, without installing it, an authorization file whose request was canceled')
    .argument('<file>', 'authorization file, or - for standard input')
    .option('--qr', 'draw the return code as a QR code too')
    .option('--no-qr', 'do not, on a terminal either')
    .action(async (path: string, options: QrOptions) => {
      const { readSignedFile } = await import('../codes.ts')
      const { instanceId, returnCode } = await call<{ instanceId: string; returnCode: string }>(
        'reservation-discard',
        { file: await readSignedFile(path) },
      )
      if (json()) return printJson({ returnCode, instanceId })
      const whatToDo = [
        'Enter it at the authority, which has its licenses back then:',
        `  smart-authority instance remove ${instanceId} --return-code CODE`,
      ]
      await printCode('Reservation return code', returnCode, whatToDo, options)
    })

  return reservation
}

/** Prints a code that a person carries to the authority. */
async function printCode(
  what: string,
  code: string,
  whatToDo: readonly string[],
  options: QrOptions,
): Promise<void> {
  const { formatCodeNotice } = await import('../codes.ts')
  printText(await formatCodeNotice(what, code, whatToDo, options))
}
