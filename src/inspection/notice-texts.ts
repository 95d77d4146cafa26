import type { Notice } from '../../machines/agent-machine.types.ts'

/** Severity as in syslog: 3 error, 4 warning, 5 notice, 6 informational. */
export type Severity = 3 | 4 | 5 | 6

/** Severity of each notice, and what it says of a device in a run that is not real. */
export const NOTICES: Readonly<Record<Notice, readonly [severity: Severity, text: string]>> = {
  EVAL_START: [5, 'The evaluation period runs'],
  EVAL_EXPIRED: [3, 'The evaluation period is used up'],
  EVAL_EXPIRED_WARNING: [4, 'The evaluation period will end'],
  AGENT_REG_SUCCESS: [6, 'The device is registered'],
  AGENT_REG_FAILED: [3, 'The registration failed'],
  AGENT_DEREG_SUCCESS: [6, 'The device is deregistered'],
  AGENT_DEREG_FAILED: [3, 'The device is deregistered, but only on the device'],
  REGISTRATION_ENDED: [3, 'The license server ended the registration'],
  ID_CERT_RENEW_SUCCESS: [6, 'The registration is renewed'],
  ID_CERT_RENEW_FAILED: [3, 'The renewal of the registration failed'],
  ID_CERT_EXPIRED: [3, 'The registration expired; the device is unregistered'],
  AUTH_RENEW_SUCCESS: [6, 'The authorization is renewed'],
  AUTH_RENEW_FAILED: [3, 'The renewal of the authorization failed'],
  AUTHORIZATION_EXPIRED: [3, 'The authorization expired: no contact before its deadline'],
  OUT_OF_COMPLIANCE: [3, 'More licenses are in use than were purchased'],
  IN_COMPLIANCE: [5, 'All licenses in use are covered'],
  INVALID_TAG: [3, 'The license server does not know a license tag'],
  EXPORT_CONTROLLED: [6, 'Export-controlled features may be used'],
  COMM_FAILED: [3, 'The license server is not reached'],
  COMM_RESTORED: [5, 'The license server is reached again'],
  TRANSPORT_CHANGED: [6, 'The transport settings are changed'],
  PRODUCT_UPGRADED: [5, 'The product is upgraded'],
  RESERVATION_REQUESTED: [6, 'A reservation request code is created'],
  RESERVATION_CANCELED: [6, 'The reservation request is canceled'],
  RESERVED_INSTALLED: [6, 'The reservation is installed'],
  RESERVATION_UPDATED: [6, 'The reservation is updated'],
  RETURN_CODE_CREATED: [5, 'The return of the reservation begins'],
  RESERVATION_RETURNED: [6, 'The reservation is returned'],
  RESERVATION_DISCARDED: [6, 'An authorization file is returned without installing it'],
  RESERVATION_TERM_WARNING: [4, 'The term of reserved licenses will end'],
  RESERVATION_TERM_ENDED: [3, 'The term of reserved licenses has ended'],
  NOT_AUTHORIZED: [3, 'More is in use than is reserved: only license management works'],
}
