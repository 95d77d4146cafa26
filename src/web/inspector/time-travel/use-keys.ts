import { useEffect, useRef } from 'react'
import type { Position } from './use-position.ts'

/** Elements that use the keys themselves. */
const OWN_KEYS =
  'input, textarea, select, [contenteditable], [role=dialog], [role=listbox], [role=menu], [role=tab]'
const BUTTONS = 'button, a, summary'

/**
 * Listens to the keys of time travel: arrows step through the state changes, with Shift through all events. Home and End
 * lead to the ends, and Space plays.
 */
export function useTravelKeys(move: Position['move'], togglePlay: () => void): void {
  const handlers = useRef({ move, togglePlay })
  useEffect(() => {
    handlers.current = { move, togglePlay }
  })
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const target = event.target instanceof Element ? event.target : null
      if (event.ctrlKey || event.metaKey || event.altKey || target?.closest(OWN_KEYS)) return
      if (event.key === ' ' && target?.closest(BUTTONS)) return
      const action = getAction(event, handlers.current)
      if (!action) return
      event.preventDefault()
      action()
    }
    document.addEventListener('keydown', onKeyDown)
    return () => {
      document.removeEventListener('keydown', onKeyDown)
    }
  }, [])
}

function getAction(
  { key, shiftKey }: KeyboardEvent,
  { move, togglePlay }: { move: Position['move']; togglePlay: () => void },
): (() => void) | undefined {
  const by = shiftKey ? 'events' : undefined
  const actions: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => {
      move(-1, by)
    },
    ArrowRight: () => {
      move(1, by)
    },
    Home: () => {
      move('first')
    },
    End: () => {
      move('last')
    },
    ' ': togglePlay,
  }
  return actions[key]
}
