import { axisPath, type Instant, type Position, resolve } from '../../machines/index.ts'
import { duration, iso } from '../domain/instant.ts'
import type { Status } from './status.ts'
import type { HistoryRow } from './store.ts'

/** Why a box is in its state: computed from the chart and its history, in words a person reads. */
export interface Explanation {
  readonly state: Status['state']
  /** What the chart says of the states that are active, outermost first. */
  readonly meaning: readonly string[]
  /** The transition that led here; null when the history does not reach back so far. */
  readonly because: { at: string; event: string; from: string; fact: string | null } | null
  readonly may: { functionality: Status['functionality']; reason: string | null }
  /** What will happen by itself, soonest first. */
  readonly next: readonly { at: string; inWords: string; what: string }[]
  /** What would change the state, from the transitions the chart has here. */
  readonly wouldChange: readonly { event: string; effect: string }[]
}

export function explain(
  position: Position,
  facts: { now: Instant; status: Status; change: HistoryRow | null },
): Explanation {
  const { status, now } = facts
  return {
    state: status.state,
    meaning: activeDescriptions(position),
    because: facts.change && becauseOf(facts.change),
    may: { functionality: status.functionality, reason: status.functionalityReason },
    next: upcoming(position, now),
    wouldChange: wouldChange(position),
  }
}

function becauseOf(row: HistoryRow): NonNullable<Explanation['because']> {
  const before = JSON.parse(row.before) as { state: string }
  const notices = JSON.parse(row.notices) as { message: string }[]
  const last = notices.at(-1)
  return { at: iso(row.at), event: row.event, from: before.state, fact: last?.message ?? null }
}

interface Node {
  readonly path: readonly string[]
  readonly key: string
  readonly description: string | undefined
  readonly ownEvents: readonly string[]
  readonly transitions: Map<
    string,
    readonly {
      target?: readonly { path: readonly string[]; description: string | undefined }[] | undefined
      description?: string | undefined
    }[]
  >
}

/** The active states of the registration and license axes, outermost first. */
function activeNodes(position: Position): Node[] {
  const snapshot = resolve(position) as unknown as { _nodes: Node[] }
  return snapshot._nodes
    .filter(({ path }) => path.length > 1)
    .sort((a, b) => a.path.length - b.path.length || axisOrder(a) - axisOrder(b))
}

const axisOrder = ({ path }: Node): number => ['license', 'registration', 'link'].indexOf(path[0] ?? '')

const activeDescriptions = (position: Position): string[] =>
  activeNodes(position)
    .filter(({ path, description }) => path[0] !== 'link' && description !== undefined)
    .map(({ path, description }) => `${path.slice(1).join('.')}: ${description ?? ''}`)

/** The deadlines that are set, with what each of them does. */
function upcoming({ context, value }: Position, now: Instant): Explanation['next'] {
  const { registration, renewal, authorization, usage, registering, evaluation } = context
  const contactAllowed = axisPath(value.license) !== 'reserved'
  const list: [Instant | null | undefined, string][] = [
    [registering?.nextAttemptAt, 'the registration is tried again'],
    [
      authorization.nextAttemptAt,
      authorization.failures > 0 ? 'the authorization is tried again' : 'the authorization is renewed',
    ],
    [usage.reportAt, 'the changed usage is reported'],
    [
      renewal.nextAt,
      renewal.failures > 0 ? 'the renewal of the registration is tried again' : 'the registration is renewed',
    ],
    [authorization.deadlineAt, 'the authorization expires, unless the authority is reached before'],
    [registration?.expiresAt, 'the registration expires, unless it is renewed before'],
    [
      evaluation.running ? now + evaluation.remainingSeconds * 1000 : null,
      'the evaluation period is used up, if the agent runs until then',
    ],
  ]
  return list
    .filter((entry): entry is [Instant, string] => typeof entry[0] === 'number' && contactAllowed)
    .sort(([a], [b]) => a - b)
    .map(([at, what]) => ({ at: iso(at), inWords: at <= now ? 'now' : `in ${duration(at - now)}`, what }))
}

const EVENT_WORDS: Record<string, string> = {
  REGISTER: 'registering with a token',
  DEREGISTER: 'deregistering',
  RENEW_AUTHORIZATION: 'renewing the authorization now',
  RENEW_REGISTRATION: 'renewing the registration now',
  TICK: 'the passing of time',
}

/** Every transition that leads out of the active states of the license axis, and what begins one. */
function wouldChange(position: Position): Explanation['wouldChange'] {
  const seen = new Map<string, { event: string; effect: string }>()
  for (const node of activeNodes(position)) {
    if (node.path[0] === 'link') continue
    for (const [event, transitions] of node.transitions) {
      for (const { target, description } of transitions) {
        const to = target?.[0]
        if (!to) continue
        const name = to.path.slice(1).join('.')
        if (name === node.path.slice(1).join('.')) continue
        const effect = `${name}${description ? ` (${description})` : to.description ? ` (${to.description})` : ''}`
        seen.set(`${event} ${name}`, { event: EVENT_WORDS[event] ?? answerWords(event), effect })
      }
    }
  }
  return [...seen.values()]
}

/** `authorize.accepted` as a person says it. */
function answerWords(event: string): string {
  const [kind, ending] = event.split('.')
  const end = ending === 'accepted' ? 'accepted' : ending === 'refused' ? 'refused' : 'not answered'
  return `the request to ${kind ?? event} being ${end}`
}
