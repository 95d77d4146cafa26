import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { LicensingError } from '../../core/errors.ts'
import type { SyncProof } from '../../protocol/sync-proof.ts'
import { verifySyncProof } from '../../pki/sync-proof.ts'
import { MAX_FIRST_REQUEST_BYTES, MAX_SYNC_BYTES } from '../../protocol/sync.ts'

/** Thrown if a body is not read to its end. The status code states the reason. */
export class BodyRefused extends Error {
  override readonly name = 'BodyRefused'
  readonly statusCode: number

  constructor(statusCode: number, why: string, options?: ErrorOptions) {
    super(why, options)
    this.statusCode = statusCode
  }
}

/** The body of a synchronization request while it is received. */
export interface SyncBody {
  readonly payload: Readable
  /** The content length in bytes, or null if the header is missing. */
  readonly announced: number | null
  /** The proof header of a satellite, or null. */
  readonly proof: string | null
}

/**
 * Reads the bodies of synchronization requests. Beyond the limit for unauthenticated clients, a body is read only with
 * a satellite's proof of its length and digest. Of each satellite one such body is read at a time. A newer one replaces
 * the one before, as after a broken connection.
 */
export class SyncBodies {
  readonly #isKnown: (proof: SyncProof) => Promise<boolean>
  readonly #longBodies = new Map<string, Readable>()

  /** @param isKnown returns true if a proof is for this manager and made by one of its satellites */
  constructor(isKnown: (proof: SyncProof) => Promise<boolean>) {
    this.#isKnown = isKnown
  }

  /**
   * Reads a body.
   *
   * @param onProven called before more is read than an unauthenticated client may send
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
      // The stream is not destroyed on an error, since the refusal is still sent on its connection.
      for await (const chunk of payload.iterator({ destroyOnReturn: false })) {
        const bytes = chunk as Buffer
        length += bytes.length
        if (length > MAX_FIRST_REQUEST_BYTES) proof ??= await prove()
        if (proof !== null && length > proof.length)
          throw new BodyRefused(413, 'it is longer than the proof states')
        chunks.push(bytes)
        hash.update(bytes)
      }
      if (proof !== null && (length !== proof.length || hash.digest('base64url') !== proof.digest))
        throw new BodyRefused(400, 'it does not match the proof')
      return Buffer.concat(chunks, length).toString('utf8')
    } catch (error) {
      if (error instanceof BodyRefused || error instanceof LicensingError) throw error
      throw new BodyRefused(400, 'the body is incomplete', { cause: error })
    } finally {
      if (proof !== null && this.#longBodies.get(proof.key) === payload) this.#longBodies.delete(proof.key)
    }
  }

  async #readProof({ announced, proof: text }: SyncBody): Promise<SyncProof> {
    const proof = text === null ? null : await verifySyncProof(text)
    const isPossible =
      proof !== null && proof.length <= MAX_SYNC_BYTES && (announced === null || announced === proof.length)
    if (proof === null || !isPossible || !(await this.#isKnown(proof)))
      throw new BodyRefused(413, 'it is longer than an unauthenticated client may send')
    return proof
  }
}
