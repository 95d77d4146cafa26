import type { Notice } from '../../machines/index.ts'

/** Severity by the field's numbers (agent-behavior §4.7): 3 error, 4 warning, 5 notice, 6 informational. */
export type Severity = 3 | 4 | 5 | 6

/** What the agent itself notices, beside the chart. */
export type AgentEventName =
  Notice | 'AGENT_READY' | 'SYSTEM_CLOCK_CHANGED' | 'TRUST_CHANGED' | 'PROFILE_REPLACED'

/** The event catalog: what each notice says in the log and in the history, and how loud. */
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
    text: 'Deregistered here only',
  },
  REGISTRATION_ENDED: { severity: 3, text: 'The authority ended the registration' },
  ID_CERT_RENEW_SUCCESS: { severity: 6, text: 'Renewal of the ID certificate succeeded' },
  ID_CERT_RENEW_FAILED: { severity: 3, text: 'Renewal of the ID certificate failed' },
  ID_CERT_EXPIRED: { severity: 3, text: 'The ID certificate has expired; the box is unregistered' },
  AUTH_RENEW_SUCCESS: { severity: 6, text: 'Authorization renewal succeeded' },
  AUTH_RENEW_FAILED: { severity: 3, text: 'Authorization renewal failed' },
  AUTHORIZATION_EXPIRED: {
    severity: 3,
    text: 'The authorization has expired: no contact until its deadline',
  },
  OUT_OF_COMPLIANCE: { severity: 3, text: 'More licenses are in use than were bought' },
  IN_COMPLIANCE: { severity: 5, text: 'All licenses in use are covered' },
  INVALID_TAG: { severity: 3, text: 'The authority does not know an entitlement tag' },
  EXPORT_CONTROLLED: { severity: 6, text: 'Usage of export-controlled features' },
  COMM_FAILED: { severity: 3, text: 'Communications failure with the licensing authority' },
  COMM_RESTORED: { severity: 5, text: 'Communications with the licensing authority restored' },
  SYSTEM_CLOCK_CHANGED: { severity: 5, text: 'The clock of the box was changed' },
  TRUST_CHANGED: { severity: 5, text: 'Another root certificate is trusted from now on' },
  PROFILE_REPLACED: { severity: 5, text: 'The product profile was replaced' },
  TRANSPORT_CHANGED: { severity: 6, text: 'The transport settings were changed' },
  PRODUCT_UPGRADED: { severity: 5, text: 'The product was upgraded' },
  RESERVATION_REQUESTED: { severity: 6, text: 'A reservation request code was made' },
  RESERVATION_CANCELED: { severity: 6, text: 'The reservation request was canceled' },
  RESERVED_INSTALLED: { severity: 6, text: 'A specific license reservation was installed' },
  RESERVATION_UPDATED: { severity: 6, text: 'The specific license reservation was updated' },
  RETURN_CODE_CREATED: {
    severity: 5,
    text: 'The return code of the reservation was made; nothing is reserved any more',
  },
  RESERVATION_RETURNED: { severity: 6, text: 'The return of the reservation is complete' },
  RESERVATION_DISCARDED: { severity: 6, text: 'An authorization file was given back without installing it' },
  RESERVATION_TERM_WARNING: { severity: 4, text: 'The term of reserved licenses will end' },
  RESERVATION_TERM_ENDED: { severity: 3, text: 'The term of reserved licenses has ended' },
  NOT_AUTHORIZED: { severity: 3, text: 'Not authorized: license management only' },
}

const EVENT_DESCRIPTIONS: Record<string, string> = {
  tick: 'time passed',
  register: 'a registration was asked for',
  deregister: 'a deregistration was asked for',
  'authorization.renew': 'a renewal of the authorization was asked for',
  'registration.renew': 'a renewal of the registration was asked for',
  'usage.changed': 'the usage changed',
  upgrade: 'the product was upgraded',
  'reservation.request': 'a reservation request code was asked for',
  'reservation.cancel': 'the reservation request was canceled',
  'reservation.install': 'an authorization file was installed',
  'reservation.update': 'a newer authorization file was installed',
  'reservation.return-code': 'a return code was asked for',
  'reservation.return': 'the return of the reservation was completed',
  'reservation.discard': 'an authorization file was given back',
}
const REQUEST_LABELS: Record<string, string> = {
  register: 'the registration',
  authorize: 'the authorization',
  renew: 'the renewal of the registration',
  acknowledge: 'the acknowledgement of the new certificate',
  deregister: 'the deregistration',
}
const OUTCOME_LABELS: Record<string, string> = {
  accepted: 'was answered',
  refused: 'was refused',
  unreachable: 'got no answer',
}

/** An event of the chart, or a notice, as a person says it. */
export function describeEvent(event: string): string {
  const [request = '', ending = ''] = event.split('.')
  const [what, how] = [REQUEST_LABELS[request], OUTCOME_LABELS[ending]]
  if (what !== undefined && how !== undefined) return `${what} ${how}`
  return (
    EVENT_DESCRIPTIONS[event] ??
    (Object.hasOwn(eventCatalog, event) ? eventCatalog[event as AgentEventName].text : event)
  )
}

/** One notice as it is told to listeners, log and history. */
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
