import { z } from 'zod'
import { isHigherVersion, parseMajorVersion } from '../core/product-version.ts'
import type { VerifiedAnswer } from './answer-verification.ts'
import type { AgentStore } from './store.ts'

const SIGNED_VERSION_KEY = 'signed-version'
const signedVersionSchema = z.string()

/** Stores the software version of an authorization answer, if it is the highest so far. Called in a transaction. */
export function recordSignedVersion(store: AgentStore, { decision }: VerifiedAnswer): void {
  if (!('softwareVersion' in decision) || decision.softwareVersion === undefined) return
  const signed = store.read(SIGNED_VERSION_KEY, signedVersionSchema)
  if (signed === null || isHigherVersion(decision.softwareVersion, signed))
    store.write(SIGNED_VERSION_KEY, JSON.stringify(decision.softwareVersion))
}

/** Checks whether the authority has signed this major version or a higher one. A software kit covers a major version. */
export function isVersionSigned(store: AgentStore, version: string): boolean {
  const signed = store.read(SIGNED_VERSION_KEY, signedVersionSchema)
  return signed !== null && (parseMajorVersion(signed) ?? 0) >= (parseMajorVersion(version) ?? Infinity)
}
