import { constants } from 'node:crypto'
import { checkServerIdentity, type SecureContextOptions } from 'node:tls'

/**
 * What Node would otherwise take from `tls.DEFAULT_MIN_VERSION`, `tls.DEFAULT_MAX_VERSION`, `tls.DEFAULT_CIPHERS` and
 * `tls.DEFAULT_ECDH_CURVE`, which any code of the process may set. The cipher list is the one Node was started with, so
 * that `--tls-cipher-list` of an operator still counts.
 */
export const TLS_SETTINGS = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: constants.defaultCipherList,
  ecdhCurve: 'auto',
} as const satisfies SecureContextOptions

/** The settings of a client, which `NODE_TLS_REJECT_UNAUTHORIZED=0` and a replaced `tls.checkServerIdentity` do not change. */
export const TLS_CLIENT_SETTINGS = { ...TLS_SETTINGS, rejectUnauthorized: true, checkServerIdentity } as const
