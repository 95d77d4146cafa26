/**
 * What a certificate is for: one role each, as a critical extended key usage of our own, so that a
 * chain alone permits nothing (trust §1). TLS uses the standard usage, which TLS stacks insist on.
 */
const ARC = '2.25.147690551196524340946838710884355036518'

export const ROLE_OID = {
  root: `${ARC}.1`,
  'sub-ca': `${ARC}.2`,
  instance: `${ARC}.3`,
  'answer-signer': `${ARC}.4`,
  'reservation-signer': `${ARC}.5`,
  sync: `${ARC}.6`,
  'audit-signer': `${ARC}.7`,
  tls: '1.3.6.1.5.5.7.3.1',
} as const

export type Role = keyof typeof ROLE_OID
