import type { InspectorLocation } from './inspector-location.ts'
import type { MachineDrawing } from '../../diagrams/inside-layout.types.ts'
import { formatMove, formatMoveName } from './chart/moves.ts'
import { formatDate } from './format-time.ts'
import type { StateChanges } from './source.ts'
import { getName } from './names.ts'
import { LICENSE_STATES } from './state-style.tsx'
import { texts } from './texts.ts'

const t = texts.search
const MAX_RESULTS_PER_GROUP = 6

export const GROUPS = ['state', 'leads', 'event', 'notice', 'history'] as const
export type Group = (typeof GROUPS)[number]

export interface SearchResult {
  readonly key: string
  readonly group: Group
  readonly title: string
  readonly detail: string
  /** Place that shows the result in the chart. */
  readonly place: Partial<InspectorLocation>
  /** Place that shows the result in time travel. Null if the history does not contain it. */
  readonly pastPlace: Partial<InspectorLocation> | null
}

const capitalize = (words: string): string => words.replace(/^./, (first) => first.toUpperCase())
const showState = (id: string): Partial<InspectorLocation> => {
  const [region = '', state = '', inner] = id.split('.')
  const open =
    region === 'registration' || (region === 'license' && inner !== undefined)
      ? `${region}.${state}`
      : region === 'license'
        ? null
        : 'license'
  return { view: 'chart', open, state: id, line: null }
}

function listStates({ states }: MachineDrawing): SearchResult[] {
  return Object.entries(states)
    .filter(([id]) => id.includes('.'))
    .map(([id, { description }]) => {
      const [region = ''] = id.split('.')
      const isLicense = region === 'license' && id.split('.').length === 2
      const owner = texts.regions[region as keyof typeof texts.regions]
      return {
        key: id,
        group: 'state' as const,
        title: isLicense ? getName(id) : `${owner}: ${getName(id)}`,
        detail: `${capitalize(description)}.`,
        place: showState(id),
        pastPlace: null,
      }
    })
}

/** Lists the moves to each state. Those with the same causes are one entry. */
function listMoves({ moves }: MachineDrawing): SearchResult[] {
  const groups = new Map<string, (typeof moves)[number][]>()
  for (const move of moves.filter(({ from, to }) => from !== to)) {
    const key = JSON.stringify([move.to, move.causes.map(({ event, guard }) => [event, guard])])
    groups.set(key, [...(groups.get(key) ?? []), move])
  }
  return [...groups].flatMap(([key, group]): SearchResult[] => {
    const [first] = group
    if (!first) return []
    return [
      {
        key: `move ${key}`,
        group: 'leads',
        title: `${group.map(({ from }) => texts.states[from]).join(', ')} → ${texts.states[first.to]}`,
        detail: first.causes
          .map(
            ({ label, event, guard }) =>
              `${capitalize(label)} · ${event}${guard === null ? '' : `, ${guard}`}`,
          )
          .join('; '),
        place: { view: 'chart', open: null, line: formatMove([first.from, first.to]), state: null },
        pastPlace: null,
      },
    ]
  })
}

/** Lists the events with the line that each of them takes first. */
function listEvents({ events, moves, insides }: MachineDrawing): SearchResult[] {
  const edges = Object.entries(insides).flatMap(([open, inside]) =>
    inside.edges.map((edge) => ({ open, edge })),
  )
  return Object.entries(events).map(([event, description]) => {
    const move = moves.find(({ causes }) => causes.some((cause) => cause.event === event))
    const found = edges.find(({ edge }) => edge.causes.some((cause) => cause.event === event))
    return {
      key: `event ${event}`,
      group: 'event' as const,
      title: capitalize(description),
      detail: event,
      place: move
        ? { view: 'chart' as const, open: null, line: formatMove([move.from, move.to]), state: null }
        : { view: 'chart' as const, open: found?.open ?? null, line: found?.edge.id ?? null, state: null },
      pastPlace: null,
    }
  })
}

function listNotices({ notices }: MachineDrawing, changes: StateChanges | undefined): SearchResult[] {
  return Object.entries(notices).map(([notice, { severity, text }]) => {
    const change = changes?.changes.findLast((row) => row.notices.some((entry) => entry.notice === notice))
    return {
      key: `notice ${notice}`,
      group: 'notice' as const,
      title: notice,
      detail: `${text} · ${t.severity(t.severities[severity] ?? String(severity))}`,
      place: change
        ? { view: 'chart' as const, open: null, line: formatMove([change.from, change.to]), state: null }
        : {},
      pastPlace: change ? { view: 'time-travel' as const, at: change.id } : null,
    }
  })
}

/** Lists the changes of the license state, and the states in which the device never was. */
function listHistory(changes: StateChanges | undefined): SearchResult[] {
  if (!changes) return []
  const seen = new Set([changes.start.state, ...changes.changes.map(({ to }) => to)])
  const entries = changes.changes.toReversed().map(({ id, at, from, to, inWords }): SearchResult => ({
    key: `change ${id}`,
    group: 'history',
    title: `${formatDate(at)}: ${texts.states[to]}`,
    detail: `${formatMoveName([from, to])} · ${inWords}`,
    place: { view: 'time-travel', at: id },
    pastPlace: { view: 'time-travel', at: id },
  }))
  const never = LICENSE_STATES.filter((state) => !seen.has(state)).map((state): SearchResult => ({
    key: `never ${state}`,
    group: 'history',
    title: t.never(texts.states[state]),
    detail: t.neverHint(formatDate(changes.start.at)),
    place: showState(`license.${state}`),
    pastPlace: null,
  }))
  return [...entries, ...never]
}

export const createIndex = (machine: MachineDrawing, changes: StateChanges | undefined): SearchResult[] => [
  ...listStates(machine),
  ...listMoves(machine),
  ...listEvents(machine),
  ...listNotices(machine, changes),
  ...listHistory(changes),
]

/** Finds the entries that contain all words, those whose title begins with them first. */
export function findResults(index: readonly SearchResult[], text: string): SearchResult[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length === 0)
    return index.filter(({ group, key }) => group === 'state' && key.split('.').length === 2)
  const query = words.join(' ')
  const rate = ({ title, group }: SearchResult): number => {
    const name = title.toLowerCase()
    // A move to the state comes before the moves away from it.
    if (name === query || (group === 'leads' && name.includes(`→ ${query}`))) return 0
    return name.startsWith(query) ? 1 : 2
  }
  const matches = index.filter(({ title, detail }) => {
    const content = `${title} ${detail}`.toLowerCase()
    return words.every((word) => content.includes(word))
  })
  return GROUPS.flatMap((group) =>
    matches
      .filter((result) => result.group === group)
      .toSorted((a, b) => rate(a) - rate(b))
      .slice(0, MAX_RESULTS_PER_GROUP),
  )
}
