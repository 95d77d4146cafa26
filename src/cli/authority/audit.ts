import type { Command } from 'commander'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { VerificationResult } from '../../authority/audit/audit-log.ts'
import { LicensingError } from '../../core/errors.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `audit`, which lists, verifies and exports the audit log. */
export function createAuditCommand({ json, withAuthority }: AuthorityCli): Command {
  const audit = createCommand('audit').description('list, verify and export the audit log')
  audit
    .command('list')
    .description('list the entries, newest first')
    .option('--limit <n>', 'number of entries', '200')
    .action((options: { limit: string }) =>
      withAuthority(async (authority) => {
        const entries = await authority.security.audit.list(parseWholeNumber(options.limit, 'limit'))
        const documents = entries.map(
          ({ kind, number, at, who, address, action, subject, outcome, hash }) => ({
            kind,
            number,
            at: new Date(at).toISOString(),
            who,
            address,
            action,
            subject,
            outcome,
            hash,
          }),
        )
        if (json()) printJson({ audit: documents })
        else
          await printTable(
            ['Time', 'User', 'From', 'Action', 'Subject', 'Outcome'],
            documents.map(({ at, who, address, action, subject, outcome }) => [
              at,
              who ?? '-',
              address,
              action,
              subject,
              outcome,
            ]),
          )
      }),
    )
  audit
    .command('verify')
    .description('verify the integrity of the audit log, or of an exported file')
    .argument('[file]', 'exported audit log')
    .option('--checkpoint <file...>', 'checkpoint file to compare with')
    .option('--trust <file>', 'root certificate, to verify an exported file without its authority')
    .action(async (file: string | undefined, options: { checkpoint?: string[]; trust?: string }) => {
      const { readFileArgument } = await import('../secrets.ts')
      const checkpoints = (options.checkpoint ?? []).map(readFileArgument)
      const { trust } = options
      if (trust !== undefined && file === undefined)
        throw new LicensingError('USAGE', '--trust requires an exported audit log. Name its file.')
      if (file === undefined)
        await withAuthority(async ({ security }) => {
          printVerification(json(), await security.audit.verify(checkpoints))
        })
      else if (trust === undefined)
        await withAuthority(async ({ security }) => {
          printVerification(
            json(),
            await withLines(file, (lines) => security.audit.verifyExport(lines, checkpoints)),
          )
        })
      else {
        const { verifyAuditExport } = await import('../../authority/audit/audit-service.ts')
        const root = readFileArgument(trust)
        printVerification(
          json(),
          await withLines(file, (lines) => verifyAuditExport(lines, root, checkpoints)),
        )
      }
    })
  audit
    .command('export')
    .description('export the audit log as JSON lines that can be verified offline')
    .option('--out <file>', 'output file; - for standard output', '-')
    .action((options: { out: string }) =>
      withAuthority(async (authority) => {
        if (json() && options.out === '-')
          throw new LicensingError(
            'USAGE',
            'With --json, the audit log cannot go to standard output. Name a file with --out.',
          )
        const { writeStream } = await import('../write-stream.ts')
        const bytes = await writeStream(options.out, authority.security.audit.export())
        if (json()) printJson({ out: options.out, bytes })
        else if (options.out !== '-') printText(`The audit log was written to ${options.out}.`)
      }),
    )
  audit
    .command('checkpoint')
    .description(
      'write a signed checkpoint of the audit log; store it where the administrators of this host cannot write',
    )
    .option('--out <file>', 'output file; - for standard output', '-')
    .action((options: { out: string }) =>
      withAuthority(async (authority) => {
        const { writeFileAtomically } = await import('../atomic-write.ts')
        const { out } = options
        const { file } = await writeFileAtomically(json() && out === '-' ? '/dev/null' : out, async () => ({
          file: await authority.security.audit.checkpoint(),
        }))
        if (json()) printJson(out === '-' ? { checkpoint: file } : { out })
        else if (out !== '-') printText(`The checkpoint was written to ${out}.`)
      }),
    )
  return audit
}

/** Runs `work` on the lines of a file. @throws LicensingError FILE_UNREADABLE */
async function withLines<T>(path: string, work: (lines: AsyncIterable<string>) => Promise<T>): Promise<T> {
  const { toFileError } = await import('../secrets.ts')
  const stream = createReadStream(path, 'utf8')
  try {
    await new Promise((resolve, reject) => stream.once('open', resolve).once('error', reject))
  } catch (error) {
    throw toFileError('FILE_UNREADABLE', path, error)
  }
  try {
    return await work(createInterface({ input: stream, crlfDelay: Infinity }))
  } finally {
    stream.destroy()
  }
}

function printVerification(json: boolean, { from, to, checkpoints }: VerificationResult): void {
  if (json) {
    printJson({ intact: true, from, to, checkpoints })
    return
  }
  printText(to < from ? 'no entries' : `entries ${from} to ${to}: the hash chain is intact`)
  const { checked, untrusted } = checkpoints
  printText(
    `compared with ${checked} signed ${checked === 1 ? 'checkpoint' : 'checkpoints'}${untrusted === 0 ? '' : `; skipped ${untrusted} signed under an untrusted root`}`,
  )
}
