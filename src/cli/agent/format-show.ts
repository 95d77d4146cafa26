import type { Status } from '../../index.ts'
import { VERSION } from '../../core/version.ts'

// Formats `show` in the layout of Cisco's `show license …`. An empty value is `None` or `<none>`, as in Cisco's output.

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const padTwo = (n: number): string => String(n).padStart(2, '0')

/** Formats an instant as `Mar 13 08:09:24 2024 UTC`. */
function formatInstant(iso: string | null): string {
  if (iso === null) return 'None'
  const d = new Date(iso)
  const time = `${padTwo(d.getUTCHours())}:${padTwo(d.getUTCMinutes())}:${padTwo(d.getUTCSeconds())}`
  return `${MONTHS[d.getUTCMonth()] ?? ''} ${padTwo(d.getUTCDate())} ${time} ${d.getUTCFullYear()} UTC`
}

/** Formats a duration as `71 days, 22 hours, 1 minutes, 59 seconds`. Cisco's output has no singular either. */
function formatRemaining(seconds: number): string {
  const d = Math.floor(seconds / 86_400)
  const h = Math.floor((seconds % 86_400) / 3_600)
  const m = Math.floor((seconds % 3_600) / 60)
  return `${d} days, ${h} hours, ${m} minutes, ${seconds % 60} seconds`
}

const REGISTRATION_LABELS: Record<Status['registration']['status'], string> = {
  unregistered: 'UNREGISTERED',
  registering: 'REGISTERING - REGISTRATION IN PROGRESS',
  retrying: 'REGISTERING - REGISTRATION IN PROGRESS',
  registered: 'REGISTERED',
  failed: 'UNREGISTERED - REGISTRATION FAILED',
  expired: 'UNREGISTERED - REGISTRATION EXPIRED',
  reserved: 'REGISTERED - SPECIFIC LICENSE RESERVATION',
}

const AUTHORIZATION_LABELS: Record<Status['authorization']['status'], string> = {
  none: 'No Licenses in Use',
  evaluation: 'EVAL MODE',
  'evaluation-expired': 'EVAL EXPIRED',
  waiting: 'WAITING',
  authorized: 'AUTHORIZED',
  'out-of-compliance': 'OUT OF COMPLIANCE',
  expired: 'AUTHORIZATION EXPIRED',
  reserved: 'AUTHORIZED - RESERVED',
  'not-authorized': 'NOT AUTHORIZED',
}

const ENTITLEMENT_LABELS: Record<Status['entitlements'][number]['status'], string> = {
  evaluation: 'EVAL MODE',
  'evaluation-expired': 'EVAL EXPIRED',
  waiting: 'WAITING',
  'in-compliance': 'AUTHORIZED',
  'out-of-compliance': 'OUT OF COMPLIANCE',
  'invalid-tag': 'INVALID TAG',
  'authorization-expired': 'AUTHORIZATION EXPIRED',
  'not-in-use': 'NOT IN USE',
  'reserved-in-compliance': 'AUTHORIZED - RESERVED',
  'not-authorized': 'NOT AUTHORIZED',
}

const formatAttempt = (last: Status['authorization']['lastAttempt']): string =>
  last === null ? 'None' : `${last.outcome.toUpperCase()} on ${formatInstant(last.at)}`

const formatReason = (last: Status['authorization']['lastAttempt'], indent: string): string[] =>
  last?.reason ? [`${indent}Failure reason: ${last.reason.message}`] : []

const formatExportControl = ({ exportControlled }: Status['registration']): string =>
  `  Export-Controlled Functionality: ${exportControlled ? 'ALLOWED' : 'Not Allowed'}`

/** Returns the heading of a failure: a failed attempt, or the end of a registration that had succeeded. */
function getFailureHeading({ status, registeredAt }: Status['registration'], code: string): string {
  if (status === 'expired') return 'Registration Expired: ENDED'
  if (status === 'unregistered') return 'Deregistration: FAILED'
  if (code.startsWith('INSTANCE_') && code !== 'INSTANCE_ALREADY_REGISTERED') return 'Registration: ENDED'
  return registeredAt === null ? 'Initial Registration: FAILED' : 'Last Registration Attempt: FAILED'
}

function formatRegistration(status: Status): string[] {
  const { registration: r } = status
  const lines = [
    'Registration:',
    `  Status: ${REGISTRATION_LABELS[r.status]}`,
    ...(r.smartAccount === null
      ? []
      : [`  Smart Account: ${r.smartAccount}`, `  Virtual Account: ${r.virtualAccount ?? ''}`]),
    formatExportControl(r),
  ]
  if (r.status === 'reserved') {
    lines.push(`  Initial Registration: SUCCEEDED on ${formatInstant(r.registeredAt)}`)
  } else if (r.registeredAt !== null) {
    lines.push(
      `  Initial Registration: SUCCEEDED on ${formatInstant(r.registeredAt)}`,
      `  Last Renewal Attempt: ${formatAttempt(r.lastRenewal)}`,
      ...formatReason(r.lastRenewal, '    '),
      `  Next Renewal Attempt: ${formatInstant(r.nextRenewalAt)}`,
      `  Registration Expires: ${formatInstant(r.expiresAt)}`,
    )
  }
  if (r.failure !== null) {
    lines.push(
      `  ${getFailureHeading(r, r.failure.code)} on ${formatInstant(r.failure.at)}`,
      `    Failure reason: ${r.failure.message}`,
    )
  }
  if (r.nextAttemptAt !== null) lines.push(`  Next Registration Attempt: ${formatInstant(r.nextAttemptAt)}`)
  return lines
}

function formatAuthorization(status: Status): string[] {
  const { authorization: a, evaluation } = status
  if (status.state === 'reserved')
    return [
      'License Authorization:',
      `  Status: ${AUTHORIZATION_LABELS[a.status]} on ${formatInstant(a.since)}`,
    ]
  const evaluating = status.state === 'evaluation' || status.state === 'unregistered'
  return [
    'License Authorization:',
    `  Status: ${AUTHORIZATION_LABELS[a.status]}${evaluating ? '' : ` on ${formatInstant(a.since)}`}`,
    ...(evaluating
      ? [
          evaluation.expired
            ? `  Evaluation Period Expired on ${formatInstant(a.since)}`
            : `  Evaluation Period Remaining: ${formatRemaining(evaluation.remainingSeconds)}`,
        ]
      : [
          `  Last Communication Attempt: ${formatAttempt(a.lastAttempt)}`,
          ...formatReason(a.lastAttempt, '    '),
          `  Next Communication Attempt: ${formatInstant(a.nextAttemptAt)}`,
          `  Communication Deadline: ${formatInstant(a.deadlineAt)}`,
        ]),
  ]
}

function formatUsage(status: Status): string[] {
  if (status.entitlements.length === 0) return ['No licenses in use']
  return status.entitlements.flatMap(({ tag, name, description, count, status: how }) => [
    `${name === null ? '' : `${name} `}(${tag}):`,
    `  Description: ${description ?? ''}`,
    `  Count: ${count}`,
    `  Version: ${status.product.version}`,
    `  Status: ${ENTITLEMENT_LABELS[how]}`,
    '  Export status: NOT RESTRICTED',
    ...formatReservedTag(status, tag),
    '',
  ])
}

/** Formats the reservation of one tag, printed below the tag. */
function formatReservedTag({ reservation, state }: Status, tag: string): string[] {
  if (state !== 'reserved') return []
  const rows = reservation.entitlements.filter((entitlement) => entitlement.tag === tag)
  if (rows.length === 0) return ['  Reservation:', '    Reservation status: NOT INSTALLED']
  const total = rows.reduce((sum, { count }) => sum + count, 0)
  return [
    '  Reservation:',
    '    Reservation status: SPECIFIC INSTALLED',
    `    Total reserved count: ${total}`,
  ]
}

/** Hides a code, because `show` output is attached to support cases. */
const hideCode = (code: string | null): string => (code === null ? '<none>' : '<see `reservation show`>')

/** Formats the reservation and the presence of its codes. */
function formatReservationInfo(status: Status): string[] {
  const { reservation: r, registration: reg } = status
  const installed = r.status === 'installed' || r.status === 'returning'
  return [
    `License reservation: ${r.status === 'none' ? 'DISABLED' : 'ENABLED'}`,
    ...(r.status === 'none'
      ? []
      : [
          'Overall status:',
          `  ${formatUdi(status)[0] ?? ''}`,
          `    Reservation status: ${
            r.status === 'installed'
              ? `SPECIFIC INSTALLED on ${formatInstant(reg.registeredAt)}`
              : r.status === 'returning'
                ? 'RETURN CODE CREATED'
                : 'RESERVATION IN PROGRESS'
          }`,
          `    Request code: ${installed ? '<none>' : hideCode(r.requestCode)}`,
          `    Last Confirmation code: ${hideCode(r.confirmationCode)}`,
          `    Last return code: ${hideCode(r.returnCode)}`,
        ]),
    ...(r.entitlements.length === 0
      ? []
      : [
          'Specified license reservations:',
          ...r.entitlements.flatMap(({ tag, name, count, endsAt }) => [
            `  ${name} (${tag}):`,
            `    Total reserved count: ${count}`,
            `    License type: ${endsAt === null ? 'PERPETUAL' : 'TERM'}`,
            ...(endsAt === null ? [] : [`    End Date: ${formatInstant(endsAt)}`]),
          ]),
        ]),
  ]
}

function formatUdi(status: Status): string[] {
  return [`UDI: PID:${status.product.pid},SN:${status.product.serial}`]
}

function formatTransport(status: Status): string[] {
  const { transport: t } = status
  return [
    'Transport:',
    `  Type: ${t.kind === null ? '<none>' : t.kind === 'direct' ? 'Smart' : 'Transport Gateway'}`,
    `  URL: ${t.url ?? '<none>'}`,
    ...(t.via === null
      ? []
      : [
          '  Proxy:',
          `    Address: ${t.via}`,
          `    Username: ${t.username ?? '<empty>'}`,
          '    Password: <hidden>',
        ]),
    `  Link: ${t.link.toUpperCase()}`,
    ...(t.lastFailure ? [`    Failure reason: ${t.lastFailure.message}`] : []),
  ]
}

const formatHeading = (text: string): string[] => [text, '='.repeat(text.length), '']

/** Formats `show summary`. The table is 77 characters wide, as in Cisco's `show license summary`. */
function formatSummary(status: Status): string[] {
  const { authorization: a, registration: r } = status
  const row = (...cells: [string, string, string, string]) =>
    `  ${cells[0].padEnd(24)}${cells[1].padEnd(28)}${cells[2].padStart(6)} ${cells[3]}`
  return [
    'Registration:',
    `  Status: ${REGISTRATION_LABELS[r.status]}`,
    ...(r.smartAccount === null
      ? []
      : [`  Smart Account: ${r.smartAccount}`, `  Virtual Account: ${r.virtualAccount ?? ''}`]),
    formatExportControl(r),
    `  Last Renewal Attempt: ${r.lastRenewal === null ? 'None' : r.lastRenewal.outcome.toUpperCase()}`,
    `  Next Renewal Attempt: ${formatInstant(r.nextRenewalAt)}`,
    '',
    'License Authorization:',
    `  Status: ${AUTHORIZATION_LABELS[a.status]}`,
    `  Last Communication Attempt: ${a.lastAttempt === null ? 'None' : a.lastAttempt.outcome.toUpperCase()}`,
    `  Next Communication Attempt: ${formatInstant(a.nextAttemptAt)}`,
    '',
    'License Usage:',
    row('License', 'Entitlement tag', 'Count', 'Status'),
    `  ${'-'.repeat(77)}`,
    ...status.entitlements.map(({ tag, name, count, status: how }) =>
      row(name ?? '', `(${tag})`, String(count), ENTITLEMENT_LABELS[how]),
    ),
  ]
}

function formatMiscellaneous(status: Status): string[] {
  return [
    ...formatHeading('Product Information'),
    ...formatUdi(status),
    `Version: ${status.product.version}`,
    ...(status.product.size === undefined
      ? []
      : [`Size: ${status.product.size} (${status.product.ports ?? 0} ports)`]),
    '',
    ...formatHeading('Agent Version'),
    `Smart Agent for Licensing: smart-licensing-agent ${VERSION}`,
    '',
    ...formatHeading('Reservation Info'),
    ...formatReservationInfo(status),
  ]
}

function formatTech(status: Status): string[] {
  return [
    ...formatAll(status),
    '',
    ...formatHeading('Upcoming Scheduled Jobs'),
    `Authorization Renewal: ${formatInstant(status.authorization.nextAttemptAt)}`,
    `Authorization Expiration Check: ${formatInstant(status.authorization.deadlineAt)}`,
    `Certificate Renewal: ${formatInstant(status.registration.nextRenewalAt)}`,
    `Certificate Expiration Check: ${formatInstant(status.registration.expiresAt)}`,
    '',
    ...formatHeading('License Certificates'),
    ...(status.registration.instanceId === null
      ? ['Not registered. No certificates installed']
      : [
          `PIID: ${status.registration.instanceId}`,
          `ID Cert Expires: ${formatInstant(status.registration.expiresAt)}`,
          `Authority: ${status.authority?.id ?? ''} (${status.authority?.role ?? ''}${status.authority?.test ? ', TEST' : ''})`,
        ]),
    '',
    ...formatHeading('Other Info'),
    `Agent State: ${status.state}`,
    `Functionality: ${status.functionality}`,
    `Clock: ${status.clock.trusted ? 'trusted' : `NOT trusted: ${status.clock.reason ?? ''}`}`,
  ]
}

/** Formats `show status`, with the blocks in the order of Cisco's `show license status`. */
function formatStatusBlocks(status: Status): string[] {
  return [
    'Smart Licensing is ENABLED',
    '',
    'Utility:',
    '  Status: DISABLED',
    '',
    'Data Privacy:',
    '  Sending Hostname: yes',
    '',
    ...formatTransport(status),
    '',
    ...formatRegistration(status),
    '',
    ...formatAuthorization(status),
    '',
    'Export Authorization Key:',
    '  Features Authorized:',
    '    <none>',
    '',
    'Miscellaneous:',
    '  Custom Id: <empty>',
    '',
  ]
}

function formatAll(status: Status): string[] {
  return [
    ...formatHeading('Smart Licensing Status'),
    ...formatStatusBlocks(status),
    ...formatHeading('License Usage'),
    ...formatUsage(status),
    ...(status.entitlements.length === 0 ? [''] : []),
    ...formatMiscellaneous(status),
  ]
}

export const SHOW_TOPICS = ['all', 'status', 'summary', 'usage', 'udi', 'tech'] as const
export type ShowTopic = (typeof SHOW_TOPICS)[number]

/** Formats the output of `show TOPIC`. */
export function formatShow(topic: ShowTopic, status: Status): string {
  const topics: Record<ShowTopic, () => string[]> = {
    all: () => formatAll(status),
    status: () => formatStatusBlocks(status),
    summary: () => formatSummary(status),
    usage: () => [...formatAuthorization(status), '', ...formatUsage(status)],
    udi: () => formatUdi(status),
    tech: () => formatTech(status),
  }
  return `${topics[topic]().join('\n').trimEnd()}\n`
}
