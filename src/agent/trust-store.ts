import { LicensingError } from '../core/errors.ts'
import { DAY, type Instant } from '../core/time.ts'
import {
  type TrustAnchors,
  parseTrustAnchors,
  trustAnchorsSchema,
  formatTrustedRoots,
} from '../pki/root-rotation.ts'
import type { AgentStore } from './store.ts'

/** What the box believes since its authority replaced the root it was given. */
const ROTATED_ROOTS_KEY = 'trust-bundle'
/** The root that was given by hand: PEM. */
const INSTALLED_ROOTS_KEY = 'trust'

/** TLS is checked by the box's own clock, which may be ahead: an old root leads a while longer there. */
const TLS_GRACE_MS = 90 * DAY

/** The roots this box believes, and by which bundle; null when it was given none. */
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
  throw new LicensingError('TRUST_ANCHOR_MISSING', 'The box has no root certificate of its authority.')
}

/** Takes the bundle that an authority has replaced its root by: within a commit. */
export function writeAnchors(store: AgentStore, anchors: TrustAnchors): void {
  store.write(ROTATED_ROOTS_KEY, anchors)
}

/** Takes roots that a person gives, whatever was believed before: within a commit. The same roots again change nothing. */
export function replaceRoots(store: AgentStore, pem: string): void {
  // A product that names its root each time it starts does not undo a rotation.
  if (store.readText(INSTALLED_ROOTS_KEY) === pem) return
  store.write(INSTALLED_ROOTS_KEY, pem)
  store.remove(ROTATED_ROOTS_KEY)
}

/** The roots a TLS server is checked by: PEM; null when there are none. */
export function readTlsRoots(store: AgentStore, at: Instant): string | null {
  const anchors = readAnchors(store)
  return anchors && formatTrustedRoots(anchors, at - TLS_GRACE_MS)
}
