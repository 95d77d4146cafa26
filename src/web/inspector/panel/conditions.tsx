import { IconCheck, IconClock, IconX } from '@tabler/icons-react'
import type { InsideCause } from '../../../diagrams/inside-layout.types.ts'
import { formatDate, formatShort, formatTimeLeft } from '../format-time.ts'
import { machineDrawing } from '../machine-drawing.ts'
import type { Snapshot } from '../source.ts'
import { texts } from '../texts.ts'
import { capitalize } from './sections.tsx'
import { readGuard } from './guard-facts.ts'

const t = texts.panel

type Verdict = 'possible' | 'not-yet' | 'not-now' | 'answer'

/** Returns who causes an event: time, the license server, a person, or the device. */
function getKind(event: string): keyof typeof t.kinds {
  if (event === 'clock.tick') return 'time'
  if (/\.(accepted|refused)$/.test(event)) return 'answer'
  if (event.endsWith('.unreachable')) return 'silence'
  return event === 'registration.ended' || event === 'always' ? 'internal' : 'person'
}

function judge(cause: InsideCause, isFromActive: boolean, isMet: boolean | null): Verdict {
  if (!isFromActive) return 'not-now'
  if (isMet === false) return getKind(cause.event) === 'time' ? 'not-yet' : 'not-now'
  const kind = getKind(cause.event)
  return kind === 'answer' || kind === 'silence' || (kind === 'internal' && cause.guard === null)
    ? 'answer'
    : 'possible'
}

const ICONS = { possible: IconCheck, 'not-yet': IconX, 'not-now': IconX, answer: IconClock }

/** Joins causes that differ only in their event, such as the outcomes of several requests. */
export function groupCauses(causes: readonly InsideCause[]): { cause: InsideCause; events: string[] }[] {
  const groups = new Map<string, { cause: InsideCause; events: string[] }>()
  for (const cause of causes) {
    const key = `${getKind(cause.event)} ${cause.guard ?? ''} ${cause.label}`
    const group = groups.get(key)
    if (group) group.events.push(cause.event)
    else groups.set(key, { cause, events: [cause.event] })
  }
  return [...groups.values()]
}

/** Condition of a transition: its event, its guard, the facts, and whether it can happen now. */
export function Condition(props: {
  cause: InsideCause
  events: readonly string[]
  index: number
  isFromActive: boolean
  snapshot: Snapshot['snapshot']
}) {
  const { cause, events, index, isFromActive, snapshot } = props
  const facts = cause.guard === null ? null : readGuard(cause.guard, snapshot, Date.now())
  const verdict = judge(cause, isFromActive, facts?.isMet ?? null)
  const Icon = ICONS[verdict]
  const command = (texts.commands as Record<string, string>)[cause.event]
  return (
    <section className="ins-condition">
      <h3>{t.condition(index + 1, t.kinds[getKind(cause.event)])}</h3>
      <div className="ins-condition-box" data-verdict={verdict}>
        <p className="ins-verdict">
          <Icon size={16} aria-hidden="true" /> {t.verdicts[verdict]}
        </p>
        <p>
          {facts?.sentence ??
            `${capitalize((events.length > 1 ? undefined : machineDrawing.events[cause.event]) ?? cause.label)}.`}
        </p>
        {events.map((event) => (
          <code key={event}>
            {event}
            {cause.guard !== null && ` [${cause.guard}]`}
          </code>
        ))}
        {facts?.facts.map(([name, value]) => (
          <code key={name}>
            {name} {value}
          </code>
        ))}
        {command !== undefined && <code>{command}</code>}
      </div>
    </section>
  )
}

/** Instant at which a transition happens by itself, large. */
export function Awaited({ at }: { at: string }) {
  const left = formatTimeLeft(at)
  return (
    <section>
      <h3>{t.awaited}</h3>
      <p className="ins-awaited">
        <time dateTime={at}>{formatShort(at)}</time>
        <span>
          {left === null ? '' : `${left} · `}
          {formatDate(at)}
        </span>
      </p>
    </section>
  )
}
