import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { LicensingError } from '../../core/errors.ts'
import type { SyncProof } from '../../protocol/sync-proof.ts'
import { verifySyncProof } from '../../pki/sync-proof.ts'
import { MAX_FIRST_REQUEST_BYTES, MAX_SYNC_BYTES } from '../../protocol/sync.ts'

/** A body that is not read to its end, by the HTTP status that says why. */
export class BodyRefused extends Error {
  override readonly name = 'BodyRefused'
  readonly statusCode: number

  constructor(statusCode: number, why: string, options?: ErrorOptions) {
    super(why, options)
    this.statusCode = statusCode
  }
}

/** A body of a synchronization as it comes. */
export interface SyncBody {
  readonly payload: Readable
  /** Bytes that the head of the request announces; null where it announces none. */
  readonly announced: number | null
  /** The header by which a satellite proves itself; null without. */
  readonly proof: string | null
}

/**
 * Reads the bodies of synchronizations. Beyond what a stranger may send, reading goes on only for a satellite that has
 * proved that the body is its own, and only as far as it has said. Of each satellite one such body is read at a time: a
 * newer one, as after a broken connection, takes the place of the one before.
 */
export class SyncBodies {
  readonly #isKnown: (proof: SyncProof) => Promise<boolean>
  readonly #longBodies = new Map<string, Readable>()

  /** @param isKnown whether the key of a proof is that of a satellite, and the proof is for this manager */
  constructor(isKnown: (proof: SyncProof) => Promise<boolean>) {
    this.#isKnown = isKnown
  }

  /**
   * @param onProven called when more than a stranger may send will be read
   * @throws BodyRefused
   */
  async read(body: SyncBody, onProven: () => void): Promise<string> {
    const { payload, announced } = body
    const prove = async (): Promise<SyncProof> => {
      const proof = await this.#readProof(body)
      this.#longBodies.get(proof.key)?.destroy()
      this.#longBodies.set(proof.key, payload)
      onProven()
      return proof
    }
    let proof: SyncProof | null = null
    try {
      if (announced !== null && announced > MAX_FIRST_REQUEST_BYTES) proof = await prove()
      const chunks: Buffer[] = []
      const hash = createHash('sha256')
      let length = 0
      // Not destroyed where it is left: the refusal must still be answered on its connection.
      for await (const chunk of payload.iterator({ destroyOnReturn: false })) {
        const bytes = chunk as Buffer
        length += bytes.length
        if (length > MAX_FIRST_REQUEST_BYTES) proof ??= await prove()
        if (proof !== null && length > proof.length)
          throw new BodyRefused(413, 'it is longer than was proved')
        chunks.push(bytes)
        hash.update(bytes)
      }
      if (proof !== null && (length !== proof.length || hash.digest('base64url') !== proof.digest))
        throw new BodyRefused(400, 'it is not the body that was proved')
      return Buffer.concat(chunks, length).toString('utf8')
    } catch (error) {
      if (error instanceof BodyRefused || error instanceof LicensingError) throw error
      throw new BodyRefused(400, 'the body broke off', { cause: error })
    } finally {
      if (proof !== null && this.#longBodies.get(proof.key) === payload) this.#longBodies.delete(proof.key)
    }
  }

  async #readProof({ announced, proof: text }: SyncBody): Promise<SyncProof> {
    const proof = text === null ? null : await verifySyncProof(text)
    const isPossible =
      proof !== null && proof.length <= MAX_SYNC_BYTES && (announced === null || announced === proof.length)
    if (proof === null || !isPossible || !(await this.#isKnown(proof)))
      throw new BodyRefused(413, 'it is longer than a stranger may send')
    return proof
  }
}
