import { constants, X509Certificate } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { checkServerIdentity, type PeerCertificate, type SecureContextOptions } from 'node:tls'

/**
 * TLS settings in place of `tls.DEFAULT_MIN_VERSION`, `tls.DEFAULT_MAX_VERSION`, `tls.DEFAULT_CIPHERS` and
 * `tls.DEFAULT_ECDH_CURVE`, which any code of the process may change. The cipher list is the one that Node was started
 * with, so that the option `--tls-cipher-list` remains effective.
 */
export const TLS_SETTINGS = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: constants.defaultCipherList,
  ecdhCurve: 'auto',
} as const satisfies SecureContextOptions

/** Checks that a certificate names a host. Node 22.23 does not recognize IPv6 addresses in certificates. */
function checkHost(host: string, certificate: PeerCertificate): Error | undefined {
  const failure = checkServerIdentity(host, certificate)
  if (failure === undefined || !isIPv6(host)) return failure
  return new X509Certificate(certificate.raw).checkIP(host) === undefined ? failure : undefined
}

/** TLS settings of clients, unaffected by `NODE_TLS_REJECT_UNAUTHORIZED=0` and a replaced `tls.checkServerIdentity`. */
export const TLS_CLIENT_SETTINGS = {
  ...TLS_SETTINGS,
  rejectUnauthorized: true,
  checkServerIdentity: checkHost,
} as const
