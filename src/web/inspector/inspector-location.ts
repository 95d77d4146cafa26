import { useSyncExternalStore } from 'react'

export const VIEWS = ['state', 'chart', 'time-travel', 'exchanges', 'what-if'] as const
export type View = (typeof VIEWS)[number]

/** Place in the inspector, which the query of the hash keeps: `#/statechart?view=chart&open=authorized`. */
export interface InspectorLocation {
  /** Null for the first view: the chart, or the state on a phone. */
  readonly view: View | null
  /** Selected state, such as `license.authorized`. Null for the active state. */
  readonly state: string | null
  /** Id of the selected line of the chart. */
  readonly line: string | null
  /** State or region whose inside is open, such as `license.authorized`. Null for the overview. */
  readonly open: string | null
  /** Id of the transition in the history at which the inspector stands. Null for now. */
  readonly at: number | null
}

const subscribe = (onChange: () => void) => {
  window.addEventListener('hashchange', onChange)
  return () => {
    window.removeEventListener('hashchange', onChange)
  }
}

const readNumber = (text: string | null): number | null =>
  text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null

/** Parses a hash. Unknown values are ignored. */
export function parseLocation(hash: string): InspectorLocation {
  const query = new URLSearchParams(hash.split('?')[1] ?? '')
  return {
    view: VIEWS.find((view) => view === query.get('view')) ?? null,
    state: query.get('state'),
    line: query.get('line'),
    open: query.get('open'),
    at: readNumber(query.get('at')),
  }
}

/** Formats a location as the query of a hash. */
export function formatLocation(location: InspectorLocation): string {
  const query = new URLSearchParams()
  if (location.view !== null) query.set('view', location.view)
  for (const name of ['open', 'state', 'line'] as const) {
    const value = location[name]
    if (value !== null) query.set(name, value)
  }
  if (location.at !== null) query.set('at', String(location.at))
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

/**
 * Changes a part of the location. `replace` leaves no entry in the browser history, for steps such as a slider's.
 */
export function changeLocation(
  change: Partial<InspectorLocation>,
  { replace = false }: { replace?: boolean } = {},
): void {
  const { hash } = window.location
  const next = `${hash.split('?')[0] ?? ''}${formatLocation({ ...parseLocation(hash), ...change })}`
  if (next === hash) return
  if (!replace) {
    window.location.hash = next
    return
  }
  window.history.replaceState(null, '', next === '' ? '#/' : next)
  window.dispatchEvent(new HashChangeEvent('hashchange'))
}

/** Returns the location, and renders again when it changes. */
export function useInspectorLocation(): InspectorLocation {
  return parseLocation(useSyncExternalStore(subscribe, () => window.location.hash))
}
