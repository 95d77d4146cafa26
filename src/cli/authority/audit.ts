import type { Command } from 'commander'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { VerificationResult } from '../../authority/audit/audit-log.ts'
import { LicensingError } from '../../core/errors.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** The commands for the audit record of an authority: who did what, and whether that was changed since. */
export function createAuditCommand({ json, withAuthority }: AuthorityCli): Command {
  const audit = createCommand('audit').description('who did what, and what was refused')
  audit
    .command('list')
    .description('the newest entries, the newest first')
    .option('--limit <n>', 'how many', '200')
    .action((options: { limit: string }) =>
      withAuthority(async (authority) => {
        const entries = await authority.security.audit.list(parseWholeNumber(options.limit, 'limit'))
        const shown = entries.map(({ kind, number, at, who, address, action, subject, outcome, hash }) => ({
          kind,
          number,
          at: new Date(at).toISOString(),
          who,
          address,
          action,
          subject,
          outcome,
          hash,
        }))
        if (json()) printJson({ audit: shown })
        else
          await printTable(
            ['When', 'Who', 'From', 'What', 'About', 'Outcome'],
            shown.map((one) => [one.at, one.who ?? '-', one.address, one.action, one.subject, one.outcome]),
          )
      }),
    )
  audit
    .command('verify')
    .description('whether the record is whole; with a file, whether an exported one is')
    .argument('[file]', 'an exported record')
    .option('--checkpoint <file...>', 'a checkpoint that was kept elsewhere')
    .option(
      '--trust <file>',
      'the root certificate, where an exported record is verified without its authority',
    )
    .action(async (file: string | undefined, options: { checkpoint?: string[]; trust?: string }) => {
      const { readFileArgument } = await import('../secrets.ts')
      const checkpoints = (options.checkpoint ?? []).map(readFileArgument)
      const { trust } = options
      if (trust !== undefined && file === undefined)
        throw new LicensingError('USAGE', '--trust is for an exported record: name its file.')
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
    .description('the record as lines of JSON, which can be verified by itself')
    .option('--out <file>', 'where to write it; - for standard output', '-')
    .action((options: { out: string }) =>
      withAuthority(async (authority) => {
        if (json() && options.out === '-')
          throw new LicensingError('USAGE', 'With --json the record goes into a file: name one with --out.')
        const { writeStream } = await import('../write-stream.ts')
        const bytes = await writeStream(options.out, authority.security.audit.export())
        if (json()) printJson({ out: options.out, bytes })
        else if (options.out !== '-') printText(`The audit record is in ${options.out}.`)
      }),
    )
  audit
    .command('checkpoint')
    .description(
      'a signed statement of where the record ends: keep it where nobody can write who can write here',
    )
    .option('--out <file>', 'where to write it; - for standard output', '-')
    .action((options: { out: string }) =>
      withAuthority(async (authority) => {
        const { writeFileAtomically } = await import('../atomic-write.ts')
        const { out } = options
        const { file } = await writeFileAtomically(json() && out === '-' ? '/dev/null' : out, async () => ({
          file: await authority.security.audit.checkpoint(),
        }))
        if (json()) printJson(out === '-' ? { checkpoint: file } : { out })
        else if (out !== '-') printText(`The checkpoint is in ${out}.`)
      }),
    )
  return audit
}

/** The lines of a file, one after the other. @throws LicensingError FILE_UNREADABLE */
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
  printText(to < from ? 'no entries' : `entries ${from} to ${to}: each follows the one before it`)
  const { checked, untrusted } = checkpoints
  printText(
    `held against ${checked} signed ${checked === 1 ? 'checkpoint' : 'checkpoints'}${untrusted === 0 ? '' : `; ${untrusted} more are of a root that is not trusted here`}`,
  )
}
