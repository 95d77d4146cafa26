import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { errnoCode } from '../../core/errno-code.ts'
import type { ServerLogger } from '../../core/server-logger.ts'
import { replaceFile } from '../../storage/atomic-file.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import { startEpochAfterRevert } from '../exchange/manager-epoch.ts'
import { readIdentity } from '../keys/identity.ts'
import type { Tx } from '../store/store.ts'
import { TimeFloor } from '../store/time-floor.ts'

const FILE = 'issued-mark.json'

const markSchema = z.object({
  epoch: z.int(),
  /** Number of corrections of the authority's time, which may lower it. */
  corrections: z.int(),
  /** Latest time that the authority has issued, in milliseconds. */
  issuedAt: z.number(),
})
type Mark = z.infer<typeof markSchema>

/**
 * File beside the keys with how far the database was. A database that is behind the file went back: it was restored by its
 * own tools, or a standby that lacked the last transactions has become the primary. A snapshot of the whole machine sets
 * back the file too; there, the devices prove it.
 */
export class IssuedMark {
  readonly #dataDir: string
  readonly #context: AuthorityContext
  readonly #logger: ServerLogger
  #written: Mark | null = null

  constructor(dataDir: string, context: AuthorityContext, logger: ServerLogger) {
    this.#dataDir = dataDir
    this.#context = context
    this.#logger = logger
  }

  /** Compares the database with the file. Starts an epoch if the database is behind, and brings the file up to date. */
  async check(): Promise<void> {
    const { store, credentials } = this.#context
    if (credentials.keyRing.identity.role !== 'manager') return
    const marked = this.#read()
    const current = await store.readOnly(readMark)
    if (marked !== null && compareMarks(current, marked) < 0) {
      const provenEpoch = Math.max(current.epoch, marked.epoch)
      await this.#context.withMaintenance((tx, at) =>
        startEpochAfterRevert(tx, credentials, { at, provenEpoch }),
      )
      this.#write(await store.readOnly(readMark))
    } else if (this.#written === null || compareMarks(current, this.#written) > 0) this.#write(current)
  }

  #read(): Mark | null {
    if (this.#written !== null) return this.#written
    try {
      return markSchema.parse(JSON.parse(readFileSync(join(this.#dataDir, FILE), 'utf8')))
    } catch {
      // Without a readable file, the devices alone can prove that the database went back.
      return null
    }
  }

  #write(mark: Mark): void {
    this.#written = mark
    try {
      replaceFile(join(this.#dataDir, FILE), JSON.stringify(mark))
    } catch (error) {
      // Without the file the devices still prove it. It must not stop the work of an authority on PostgreSQL.
      this.#logger.error('the mark of the issued time cannot be written', { reason: errnoCode(error) })
    }
  }
}

async function readMark(tx: Tx): Promise<Mark> {
  return {
    epoch: (await readIdentity(tx))?.epoch ?? 1,
    corrections: await TimeFloor.corrections(tx),
    issuedAt: await TimeFloor.read(tx),
  }
}

const compareMarks = (a: Mark, b: Mark): number =>
  a.epoch - b.epoch || a.corrections - b.corrections || a.issuedAt - b.issuedAt
