/** Roles of certificates. Each certificate has one role, so that a valid chain alone grants nothing. */
export const CERTIFICATE_ROLES = [
  'root',
  'sub-ca',
  'instance',
  'answer-signer',
  'reservation-signer',
  'sync',
  'audit-signer',
  'tls',
] as const

export type CertificateRole = (typeof CERTIFICATE_ROLES)[number]
