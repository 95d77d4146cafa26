import type { Explanation } from '../../agent/explain.ts'
import type { Status } from '../../index.ts'
import type { HistoryRow } from '../../agent/history-table.ts'
import type { ConnectionTestReport } from '../../agent/connection-test.ts'
import { formatDuration } from '../../core/time.ts'
import { formatLicenses } from '../format-licenses.ts'

/** Formats `status` as text: one line per property, the state first. */
export function formatStatus(status: Status): string {
  const { registration: r, authorization: a, transport: t, evaluation: e, clock } = status
  const rows: [string, string | null][] = [
    ['state', `${status.state}${status.authority?.test ? '   (a TEST authority: not for production)' : ''}`],
    [
      'functionality',
      status.functionalityReason
        ? `${status.functionality}: ${status.functionalityReason}`
        : status.functionality,
    ],
    [
      'product',
      `${status.product.pid} ${status.product.version}, serial ${status.product.serial}${status.product.size === undefined ? '' : `, ${status.product.size}`}`,
    ],
    ['registration', formatRegistration(r)],
    ['failure', r.failure ? `${r.failure.message} (${r.failure.code})` : null],
    ['authorization', `${a.status} since ${a.since}`],
    ['next contact', a.nextAttemptAt],
    ['deadline', a.deadlineAt],
    [
      'last contact',
      a.lastAttempt
        ? `${a.lastAttempt.outcome} at ${a.lastAttempt.at}${a.lastAttempt.reason ? `: ${a.lastAttempt.reason.message}` : ''}`
        : null,
    ],
    ['reservation', formatReservation(status.reservation)],
    ['evaluation', formatEvaluation(e)],
    ['transport', t.url === null ? 'not set' : `${formatTransport(t)}, link ${t.link}`],
    ['clock', clock.trusted ? null : `NOT trusted: ${clock.reason ?? ''}`],
    ...status.entitlements.map(({ tag, count, status: how }): [string, string] => [
      tag,
      `${count} in use, ${how}`,
    ]),
  ]
  const shown = rows.filter((row): row is [string, string] => row[1] !== null)
  const width = Math.max(...shown.map(([name]) => name.length))
  return `${shown.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')}\n`
}

/** Formats the transport as one line, without the proxy password. */
export function formatTransport({ kind, url, via, username }: Status['transport']): string {
  const proxy = via === null ? '' : ` via ${via}${username === null ? '' : ` as ${username}`}`
  return `${kind ?? ''} ${url ?? ''}${proxy}`
}

const OUTCOME_LABELS = { ok: 'ok', failed: 'BROKEN', 'not-tried': '-', 'not-needed': 'no proxy' } as const

/** Formats the report of `transport test`: one line per step, then the result. */
export function formatConnectionTest({ ok, steps }: ConnectionTestReport): string {
  const lines = steps.map(({ step, outcome, found, failure }) =>
    `${step.padEnd(10)}  ${OUTCOME_LABELS[outcome].padEnd(8)}  ${found ?? failure?.message ?? ''}`.trimEnd(),
  )
  return `${[...lines, '', ok ? 'The connectivity check passed.' : 'The connectivity check failed.'].join('\n')}\n`
}

/** Formats the reservation status, or returns null without one. The codes are printed by `reservation show` only. */
function formatReservation(r: Status['reservation']): string | null {
  switch (r.status) {
    case 'none':
      return null
    case 'requested':
      return 'requested; the authorization file is not installed yet'
    case 'installed':
      return `installed: ${formatLicenses(r.entitlements) || 'no licenses'}`
    case 'returning':
      return 'being returned; enter the return code at the authority'
  }
}

function formatRegistration(r: Status['registration']): string {
  if (r.status === 'reserved')
    return `reserved from ${r.smartAccount ?? ''} / ${r.virtualAccount ?? ''}, instance ${r.instanceId ?? ''}`
  if (r.status !== 'registered')
    return r.nextAttemptAt ? `${r.status}, next attempt ${r.nextAttemptAt}` : r.status
  return `registered with ${r.smartAccount ?? ''} / ${r.virtualAccount ?? ''}, renews ${r.nextRenewalAt ?? 'on request'}, expires ${r.expiresAt ?? ''}`
}

function formatEvaluation(e: Status['evaluation']): string {
  if (e.expired) return 'used up'
  return `${formatDuration(e.remainingSeconds * 1000)} left${e.running ? '' : ', paused'}`
}

/** Formats the explanation of `why` as text. */
export function formatExplanation(why: Explanation): string {
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
  return `${[
    `The device is in the state ${why.state}.`,
    ...why.meaning.map((line) => `  ${line}`),
    ...section(
      'Cause',
      why.cause
        ? [
            `${why.cause.at}: ${why.cause.label}, in the state ${why.cause.from}`,
            ...(why.cause.fact ? [why.cause.fact] : []),
          ]
        : ['no event since the installation has changed the state'],
    ),
    ...section(
      'Problems',
      why.problems.map(
        ({ at, code, message, remedy }) => `${at === null ? '' : `${at}: `}${message} ${remedy} (${code})`,
      ),
    ),
    ...section('Functionality', [
      why.capabilities.functionality === 'full'
        ? 'full'
        : `license management only: ${why.capabilities.reason ?? ''}`,
    ]),
    ...section(
      'Next automatic actions',
      why.next.map(({ at, label, what }) => `${at} (${label}): ${what}`),
    ),
    ...section(
      'Events that would change the state',
      why.wouldChange.map(({ event, state, effect }) => `${event} → ${state} (${effect})`),
    ),
  ].join('\n')}\n`
}

/** Formats a history row as one line. */
export function formatEvent(row: HistoryRow): string {
  const before = JSON.parse(row.before) as { state: string; registration: string }
  const after = JSON.parse(row.after) as { state: string; registration: string }
  const notices = JSON.parse(row.notices) as { notice: string; message: string }[]
  const move = before.state === after.state ? after.state : `${before.state} → ${after.state}`
  const messages = notices.map(({ notice, message }) => `${notice}: ${message}`)
  const { tag, count } = JSON.parse(row.detail) as { tag?: string; count?: number }
  const usage = row.event === 'usage.changed' ? [`${tag ?? ''} ${count ?? ''}`] : []
  const rest = [...usage, ...messages].join('; ')
  return `${new Date(row.at).toISOString()}  ${row.event.padEnd(22)} ${move}${rest ? `  ${rest}` : ''}`
}

/** Converts the numbers of all fields named `at` or `…At` to ISO 8601 text. */
function formatInstants(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(formatInstants)
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      typeof inner === 'number' && /(?:^at|At)$/.test(name)
        ? new Date(inner).toISOString()
        : formatInstants(inner),
    ]),
  )
}

/** Converts a history row to its JSON document. */
export function toHistoryDocument(row: HistoryRow): object {
  return {
    id: row.id,
    at: new Date(row.at).toISOString(),
    event: row.event,
    detail: formatInstants(JSON.parse(row.detail)),
    before: JSON.parse(row.before) as unknown,
    after: JSON.parse(row.after) as unknown,
    notices: JSON.parse(row.notices) as unknown,
  }
}
