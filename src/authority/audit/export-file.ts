import type { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import {
  assertNotTruncated,
  assertValid,
  expectedHashes,
  throwBroken,
  type VerificationResult,
} from './audit-log.ts'
import { type Checkpoint, readCheckpoint } from './checkpoint.ts'
import { AUDIT_KINDS, type ChainedEntry, ChainVerifier, toExportedEntry } from './hash-chain.ts'

/** Format of an exported audit log, in JSON lines: a header, the entries in order, and a signed checkpoint of the last entry. */
const FORMAT = 'smart-licensing-audit-1'

const instantSchema = z.iso.datetime().transform((text) => Date.parse(text))
const hashSchema = z.string().regex(/^([0-9a-f]{64}|genesis)$/)
const headerSchema = z.strictObject({ format: z.literal(FORMAT), authority: z.string(), account: z.string() })
const entrySchema = z.strictObject({
  kind: z.enum(AUDIT_KINDS),
  number: z.int().min(1),
  at: instantSchema,
  who: z.string().nullable(),
  address: z.string(),
  action: z.string(),
  subject: z.string(),
  outcome: z.string(),
  previous: hashSchema,
  hash: hashSchema,
})
const endSchema = z.strictObject({ checkpoint: z.string() })

const formatLine = (document: object): string => `${JSON.stringify(document)}\n`
export const formatHeader = (of: { authority: string; account: string }): string =>
  formatLine({ format: FORMAT, ...of })
export const formatEntries = (entries: readonly ChainedEntry[]): string =>
  entries.map((entry) => formatLine(toExportedEntry(entry))).join('')
export const formatCheckpoint = (checkpoint: string): string => formatLine({ checkpoint })

/**
 * Verifies an exported record: each entry follows the one before it, up to the end in its checkpoint.
 *
 * @param lines the lines of the file
 * @param external verified checkpoints that were stored elsewhere
 * @param roots trust anchors for the signature of the checkpoint
 * @throws LicensingError AUDIT_BROKEN; SIGNED_FILE_* when the checkpoint in it cannot be used
 */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  external: readonly Checkpoint[],
  roots: readonly X509Certificate[],
): Promise<VerificationResult> {
  let header: z.output<typeof headerSchema> | null = null
  let end: Checkpoint | null = null
  const verifier = new ChainVerifier(null, expectedHashes(external))
  let number = 0
  for await (const text of lines) {
    number++
    if (text === '') continue
    const document = parseDocument(text, number)
    if (header === null) header = parseLine(headerSchema, document, number)
    else if (end !== null) throwBroken(`line ${number} follows the checkpoint, which must be the last line`)
    else if ('checkpoint' in document)
      end = readCheckpoint(parseLine(endSchema, document, number).checkpoint, roots)
    else assertValid(verifier.verifyEntry(parseLine(entrySchema, document, number)))
  }
  if (header === null || end === null) return throwBroken('the file ends before its checkpoint')
  for (const { authority } of [end, ...external])
    if (authority !== header.authority) throwBroken('a checkpoint belongs to another authority than the file')
  assertExtent(verifier, end)
  return {
    from: verifier.begin.number + 1,
    to: verifier.end.number,
    checkpoints: { checked: external.length + 1, untrusted: 0 },
  }
}

/** Asserts that the entries of a file are those of its checkpoint. @throws LicensingError AUDIT_BROKEN */
function assertExtent(verifier: ChainVerifier, checkpoint: Checkpoint): void {
  const { anchor, head } = checkpoint
  if (verifier.isEmpty) {
    if (head.number !== anchor.number) throwBroken('the entries are missing')
  } else {
    const { begin } = verifier
    if (begin.number !== anchor.number || begin.hash !== anchor.hash)
      throwBroken(`the entries from ${anchor.number + 1} to ${begin.number} are missing`)
    assertValid(verifier.finish(head))
  }
  assertNotTruncated(checkpoint, verifier.actions)
}

function parseDocument(text: string, number: number): object {
  try {
    const document: unknown = JSON.parse(text)
    if (typeof document === 'object' && document !== null) return document
  } catch {
    // Reported below, like any other line without an entry.
  }
  return throwBroken(`line ${number} is not an entry`)
}

function parseLine<T>(schema: z.ZodType<T>, document: object, number: number): T {
  const { success, data } = schema.safeParse(document)
  return success ? data : throwBroken(`line ${number} is not valid`)
}

/** Parses checkpoints that were stored elsewhere. @throws LicensingError SIGNED_FILE_* */
export const parseExternalCheckpoints = (
  texts: readonly string[],
  roots: readonly X509Certificate[],
): Checkpoint[] => texts.map((text) => readCheckpoint(text, roots))
