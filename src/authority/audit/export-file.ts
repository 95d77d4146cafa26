import type { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { type ChainedDeed, CHAINS, ChainWalk, exported } from './hash-chain.ts'
import { type Checkpoint, readCheckpoint } from './checkpoint.ts'
import { broken, type IntactRecord, requireBeginning, requireFits, wantedBy } from './audit-log.ts'

/**
 * An exported audit record: lines of JSON. The first says what it is; then come the entries of both chains, each in its
 * order; the last is a signed checkpoint of where they end.
 */
const FORMAT = 'smart-licensing-audit-1'

const instant = z.iso.datetime().transform((text) => Date.parse(text))
const hash = z.string().regex(/^([0-9a-f]{64}|beginning)$/)
const headerSchema = z.strictObject({ format: z.literal(FORMAT), authority: z.string(), account: z.string() })
const entrySchema = z.strictObject({
  chain: z.enum(CHAINS),
  number: z.int().min(1),
  at: instant,
  who: z.string().nullable(),
  address: z.string(),
  action: z.string(),
  about: z.string(),
  outcome: z.string(),
  previous: hash,
  hash,
})
const endSchema = z.strictObject({ checkpoint: z.string() })

const line = (document: object): string => `${JSON.stringify(document)}\n`
export const headerLine = (of: { authority: string; account: string }): string =>
  line({ format: FORMAT, ...of })
export const entryLines = (entries: readonly ChainedDeed[]): string =>
  entries.map((entry) => line(exported(entry))).join('')
export const checkpointLine = (checkpoint: string): string => line({ checkpoint })

/**
 * Verifies an exported record by itself: that each entry follows the one before it, to where its checkpoint says.
 *
 * @param lines the lines of the file, one after the other
 * @param kept checkpoints that were kept elsewhere, and found good
 * @param roots what the checkpoint's signature is checked by
 * @throws LicensingError AUDIT_BROKEN; SIGNED_FILE_* when the checkpoint in it cannot be used
 */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  kept: readonly Checkpoint[],
  roots: readonly X509Certificate[],
): Promise<IntactRecord> {
  let header: z.output<typeof headerSchema> | null = null
  let end: Checkpoint | null = null
  const walks = Object.fromEntries(
    CHAINS.map((chain) => [chain, new ChainWalk(chain, null, wantedBy(kept, chain))]),
  ) as Record<(typeof CHAINS)[number], ChainWalk>
  let number = 0
  for await (const text of lines) {
    number++
    if (text === '') continue
    const document = documentOf(text, number)
    if (header === null) header = parsed(headerSchema, document, number)
    else if (end !== null) broken(`line ${number} stands behind the checkpoint, which is the last`)
    else if ('checkpoint' in document)
      end = readCheckpoint(parsed(endSchema, document, number).checkpoint, roots)
    else {
      const entry = parsed(entrySchema, document, number)
      requireFits(walks[entry.chain].take(entry))
    }
  }
  if (header === null || end === null) return broken('the file ends before its checkpoint')
  for (const { authority } of [end, ...kept])
    if (authority !== header.authority) broken('a checkpoint is of another authority than the file')
  for (const walk of Object.values(walks)) {
    const begin = end.begins[walk.chain]
    const last = end.ends[walk.chain]
    requireBeginning(walk.chain, begin, last)
    if (walk.isEmpty) {
      if (last.number !== begin.number) broken(`the ${walk.chain} are missing`)
    } else {
      if (walk.begin.number !== begin.number || walk.begin.hash !== begin.hash)
        broken(
          `the entries from ${begin.number + 1} to ${walk.begin.number} of the ${walk.chain} are missing`,
        )
      requireFits(walk.finish(last))
    }
  }
  return {
    chains: CHAINS.map((chain) => ({
      chain,
      from: walks[chain].begin.number + 1,
      to: walks[chain].end.number,
    })),
    checkpoints: { checked: kept.length + 1, untrusted: 0 },
  }
}

function documentOf(text: string, number: number): object {
  try {
    const document: unknown = JSON.parse(text)
    if (typeof document === 'object' && document !== null) return document
  } catch {
    // It is no entry either way.
  }
  return broken(`line ${number} is no entry`)
}

function parsed<T>(schema: z.ZodType<T>, document: object, number: number): T {
  const { success, data } = schema.safeParse(document)
  return success ? data : broken(`line ${number} is not of its form`)
}

/** @throws LicensingError FILE_UNREADABLE where the text is no checkpoint, or of no root that is trusted: SIGNED_FILE_* */
export const readKept = (texts: readonly string[], roots: readonly X509Certificate[]): Checkpoint[] =>
  texts.map((text) => readCheckpoint(text, roots))
