import type { Notice } from '../../machines/index.ts'

/** Severity as in syslog (RFC 5424): 3 error, 4 warning, 5 notice, 6 informational. */
export type Severity = 3 | 4 | 5 | 6

/** Names of all notices: those of the machine, and those of the agent itself. */
export type AgentEventName =
  Notice | 'AGENT_READY' | 'SYSTEM_CLOCK_CHANGED' | 'TRUST_CHANGED' | 'PROFILE_REPLACED' | 'PROFILE_DIFFERS'

/** Event catalog: severity and text of each notice, for log and history. */
export const eventCatalog: Record<AgentEventName, { severity: Severity; text: string }> = {
  AGENT_READY: { severity: 6, text: 'The licensing agent is ready' },
  EVAL_START: { severity: 5, text: 'Entering the evaluation period' },
  EVAL_EXPIRED: { severity: 3, text: 'The evaluation period is used up' },
  EVAL_EXPIRED_WARNING: { severity: 4, text: 'The evaluation period will end' },
  AGENT_REG_SUCCESS: { severity: 6, text: 'Registration with the licensing authority succeeded' },
  AGENT_REG_FAILED: { severity: 3, text: 'Registration with the licensing authority failed' },
  AGENT_DEREG_SUCCESS: { severity: 6, text: 'Deregistration succeeded' },
  AGENT_DEREG_FAILED: {
    severity: 3,
    text: 'Deregistered on the device only',
  },
  REGISTRATION_ENDED: { severity: 3, text: 'The authority ended the registration' },
  ID_CERT_RENEW_SUCCESS: { severity: 6, text: 'Renewal of the ID certificate succeeded' },
  ID_CERT_RENEW_FAILED: { severity: 3, text: 'Renewal of the ID certificate failed' },
  ID_CERT_EXPIRED: { severity: 3, text: 'The ID certificate has expired; the device is unregistered' },
  AUTH_RENEW_SUCCESS: { severity: 6, text: 'Authorization renewal succeeded' },
  AUTH_RENEW_FAILED: { severity: 3, text: 'Authorization renewal failed' },
  AUTHORIZATION_EXPIRED: {
    severity: 3,
    text: 'The authorization has expired: no contact with the authority before its deadline',
  },
  OUT_OF_COMPLIANCE: { severity: 3, text: 'More licenses are in use than were bought' },
  IN_COMPLIANCE: { severity: 5, text: 'All licenses in use are covered' },
  INVALID_TAG: { severity: 3, text: 'The authority does not know an entitlement tag' },
  EXPORT_CONTROLLED: { severity: 6, text: 'Usage of export-controlled features' },
  COMM_FAILED: { severity: 3, text: 'Communications failure with the licensing authority' },
  COMM_RESTORED: { severity: 5, text: 'Communications with the licensing authority restored' },
  SYSTEM_CLOCK_CHANGED: { severity: 5, text: 'The device clock was changed' },
  TRUST_CHANGED: { severity: 5, text: 'The trusted root certificates were changed' },
  PROFILE_REPLACED: { severity: 5, text: 'The product profile was replaced' },
  PROFILE_DIFFERS: { severity: 4, text: 'Device and authority have different product profiles' },
  TRANSPORT_CHANGED: { severity: 6, text: 'The transport settings were changed' },
  PRODUCT_UPGRADED: { severity: 5, text: 'The product was upgraded' },
  RESERVATION_REQUESTED: { severity: 6, text: 'A reservation request code was created' },
  RESERVATION_CANCELED: { severity: 6, text: 'The reservation request was canceled' },
  RESERVED_INSTALLED: { severity: 6, text: 'A specific license reservation was installed' },
  RESERVATION_UPDATED: { severity: 6, text: 'The specific license reservation was updated' },
  RETURN_CODE_CREATED: {
    severity: 5,
    text: 'The return code of the reservation was created; its licenses are no longer reserved',
  },
  RESERVATION_RETURNED: { severity: 6, text: 'The return of the reservation is complete' },
  RESERVATION_DISCARDED: { severity: 6, text: 'An authorization file was returned without installing it' },
  RESERVATION_TERM_WARNING: { severity: 4, text: 'The term of reserved licenses will end' },
  RESERVATION_TERM_ENDED: { severity: 3, text: 'The term of reserved licenses has ended' },
  NOT_AUTHORIZED: { severity: 3, text: 'Not authorized: license management only' },
}

const EVENT_DESCRIPTIONS: Record<string, string> = {
  'clock.tick': 'time passed',
  'registration.start': 'a registration was requested',
  'registration.end': 'a deregistration was requested',
  'authorization.renew': 'a renewal of the authorization was requested',
  'registration.renew': 'a renewal of the registration was requested',
  'usage.changed': 'the usage changed',
  'product.upgrade': 'the product was upgraded',
  'transport.changed': 'the transport settings were changed',
  'reservation.request': 'a reservation request code was requested',
  'reservation.cancel': 'the reservation request was canceled',
  'reservation.install': 'an authorization file was installed',
  'reservation.update': 'a newer authorization file was installed',
  'reservation.return-code': 'a return code was requested',
  'reservation.return': 'the return of the reservation was completed',
  'reservation.discard': 'an authorization file was returned',
}
const REQUEST_LABELS: Record<string, string> = {
  register: 'the registration',
  authorize: 'the authorization',
  renew: 'the renewal of the registration',
  acknowledge: 'the acknowledgement of the new certificate',
  deregister: 'the deregistration',
}
const OUTCOME_LABELS: Record<string, string> = {
  accepted: 'was accepted',
  refused: 'was refused',
  unreachable: 'got no answer',
}

/** Describes an event of the machine, or a notice, in words. */
export function describeEvent(event: string): string {
  const [request = '', outcome = ''] = event.split('.')
  const [requestLabel, outcomeLabel] = [REQUEST_LABELS[request], OUTCOME_LABELS[outcome]]
  if (requestLabel !== undefined && outcomeLabel !== undefined) return `${requestLabel} ${outcomeLabel}`
  return (
    EVENT_DESCRIPTIONS[event] ??
    (Object.hasOwn(eventCatalog, event) ? eventCatalog[event as AgentEventName].text : event)
  )
}

/** Notice as the agent reports it to listeners, log and history. */
export interface AgentEvent {
  readonly at: number
  readonly notice: AgentEventName
  readonly severity: Severity
  readonly message: string
}

export function createAgentEvent(at: number, notice: AgentEventName, detail: string | undefined): AgentEvent {
  const { severity, text } = eventCatalog[notice]
  return { at, notice, severity, message: detail ? `${text}: ${detail}` : text }
}
