import {
  type AgentSnapshot,
  type Command,
  DAY,
  type Event,
  getLicenseState,
  HOUR,
  initialTransition,
  type Instant,
  isFullyFunctional,
  MINUTE,
  nextDeadline,
  type RequestKind,
  SECOND,
  transition,
} from '../../machines/index.ts'
import { describeEvent, eventCatalog } from '../../src/agent/event-catalog.ts'
import { decodeStatePaths } from '../../src/agent/state-paths.ts'
import { listChanges } from '../../src/inspection/context-changes.ts'
import type {
  Exchange,
  HistoryPage,
  Snapshot,
  StateChanges,
  Transition,
} from '../../src/web/inspector/source.ts'

/**
 * Year of a device, made by the real machine: evaluation, registration, more use than licenses, an outage of twelve
 * weeks with an expired authorization, and the way back. The inspector's tests and drawings use it.
 */

export const INSTALLED_AT = Date.parse('2025-11-20T14:00:00Z')
export const NOW = Date.parse('2026-11-29T21:40:00Z')

/** Answer of the license server at an instant. Null when it is not reached. */
type Answer = { readonly purchased: number } | null

/** Periods without a connection. In the second, a firewall inspects TLS for some seconds. */
const OUTAGES = [
  { from: Date.parse('2026-08-04T02:00:00Z'), to: Date.parse('2026-11-04T19:20:00Z') },
  { from: Date.parse('2026-11-29T21:36:09Z'), to: Date.parse('2026-11-29T21:36:10Z') },
]

/** Changes of usage and purchases, and acts of people, in order. */
const SCRIPT: readonly {
  readonly at: string
  readonly event?: Partial<Event>
  readonly purchased?: number
}[] = [
  { at: '2025-11-24T09:02:11Z', event: { type: 'usage.changed', tag: 'HOST', count: 4 } },
  { at: '2025-12-16T10:40:00Z', event: { type: 'usage.changed', tag: 'HOST', count: 12 } },
  {
    at: '2026-01-08T08:12:40Z',
    event: { type: 'transport.changed', transport: 'gateway https://branch.acme.example' },
  },
  { at: '2026-02-07T09:14:00Z', event: { type: 'registration.start', force: false, again: false } },
  { at: '2026-03-02T13:20:00Z', event: { type: 'usage.changed', tag: 'HOST', count: 19 } },
  { at: '2026-05-04T13:40:00Z', event: { type: 'usage.changed', tag: 'HOST', count: 29 } },
  { at: '2026-05-11T16:00:00Z', purchased: 40 },
  { at: '2026-05-11T16:05:00Z', event: { type: 'authorization.renew' } },
  { at: '2026-06-18T07:30:00Z', event: { type: 'usage.changed', tag: 'HOST', count: 33 } },
  { at: '2026-09-22T11:05:00Z', event: { type: 'usage.changed', tag: 'HOST', count: 29 } },
  { at: '2026-11-22T11:32:00Z', event: { type: 'usage.changed', tag: 'HOST', count: 49 } },
  { at: '2026-11-29T21:36:09Z', event: { type: 'authorization.renew' } },
]

class Year {
  readonly rows: Transition[] = []
  readonly snapshots = new Map<number, AgentSnapshot>()
  at: Instant = INSTALLED_AT
  snapshot: AgentSnapshot = initialTransition(INSTALLED_AT).snapshot
  purchased = 25
  #recorded = this.snapshot.context
  #attempts = 0

  /** Lets time pass until an instant: each deadline has its tick. */
  pass(until: Instant): void {
    for (;;) {
      const due = Math.max(nextDeadline(this.snapshot) ?? until, this.at + SECOND)
      const next = Math.min(due, until, this.at + 12 * HOUR)
      const used = this.snapshot.context.evaluation.running ? (next - this.at) / SECOND : 0
      this.at = next
      this.apply({ type: 'clock.tick', at: next, used })
      if (next >= until) return
    }
  }

  apply(event: Event): void {
    const before = this.snapshot
    const { snapshot, commands } = transition(before, event)
    this.snapshot = snapshot
    this.#record(event, before, commands)
    for (const command of commands) if (command.type === 'request') this.#request(command.params.kind)
  }

  #request(kind: RequestKind): void {
    const isOut = OUTAGES.some(({ from, to }) => this.at >= from && this.at < to)
    this.#attempts++
    this.apply(
      createOutcome(
        kind,
        this.snapshot,
        this.at,
        isOut ? null : { purchased: this.purchased },
        this.#attempts,
      ),
    )
  }

  #record(event: Event, before: AgentSnapshot, commands: readonly Command[]): void {
    const after = this.snapshot
    const notices = commands.flatMap((command) => {
      if (command.type !== 'notice') return []
      const { notice, detail } = command.params
      const { severity, text } = eventCatalog[notice]
      return [{ notice, severity, message: detail === undefined ? text : `${text}: ${detail}` }]
    })
    const requests = commands.flatMap((command) =>
      command.type === 'request' ? [`request ${command.params.kind}`] : [],
    )
    const [from, to] = [decodeStatePaths(before), decodeStatePaths(after)]
    const isQuiet =
      event.type === 'clock.tick' &&
      notices.length + requests.length === 0 &&
      JSON.stringify(from) === JSON.stringify(to)
    if (isQuiet) return
    const { type: _type, at: _at, ...payload } = event
    const id = this.rows.length + 1
    this.rows.push({
      id,
      at: new Date(event.at).toISOString(),
      event: event.type,
      inWords: describeEvent(event.type),
      payload: event.type === 'clock.tick' ? {} : payload,
      before: from,
      after: to,
      notices,
      commands: requests,
      changes: listChanges(this.#recorded, after.context),
      evaluationSeconds: Math.floor(after.context.evaluation.remainingSeconds),
    })
    this.#recorded = after.context
    this.snapshots.set(id, after)
  }
}

const TIMED_OUT = {
  code: 'CONNECTION_TIMED_OUT',
  message: 'The connection to branch.acme.example:443 timed out.',
  remedy: 'Check the network between the device and the license server.',
}

function createOutcome(
  kind: RequestKind,
  { context }: AgentSnapshot,
  at: Instant,
  answer: Answer,
  attempts: number,
): Event {
  // A sequence that looks random and is the same in each run.
  const jitter = ((attempts * 2_654_435_761) % 4_294_967_296) / 4_294_967_296
  if (answer === null)
    return { type: `${kind}.unreachable`, at, failure: TIMED_OUT, jitter, retryAfter: null }
  const accounts = { smartAccount: 'acme.example', virtualAccount: 'Default' }
  const expiresAt = at + 365 * DAY - 5 * MINUTE
  switch (kind) {
    case 'register':
      return {
        type: 'register.accepted',
        at,
        registration: {
          instanceId: 'ab12cd34',
          ...accounts,
          exportControlled: false,
          registeredAt: at,
          expiresAt,
        },
      }
    case 'authorize': {
      const { counts } = context.usage
      const count = counts.HOST ?? 0
      const compliant = count <= answer.purchased
      return {
        type: 'authorize.accepted',
        at,
        counts,
        compliant,
        entitlements: [
          {
            tag: 'HOST',
            name: 'Host License',
            description: 'A host of meetings',
            count,
            status: compliant ? 'in-compliance' : 'out-of-compliance',
          },
        ],
        deadlineAt: at + 90 * DAY - 5 * MINUTE,
        nextContactAt: null,
        ...accounts,
      }
    }
    case 'renew':
      return { type: 'renew.accepted', at, expiresAt }
    case 'acknowledge':
    case 'deregister':
      return { type: `${kind}.accepted`, at }
  }
}

/** Data of a device in the form of the inspection API. */
export interface InspectedDevice {
  readonly history: (range?: { limit?: number; after?: number; before?: number }) => HistoryPage
  readonly stateChanges: () => StateChanges
  readonly snapshot: (id: number) => Snapshot
  readonly exchanges: (limit?: number) => { exchanges: Exchange[] }
}

/** Runs the year. The run takes a fraction of a second. */
export function createInspectedYear(): InspectedDevice {
  const year = new Year()
  for (const { at, event, purchased } of SCRIPT) {
    year.pass(Date.parse(at))
    if (purchased !== undefined) year.purchased = purchased
    if (event) year.apply({ ...event, at: year.at } as Event)
  }
  year.pass(NOW)
  const { rows, snapshots, snapshot } = year
  const at = new Date(NOW).toISOString()
  return {
    history: ({ limit = 200, after = 0, before = 0 } = {}) => ({
      history: rows.filter(({ id }) => id > after && (before === 0 || id < before)).slice(-limit),
      total: rows.length,
    }),
    stateChanges: () => createStateChanges(rows, snapshots),
    snapshot: (id) =>
      ({
        id,
        at: id === 0 ? at : (rows[id - 1]?.at ?? at),
        snapshot: id === 0 ? snapshot : snapshots.get(id),
      }) as Snapshot,
    exchanges: (limit = 50) => ({ exchanges: createExchanges(rows).slice(0, limit) }),
  }
}

function createStateChanges(
  rows: readonly Transition[],
  snapshots: Map<number, AgentSnapshot>,
): StateChanges {
  const isFull = (id: number) =>
    isFullyFunctional(snapshots.get(id) ?? initialTransition(INSTALLED_AT).snapshot)
  let since = { events: 0, answered: 0, unanswered: 0 }
  const changes: StateChanges['changes'] = []
  for (const { id, at, event, inWords, before, after, notices } of rows) {
    if (before.state !== after.state || isFull(id) !== isFull(id - 1)) {
      const [from, to] = [before.state, after.state]
      changes.push({ id, at, event, inWords, from, to, full: isFull(id), notices, since })
      since = { events: 0, answered: 0, unanswered: 0 }
    } else {
      since.events++
      if (/\.(accepted|refused)$/.test(event)) since.answered++
      if (event.endsWith('.unreachable')) since.unanswered++
    }
  }
  return {
    start: {
      at: new Date(INSTALLED_AT).toISOString(),
      state: getLicenseState(initialTransition(INSTALLED_AT).snapshot.value),
      full: true,
    },
    changes,
    connection: rows
      .filter(({ before, after }) => before.connection !== after.connection)
      .map(({ at, after }) => ({ at, state: after.connection })),
    events: rows.length,
  }
}

const ROUTE = { proxy: '10.20.0.9:3128', server: 'branch.acme.example:443', role: 'satellite' as const }
const GOOD: readonly (readonly [Exchange['steps'][number]['step'], number, string | null])[] = [
  ['name', 0.1, null],
  ['connect', 0.9, '10.20.0.9'],
  ['proxy', 2.3, null],
  ['tls', 2.8, 'TLSv1.3, CN=branch.acme.example'],
  ['request', 0, null],
  ['answer', 8.9, null],
]

function createExchange(row: Transition, id: number, broken: number | null): Exchange {
  let startedAt = 0
  const steps = GOOD.map(([step, duration, found], i): Exchange['steps'][number] => {
    const isTried = broken === null || i <= broken
    const taken = isTried ? (i === broken ? 10.3 : duration) : 0
    const entry = {
      step,
      startedAt,
      duration: taken,
      outcome: !isTried ? ('not-tried' as const) : i === broken ? ('failed' as const) : ('ok' as const),
      found:
        i === broken ? 'certificate of “Firewall CA, Example Security”: not trusted' : isTried ? found : null,
    }
    startedAt = Math.round((startedAt + taken) * 10) / 10
    return entry
  })
  const [kind = '', outcome] = row.event.split('.')
  const isFailed = broken !== null
  return {
    id,
    at: row.at,
    kind,
    duration: startedAt,
    outcome: outcome === 'accepted' || outcome === 'refused' ? outcome : 'unreachable',
    code: isFailed ? 'TLS_INSPECTED' : null,
    message: isFailed
      ? 'The certificate of branch.acme.example was issued by “Firewall CA, Example Security”.'
      : null,
    remedy: isFailed
      ? 'Ask the network team to leave the host out of TLS inspection: the issuer named above is the device that does it.'
      : null,
    route: ROUTE,
    steps,
    synchronizedAt: isFailed ? null : '2026-11-22T03:00:09.000Z',
  }
}

/** Returns the newest exchanges, newest first. Those without an answer broke at TLS. */
const createExchanges = (rows: readonly Transition[]): Exchange[] =>
  rows
    .filter(({ event }) => /^(register|authorize|renew)\.(accepted|unreachable)$/.test(event))
    .map((row, i) => createExchange(row, i + 1, row.event.endsWith('.unreachable') ? 3 : null))
    .reverse()
