import type { KeyObject } from 'node:crypto'
import { deriveSharedKey, deriveKeyPair, generateSeed, exportRawPublicKey } from '../../pki/key-agreement.ts'
import { readKeySetting, writeKeySetting } from './key-settings.ts'
import type { KeyStore } from './key-store.ts'
import type { Tx } from '../store/store.ts'

/** The length of a device's public key (X25519), in bytes. */
const DEVICE_KEY_LENGTH = 32

/** The keys of reservation codes. They are derived from a seed that all processes of an authority share. */
export class ReservationKeys {
  readonly #seed: string

  private constructor(seed: string) {
    this.#seed = seed
  }

  /** Reads the seed from the database, and creates it the first time. @throws LicensingError STORE_UNREADABLE */
  static async load(tx: Tx, keys: KeyStore): Promise<ReservationKeys> {
    const stored = await readKeySetting(tx, 'reservation-key')
    if (stored !== null) return new ReservationKeys(keys.decryptSecret(stored))
    const seed = generateSeed()
    await writeKeySetting(tx, 'reservation-key', keys.encryptSecret(seed))
    return new ReservationKeys(seed)
  }

  /** Returns the public key by which devices agree on the keys of their codes: base64url. */
  getPublicKey(): string {
    return Buffer.from(exportRawPublicKey(this.#deriveAgreementKey())).toString('base64url')
  }

  /** Derives the key of one reservation's codes. Returns null for a malformed public key of a device. */
  deriveCodeKey(deviceKey: Uint8Array, reservationId: string): Uint8Array | null {
    // A reservation that was recovered after a restore lacks the key of its device.
    return deviceKey.length === DEVICE_KEY_LENGTH
      ? deriveSharedKey(this.#deriveAgreementKey(), deviceKey, reservationId)
      : null
  }

  #deriveAgreementKey(): KeyObject {
    return deriveKeyPair(this.#seed, 1)
  }
}
