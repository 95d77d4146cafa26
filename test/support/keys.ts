import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Credential } from '../../src/pki/certificate-generation.ts'
import { openSecret } from '../../src/storage/encrypted-secret.ts'
import { storedSetting } from './stored.ts'

/** Whatever somebody reads who has an authority's data directory, and all that is in it. */
export class StolenKeys {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  setting(name: string): string {
    return storedSetting(this.#directory, name)
  }

  file = (name: string): string => readFileSync(join(this.#directory, 'keys', name), 'utf8')

  identity(): { id: string; account: string; subCa: string } {
    return JSON.parse(this.setting('authority')) as { id: string; account: string; subCa: string }
  }

  key(role: string): KeyObject {
    const { key } = JSON.parse(this.setting(role)) as { key: { sealed: string } }
    return createPrivateKey(openSecret(key.sealed, this.file('token.key')))
  }

  signer(role: 'answer-signer' | 'reservation-signer'): Credential {
    const { certificate } = JSON.parse(this.setting(role)) as { certificate: string }
    return { certificates: [certificate, this.identity().subCa], privateKey: this.key(role) }
  }
}
