import { timingSafeEqual } from 'node:crypto'

/** Tells whether an Authorization header has a bearer token. The time of the check does not depend on the token. */
export function hasBearer(header: string | undefined, token: string): boolean {
  const [given, expected] = [Buffer.from(header ?? ''), Buffer.from(`Bearer ${token}`)]
  return given.length === expected.length && timingSafeEqual(given, expected)
}
