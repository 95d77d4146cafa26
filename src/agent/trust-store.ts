import { LicensingError } from '../core/errors.ts'
import { DAY, type Instant } from '../core/time.ts'
import {
  type TrustAnchors,
  parseTrustAnchors,
  trustAnchorsSchema,
  formatTrustedRoots,
} from '../pki/root-rotation.ts'
import type { AgentStore } from './store.ts'

/** Document with the roots after rotations by the authority. */
const ROTATED_ROOTS_KEY = 'trust-bundle'
/** Document with the manually installed root (PEM). */
const INSTALLED_ROOTS_KEY = 'trust'

/** Additional time for which TLS accepts a replaced root, because TLS uses the device's clock, which may be ahead. */
const TLS_GRACE_MS = 90 * DAY

/** Returns the trusted roots with their version. Null if none is installed. */
export function readAnchors(store: AgentStore): TrustAnchors | null {
  const adopted = store.read(ROTATED_ROOTS_KEY, trustAnchorsSchema)
  if (adopted) return adopted
  const pem = store.readText(INSTALLED_ROOTS_KEY)
  return pem === null ? null : parseTrustAnchors(pem)
}

/** @throws LicensingError TRUST_ANCHOR_MISSING */
export function requireAnchors(store: AgentStore): TrustAnchors {
  const anchors = readAnchors(store)
  if (anchors) return anchors
  throw new LicensingError('TRUST_ANCHOR_MISSING', 'No root certificate of the authority is installed.')
}

/** Stores the roots after a rotation by the authority. Call within a commit. */
export function writeAnchors(store: AgentStore, anchors: TrustAnchors): void {
  store.write(ROTATED_ROOTS_KEY, anchors)
}

/** Stores manually installed roots, which replace all others. Call within a commit. The same roots change nothing. */
export function replaceRoots(store: AgentStore, pem: string): void {
  // A product may pass its root at every start. That must not undo a rotation.
  if (store.readText(INSTALLED_ROOTS_KEY) === pem) return
  store.write(INSTALLED_ROOTS_KEY, pem)
  store.remove(ROTATED_ROOTS_KEY)
}

/** Returns the roots for TLS server certificates (PEM). Null if there are none. */
export function readTlsRoots(store: AgentStore, at: Instant): string | null {
  const anchors = readAnchors(store)
  return anchors && formatTrustedRoots(anchors, at - TLS_GRACE_MS)
}
