import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Credential } from '../../src/pki/certificate-generation.ts'
import { decryptSecret } from '../../src/storage/encrypted-secret.ts'
import { readStoredSetting } from './stored.ts'

/** Keys and settings that an attacker can read from a stolen data directory of an authority. */
export class StolenKeys {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  setting(name: string): string {
    return readStoredSetting(this.#directory, name)
  }

  file = (name: string): string => readFileSync(join(this.#directory, 'keys', name), 'utf8')

  identity(): { id: string; account: string; issuingCa: string } {
    return JSON.parse(this.setting('authority')) as { id: string; account: string; issuingCa: string }
  }

  key(role: string): KeyObject {
    const { key } = JSON.parse(this.setting(role)) as { key: { sealed: string } }
    return createPrivateKey(decryptSecret(key.sealed, this.file('token.key')))
  }

  signer(role: 'answer-signer' | 'reservation-signer'): Credential {
    const { certificate } = JSON.parse(this.setting(role)) as { certificate: string }
    return { certificates: [certificate, this.identity().issuingCa], privateKey: this.key(role) }
  }
}
