import type { Command } from 'commander'
import type { IssuedAuthorization } from '../../authority/reservations/reservations.ts'
import { LicensingError } from '../../core/errors.ts'
import type { AuthorityCli } from './authority-cli.ts'
import { readCode } from '../codes.ts'
import { createCommand } from '../create-command.ts'
import { formatLicenses } from '../format-licenses.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `reservation`. */
export function createReservationCommand({ json, withAuthority }: AuthorityCli): Command {
  const reservation = createCommand('reservation').description(
    'manage specific license reservations, for devices without a connection',
  )

  reservation
    .command('enable')
    .description('allow reservations in the smart account')
    .action(() =>
      withAuthority(async (authority, where) => {
        await authority.reservations.enable(where)
        if (json()) printJson({ enabled: true })
        else printText('License reservation is enabled for the smart account.')
      }),
    )
  reservation
    .command('reserve')
    .description('reserve licenses for a device and write its authorization file')
    .option('--request <code>', 'reservation request code of the device; - for standard input')
    .option('--request-file <file>', 'read the request code from a file')
    .requiredOption('--license <tag=n...>', 'entitlement tag and quantity; repeatable')
    .option('--virtual-account <name>', 'virtual account (default: the default virtual account)')
    .requiredOption('--out <file>', 'output file for the authorization; - for standard output')
    .action(
      (options: {
        request?: string
        requestFile?: string
        license: string[]
        virtualAccount?: string
        out: string
      }) =>
        withAuthority(async (authority, where) => {
          const request = await readCode({
            argument: options.request,
            file: options.requestFile,
            what: 'request code',
          })
          const licenses = readQuantities(options.license)
          await writeAuthorization(
            json(),
            options.out,
            () =>
              authority.reservations.reserve({
                ...where,
                virtualAccount: options.virtualAccount,
                request,
                licenses,
              }),
            ({ instanceId }) =>
              `The product instance is ${instanceId}. Transfer the file to the device and install it: smart-agent reservation install FILE`,
          )
        }),
    )
  reservation
    .command('update')
    .description('change the reservation of a device and write its new authorization file')
    .requiredOption('--instance <id>', 'product instance')
    .requiredOption('--license <tag=n...>', 'entitlement tag and new quantity; other tags stay unchanged')
    .requiredOption('--out <file>', 'output file for the authorization; - for standard output')
    .action((options: { instance: string; license: string[]; out: string }) =>
      withAuthority(async (authority, where) => {
        const licenses = readQuantities(options.license)
        await writeAuthorization(
          json(),
          options.out,
          () => authority.reservations.update(options.instance, licenses, where),
          () =>
            'Transfer the file to the device and run `smart-agent reservation update FILE`, which prints a confirmation code. Until you enter that code here, the larger of both quantities stays reserved.',
        )
      }),
    )
  reservation
    .command('confirm')
    .description('enter the confirmation code of an update')
    .requiredOption('--instance <id>', 'product instance')
    .option('--code <code>', 'confirmation code; - for standard input')
    .option('--code-file <file>', 'read the confirmation code from a file')
    .action((options: { instance: string; code?: string; codeFile?: string }) =>
      withAuthority(async (authority, where) => {
        const code = await readCode({
          argument: options.code,
          file: options.codeFile,
          what: 'confirmation code',
        })
        const confirmed = await authority.reservations.confirm(options.instance, code, where)
        if (json()) printJson(confirmed)
        else printText(`The update is confirmed. Reserved: ${formatLicenses(confirmed.licenses)}.`)
      }),
    )
  reservation
    .command('list')
    .description('list the active reservations')
    .action(() =>
      withAuthority(async (authority, where) => {
        const reservations = await authority.reservations.list(where)
        if (json()) printJson({ reservations })
        else
          await printTable(
            ['Instance', 'Product', 'Serial', 'Virtual account', 'Authorization', 'Reserved'],
            reservations.map((reservation) => [
              reservation.instanceId,
              reservation.udi.pid,
              reservation.udi.serial,
              reservation.virtualAccount,
              reservation.pending ? `${reservation.authorization}, not confirmed` : reservation.authorization,
              formatLicenses(reservation.licenses),
            ]),
          )
      }),
    )
  reservation
    .command('show')
    .description('show a reservation, and with --out write its newest authorization file again')
    .argument('<instance>')
    .option('--out <file>', 'output file; - for standard output')
    .action((id: string, options: { out?: string }) =>
      withAuthority(async (authority, where) => {
        const { writeFileAtomically } = await import('../atomic-write.ts')
        const show = () => authority.reservations.get(id, where)
        const { file, ...document } =
          options.out === undefined ? await show() : await writeFileAtomically(options.out, show)
        if (options.out !== undefined && file === null)
          throw new LicensingError(
            'RESERVATION_ENDED',
            'The reservation has ended and has no authorization file.',
          )
        if (json()) printJson({ ...document, ...(options.out !== undefined && { out: options.out }) })
        else if (options.out !== '-') {
          printText(
            [
              `${document.udi.pid}, serial ${document.udi.serial}, of ${document.virtualAccount}: ${document.status}`,
              `authorization  ${document.authorization}${document.pending ? ', waiting for its confirmation code' : ''}`,
              `reserved       ${formatLicenses(document.licenses)}`,
              ...(document.previous.length > 0
                ? [`previous       ${formatLicenses(document.previous)}`]
                : []),
              ...(document.endedAt === null ? [] : [`ended          ${document.endedAt}`]),
              ...(options.out === undefined ? [] : [`written to     ${options.out}`]),
            ].join('\n'),
          )
        }
      }),
    )

  return reservation
}

/** Parses `TAG=N` arguments with distinct tags. @throws LicensingError INVALID_ARGUMENT */
function readQuantities(texts: readonly string[]): Record<string, number> {
  const quantities: Record<string, number> = {}
  for (const text of texts) {
    const [, tag, count] = /^([^=]+)=(\d{1,12})$/.exec(text) ?? []
    if (tag === undefined || count === undefined)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `The license ${JSON.stringify(text)} is not of the form TAG=QUANTITY.`,
      )
    if (Object.hasOwn(quantities, tag))
      throw new LicensingError('INVALID_ARGUMENT', `The license ${tag} was given twice.`)
    quantities[tag] = Number(count)
  }
  return quantities
}

/** Writes an authorization file and prints its contents and the next step. */
async function writeAuthorization(
  json: boolean,
  out: string,
  work: () => Promise<IssuedAuthorization>,
  whatToDo: (issued: IssuedAuthorization) => string,
): Promise<void> {
  if (out === '-' && json)
    throw new LicensingError(
      'USAGE',
      'With --json, the file cannot go to standard output. Name a file with --out.',
    )
  const { writeFileAtomically } = await import('../atomic-write.ts')
  const issued = await writeFileAtomically(out, work)
  const { file: _file, ...document } = issued
  if (json) printJson({ ...document, out })
  const print = out === '-' ? (text: string) => process.stderr.write(`${text}\n`) : printText
  if (!json) {
    print(
      `Authorization ${issued.authorization} for ${issued.udi.pid}, serial ${issued.udi.serial}: ${formatLicenses(issued.licenses)}.`,
    )
    print(whatToDo(issued))
    if (issued.recommendation !== null) print(issued.recommendation)
  }
}
