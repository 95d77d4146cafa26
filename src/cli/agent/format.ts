import type { Explanation } from '../../agent/explain.ts'
import type { Status } from '../../index.ts'
import type { HistoryRow } from '../../agent/history-table.ts'
import type { ConnectionTestReport } from '../../agent/connection-test.ts'
import { formatDuration } from '../../core/time.ts'
import { formatLicenses } from '../format-licenses.ts'

/** `status` for people: the state first, then what a person wants to know about it, a line each. */
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

/** The road in a line, without its password. */
export function formatTransport({ kind, url, via, username }: Status['transport']): string {
  const proxy = via === null ? '' : ` via ${via}${username === null ? '' : ` as ${username}`}`
  return `${kind ?? ''} ${url ?? ''}${proxy}`
}

const OUTCOME_LABELS = { ok: 'ok', failed: 'BROKEN', 'not-tried': '-', 'not-needed': 'no proxy' } as const

/** `transport test` for people: a step a line, then what to do where it breaks. */
export function formatConnectionTest({ ok, steps }: ConnectionTestReport): string {
  const lines = steps.map(({ step, outcome, found, failure }) =>
    `${step.padEnd(10)}  ${OUTCOME_LABELS[outcome].padEnd(8)}  ${found ?? failure?.message ?? ''}`.trimEnd(),
  )
  return `${[...lines, '', ok ? 'The road is good.' : 'The road is broken.'].join('\n')}\n`
}

/** Where a reservation stands; null without one. Its codes are for `reservation show`. */
function formatReservation(r: Status['reservation']): string | null {
  switch (r.status) {
    case 'none':
      return null
    case 'requested':
      return 'requested; its authorization file has not come yet'
    case 'installed':
      return `installed: ${formatLicenses(r.entitlements) || 'nothing any more'}`
    case 'returning':
      return 'being returned; enter the return code at the authority'
  }
}

function formatRegistration(r: Status['registration']): string {
  if (r.status === 'reserved')
    return `reserved of ${r.smartAccount ?? ''} / ${r.virtualAccount ?? ''}, instance ${r.instanceId ?? ''}`
  if (r.status !== 'registered')
    return r.nextAttemptAt ? `${r.status}, next attempt ${r.nextAttemptAt}` : r.status
  return `registered with ${r.smartAccount ?? ''} / ${r.virtualAccount ?? ''}, renews ${r.nextRenewalAt ?? 'when told to'}, expires ${r.expiresAt ?? ''}`
}

function formatEvaluation(e: Status['evaluation']): string {
  if (e.expired) return 'used up'
  return `${formatDuration(e.remainingSeconds * 1000)} left${e.running ? '' : ', standing still'}`
}

/** `why` for people. */
export function formatExplanation(why: Explanation): string {
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
  return `${[
    `The box is in the state ${why.state}.`,
    ...why.meaning.map((line) => `  ${line}`),
    ...section(
      'Because',
      why.cause
        ? [
            `${why.cause.at}: ${why.cause.label}, while it was in ${why.cause.from}`,
            ...(why.cause.fact ? [why.cause.fact] : []),
          ]
        : ['it was installed, and nothing has changed it since'],
    ),
    ...section(
      'Not as it should be',
      why.problems.map(
        ({ at, code, message, remedy }) => `${at === null ? '' : `${at}: `}${message} ${remedy} (${code})`,
      ),
    ),
    ...section('It may', [
      why.capabilities.functionality === 'full'
        ? 'do everything the product does'
        : `manage licenses only: ${why.capabilities.reason ?? ''}`,
    ]),
    ...section(
      'Next, by itself',
      why.next.map(({ at, label, what }) => `${at} (${label}): ${what}`),
    ),
    ...section(
      'What would change it',
      why.wouldChange.map(({ event, state, effect }) => `${event} → ${state} (${effect})`),
    ),
  ].join('\n')}\n`
}

/** One line of the event history. */
export function formatEvent(row: HistoryRow): string {
  const before = JSON.parse(row.before) as { state: string; registration: string }
  const after = JSON.parse(row.after) as { state: string; registration: string }
  const notices = JSON.parse(row.notices) as { notice: string; message: string }[]
  const move = before.state === after.state ? after.state : `${before.state} → ${after.state}`
  const said = notices.map(({ notice, message }) => `${notice}: ${message}`)
  const { tag, count } = JSON.parse(row.detail) as { tag?: string; count?: number }
  const what = row.event === 'usage.changed' ? [`${tag ?? ''} ${count ?? ''}`] : []
  const rest = [...what, ...said].join('; ')
  return `${new Date(row.at).toISOString()}  ${row.event.padEnd(22)} ${move}${rest ? `  ${rest}` : ''}`
}

/** Instants as the JSON of this project writes them: whatever is named `at` or `…At`. */
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

/** A row of the history as JSON readers want it. */
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
