import type { Status } from '../../index.ts'
import { VERSION } from '../../core/version.ts'

/**
 * The field's familiar layout of `show license …` (agent-behaviour §4.2–4.5). An empty value is `None` or
 * `<none>`, as there.
 */
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (n: number): string => String(n).padStart(2, '0')

/** `Mar 13 08:09:24 2024 UTC` */
function when(iso: string | null): string {
  if (iso === null) return 'None'
  const d = new Date(iso)
  const time = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`
  return `${MONTHS[d.getUTCMonth()] ?? ''} ${two(d.getUTCDate())} ${time} ${d.getUTCFullYear()} UTC`
}

/** `71 days, 22 hours, 1 minutes, 59 seconds`: the field has no singular. */
function remaining(seconds: number): string {
  const d = Math.floor(seconds / 86_400)
  const h = Math.floor((seconds % 86_400) / 3_600)
  const m = Math.floor((seconds % 3_600) / 60)
  return `${d} days, ${h} hours, ${m} minutes, ${seconds % 60} seconds`
}

const REGISTRATION: Record<Status['registration']['status'], string> = {
  unregistered: 'UNREGISTERED',
  registering: 'REGISTERING - REGISTRATION IN PROGRESS',
  retrying: 'REGISTERING - REGISTRATION IN PROGRESS',
  registered: 'REGISTERED',
  failed: 'UNREGISTERED - REGISTRATION FAILED',
  expired: 'UNREGISTERED - REGISTRATION EXPIRED',
  reserved: 'REGISTERED - SPECIFIC LICENSE RESERVATION',
}

const AUTHORIZATION: Record<Status['authorization']['status'], string> = {
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

const ENTITLEMENT: Record<Status['entitlements'][number]['status'], string> = {
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

const attempt = (last: Status['authorization']['lastAttempt']): string =>
  last === null ? 'None' : `${last.outcome.toUpperCase()} on ${when(last.at)}`

const reasonLine = (last: Status['authorization']['lastAttempt'], indent: string): string[] =>
  last?.reason ? [`${indent}Failure reason: ${last.reason.message}`] : []

const exportControl = ({ exportControlled }: Status['registration']): string =>
  `  Export-Controlled Functionality: ${exportControlled ? 'ALLOWED' : 'Not Allowed'}`

/** What failed: an attempt to register, or a registration that had succeeded once. */
function failureHeading({ status, registeredAt }: Status['registration'], code: string): string {
  if (status === 'expired') return 'Registration Expired: ENDED'
  if (status === 'unregistered') return 'Deregistration: FAILED'
  if (code.startsWith('INSTANCE_') && code !== 'INSTANCE_ALREADY_REGISTERED') return 'Registration: ENDED'
  return registeredAt === null ? 'Initial Registration: FAILED' : 'Last Registration Attempt: FAILED'
}

function registration(status: Status): string[] {
  const { registration: r } = status
  const lines = [
    'Registration:',
    `  Status: ${REGISTRATION[r.status]}`,
    ...(r.smartAccount === null
      ? []
      : [`  Smart Account: ${r.smartAccount}`, `  Virtual Account: ${r.virtualAccount ?? ''}`]),
    exportControl(r),
  ]
  if (r.status === 'reserved') {
    lines.push(`  Initial Registration: SUCCEEDED on ${when(r.registeredAt)}`)
  } else if (r.registeredAt !== null) {
    lines.push(
      `  Initial Registration: SUCCEEDED on ${when(r.registeredAt)}`,
      `  Last Renewal Attempt: ${attempt(r.lastRenewal)}`,
      ...reasonLine(r.lastRenewal, '    '),
      `  Next Renewal Attempt: ${when(r.nextRenewalAt)}`,
      `  Registration Expires: ${when(r.expiresAt)}`,
    )
  }
  if (r.failure !== null) {
    lines.push(
      `  ${failureHeading(r, r.failure.code)} on ${when(r.failure.at)}`,
      `    Failure reason: ${r.failure.message}`,
    )
  }
  if (r.nextAttemptAt !== null) lines.push(`  Next Registration Attempt: ${when(r.nextAttemptAt)}`)
  return lines
}

function authorization(status: Status): string[] {
  const { authorization: a, evaluation } = status
  if (status.state === 'reserved')
    return ['License Authorization:', `  Status: ${AUTHORIZATION[a.status]} on ${when(a.since)}`]
  const evaluating = status.state === 'evaluation' || status.state === 'unregistered'
  return [
    'License Authorization:',
    `  Status: ${AUTHORIZATION[a.status]}${evaluating ? '' : ` on ${when(a.since)}`}`,
    ...(evaluating
      ? [
          evaluation.expired
            ? `  Evaluation Period Expired on ${when(a.since)}`
            : `  Evaluation Period Remaining: ${remaining(evaluation.remainingSeconds)}`,
        ]
      : [
          `  Last Communication Attempt: ${attempt(a.lastAttempt)}`,
          ...reasonLine(a.lastAttempt, '    '),
          `  Next Communication Attempt: ${when(a.nextAttemptAt)}`,
          `  Communication Deadline: ${when(a.deadlineAt)}`,
        ]),
  ]
}

function usage(status: Status): string[] {
  if (status.entitlements.length === 0) return ['No licenses in use']
  return status.entitlements.flatMap(({ tag, name, description, count, status: how }) => [
    `${name === null ? '' : `${name} `}(${tag}):`,
    `  Description: ${description ?? ''}`,
    `  Count: ${count}`,
    `  Version: ${status.product.version}`,
    `  Status: ${ENTITLEMENT[how]}`,
    '  Export status: NOT RESTRICTED',
    ...reservedOf(status, tag),
    '',
  ])
}

/** The reservation of one tag, as the field shows it below the tag. */
function reservedOf({ reservation, state }: Status, tag: string): string[] {
  if (state !== 'reserved') return []
  const rows = reservation.entitlements.filter((one) => one.tag === tag)
  if (rows.length === 0) return ['  Reservation:', '    Reservation status: NOT INSTALLED']
  const total = rows.reduce((sum, { count }) => sum + count, 0)
  return [
    '  Reservation:',
    '    Reservation status: SPECIFIC INSTALLED',
    `    Total reserved count: ${total}`,
  ]
}

/** A code is for those who carry it: what goes into a support case says where to find it. */
const carried = (code: string | null): string => (code === null ? '<none>' : '<see `reservation show`>')

/** What the box reserves, and the codes that wait to be carried. */
function reservationInfo(status: Status): string[] {
  const { reservation: r, registration: reg } = status
  const installed = r.status === 'installed' || r.status === 'returning'
  return [
    `License reservation: ${r.status === 'none' ? 'DISABLED' : 'ENABLED'}`,
    ...(r.status === 'none'
      ? []
      : [
          'Overall status:',
          `  ${udi(status)[0] ?? ''}`,
          `    Reservation status: ${
            r.status === 'installed'
              ? `SPECIFIC INSTALLED on ${when(reg.registeredAt)}`
              : r.status === 'returning'
                ? 'RETURN CODE CREATED'
                : 'RESERVATION IN PROGRESS'
          }`,
          `    Request code: ${installed ? '<none>' : carried(r.requestCode)}`,
          `    Last Confirmation code: ${carried(r.confirmationCode)}`,
          `    Last return code: ${carried(r.returnCode)}`,
        ]),
    ...(r.entitlements.length === 0
      ? []
      : [
          'Specified license reservations:',
          ...r.entitlements.flatMap(({ tag, name, count, endsAt }) => [
            `  ${name} (${tag}):`,
            `    Total reserved count: ${count}`,
            `    License type: ${endsAt === null ? 'PERPETUAL' : 'TERM'}`,
            ...(endsAt === null ? [] : [`    End Date: ${when(endsAt)}`]),
          ]),
        ]),
  ]
}

function udi(status: Status): string[] {
  return [`UDI: PID:${status.product.pid},SN:${status.product.serial}`]
}

function transport(status: Status): string[] {
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

const heading = (text: string): string[] => [text, '='.repeat(text.length), '']

/** `show license summary`: the table is 77 wide, as in the field. */
function summary(status: Status): string[] {
  const { authorization: a, registration: r } = status
  const row = (...cells: [string, string, string, string]) =>
    `  ${cells[0].padEnd(24)}${cells[1].padEnd(28)}${cells[2].padStart(6)} ${cells[3]}`
  return [
    'Registration:',
    `  Status: ${REGISTRATION[r.status]}`,
    ...(r.smartAccount === null
      ? []
      : [`  Smart Account: ${r.smartAccount}`, `  Virtual Account: ${r.virtualAccount ?? ''}`]),
    exportControl(r),
    `  Last Renewal Attempt: ${r.lastRenewal === null ? 'None' : r.lastRenewal.outcome.toUpperCase()}`,
    `  Next Renewal Attempt: ${when(r.nextRenewalAt)}`,
    '',
    'License Authorization:',
    `  Status: ${AUTHORIZATION[a.status]}`,
    `  Last Communication Attempt: ${a.lastAttempt === null ? 'None' : a.lastAttempt.outcome.toUpperCase()}`,
    `  Next Communication Attempt: ${when(a.nextAttemptAt)}`,
    '',
    'License Usage:',
    row('License', 'Entitlement tag', 'Count', 'Status'),
    `  ${'-'.repeat(77)}`,
    ...status.entitlements.map(({ tag, name, count, status: how }) =>
      row(name ?? '', `(${tag})`, String(count), ENTITLEMENT[how]),
    ),
  ]
}

function miscellaneous(status: Status): string[] {
  return [
    ...heading('Product Information'),
    ...udi(status),
    `Version: ${status.product.version}`,
    ...(status.product.size === undefined
      ? []
      : [`Size: ${status.product.size} (${status.product.ports ?? 0} ports)`]),
    '',
    ...heading('Agent Version'),
    `Smart Agent for Licensing: smart-licensing-agent ${VERSION}`,
    '',
    ...heading('Reservation Info'),
    ...reservationInfo(status),
  ]
}

function tech(status: Status): string[] {
  return [
    ...all(status),
    '',
    ...heading('Upcoming Scheduled Jobs'),
    `Authorization Renewal: ${when(status.authorization.nextAttemptAt)}`,
    `Authorization Expiration Check: ${when(status.authorization.deadlineAt)}`,
    `Certificate Renewal: ${when(status.registration.nextRenewalAt)}`,
    `Certificate Expiration Check: ${when(status.registration.expiresAt)}`,
    '',
    ...heading('License Certificates'),
    ...(status.registration.instanceId === null
      ? ['Not registered. No certificates installed']
      : [
          `PIID: ${status.registration.instanceId}`,
          `ID Cert Expires: ${when(status.registration.expiresAt)}`,
          `Authority: ${status.authority?.id ?? ''} (${status.authority?.role ?? ''}${status.authority?.test ? ', TEST' : ''})`,
        ]),
    '',
    ...heading('Other Info'),
    `Agent State: ${status.state}`,
    `Functionality: ${status.functionality}`,
    `Clock: ${status.clock.trusted ? 'trusted' : `NOT trusted: ${status.clock.reason ?? ''}`}`,
  ]
}

/** The blocks of `show license status`, in the field's order. */
function blocks(status: Status): string[] {
  return [
    'Smart Licensing is ENABLED',
    '',
    'Utility:',
    '  Status: DISABLED',
    '',
    'Data Privacy:',
    '  Sending Hostname: yes',
    '',
    ...transport(status),
    '',
    ...registration(status),
    '',
    ...authorization(status),
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

function all(status: Status): string[] {
  return [
    ...heading('Smart Licensing Status'),
    ...blocks(status),
    ...heading('License Usage'),
    ...usage(status),
    ...(status.entitlements.length === 0 ? [''] : []),
    ...miscellaneous(status),
  ]
}

export const SHOW_TOPICS = ['all', 'status', 'summary', 'usage', 'udi', 'tech'] as const
export type ShowTopic = (typeof SHOW_TOPICS)[number]

/** What `show TOPIC` prints. */
export function show(topic: ShowTopic, status: Status): string {
  const topics: Record<ShowTopic, () => string[]> = {
    all: () => all(status),
    status: () => blocks(status),
    summary: () => summary(status),
    usage: () => [...authorization(status), '', ...usage(status)],
    udi: () => udi(status),
    tech: () => tech(status),
  }
  return `${topics[topic]().join('\n').trimEnd()}\n`
}
