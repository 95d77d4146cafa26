/** What a certificate is for: one role each, so that a chain alone permits nothing (trust §1). */
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
