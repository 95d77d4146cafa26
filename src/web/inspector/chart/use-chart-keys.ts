import { type FocusEvent, type KeyboardEvent, type RefObject, useEffect, useRef, useState } from 'react'
import type { Drawing, DrawnState } from './drawing.types.ts'
import { findNearest } from './viewport.ts'

/** Way out of a state, as the keyboard steps through them. */
export interface KeyExit {
  readonly line: string
  /** Id of the state to which it leads. */
  readonly target: string
}

export interface ChartKeyActions {
  readonly open: (id: string) => void
  readonly close: () => void
  /** Lists the ways out of a state. */
  readonly listExits: (id: string) => readonly KeyExit[]
  readonly selectExit: (exit: KeyExit) => void
  readonly select: (id: string) => void
}

interface ChartKeyOptions {
  readonly drawing: Drawing
  readonly frame: RefObject<HTMLDivElement | null>
  readonly reveal: (id: string) => void
  readonly zoom: (factor: number) => void
  readonly actualSize: () => void
  readonly fit: () => void
  readonly follow: () => void
  readonly actions: ChartKeyActions
}

/** Exits through which the arrow keys step, and the one that is selected. */
interface ExitList {
  readonly exits: readonly KeyExit[]
  readonly index: number
}

const ZOOM_FACTOR = 1.2
const MAX_FOCUS_FRAMES = 60

const findStateId = (target: EventTarget): string | null =>
  target instanceof Element ? (target.closest<HTMLElement>('[data-state-id]')?.dataset.stateId ?? null) : null

/** Handles a key of the view: zoom, fit, follow and close. Returns true for such a key. */
function handleViewKey({ key, shiftKey }: KeyboardEvent, options: ChartKeyOptions): boolean {
  const commands: Record<string, () => void> = {
    '+': () => {
      options.zoom(ZOOM_FACTOR)
    },
    '-': () => {
      options.zoom(1 / ZOOM_FACTOR)
    },
    '0': options.actualSize,
    f: shiftKey ? options.follow : options.fit,
    escape: options.actions.close,
  }
  const command = commands[key.toLowerCase()]
  command?.()
  return command !== undefined
}

/** Steps through the exits of a state: up and down select one, Enter goes to its target. */
function useExitKeys(actions: ChartKeyActions, focus: (id: string) => void) {
  const [list, setList] = useState<ExitList | null>(null)
  const selectExit = (exits: readonly KeyExit[], index: number) => {
    const exit = exits[index]
    if (!exit) return
    setList({ exits, index })
    actions.selectExit(exit)
  }
  /** Returns true if the key belongs to the list. */
  const step = (key: string): boolean => {
    if (list === null) return false
    const { exits, index } = list
    const direction = { ArrowDown: 1, ArrowUp: -1 }[key]
    if (direction !== undefined) {
      selectExit(exits, (index + direction + exits.length) % exits.length)
      return true
    }
    const exit = exits[index]
    if (key !== 'Enter' || !exit) return false
    setList(null)
    actions.select(exit.target)
    focus(exit.target)
    return true
  }
  const close = () => {
    setList(null)
  }
  return { selectExit, step, close }
}

/**
 * Handles the keys of the chart. One state is a tab stop: the one that had the focus last, at first the active one.
 */
export function useChartKeys(options: ChartKeyOptions) {
  const { drawing, frame, reveal, actions } = options
  const [focused, setFocused] = useState<string | null>(null)
  const getState = (id: string | null): DrawnState | undefined =>
    drawing.states.find((state) => state.id === id)
  const tabStop =
    (getState(focused) ?? drawing.states.find(({ isActive }) => isActive) ?? drawing.states[0])?.id ?? null
  const focus = (id: string) => {
    setFocused(id)
    frame.current
      ?.querySelector<HTMLElement>(`[data-state-id="${CSS.escape(id)}"]`)
      ?.focus({ preventScroll: true })
  }
  // An element that disappears with the old drawing leaves the focus to the page.
  const hadFocus = useRef(false)
  useEffect(() => {
    if (!hadFocus.current || tabStop === null) return
    // The states of a new drawing appear some frames later.
    let frames = MAX_FOCUS_FRAMES
    const tryFocus = () => {
      const isLost = document.activeElement === document.body || document.activeElement === null
      if (isLost) focus(tabStop)
      const isDone = findStateId(document.activeElement ?? document.body) === tabStop
      if (!isDone && frames-- > 0) handle = requestAnimationFrame(tryFocus)
    }
    let handle = requestAnimationFrame(tryFocus)
    return () => {
      cancelAnimationFrame(handle)
    }
  }, [drawing.key])
  const exitKeys = useExitKeys(actions, focus)
  const handleStateKey = (id: string, key: string): boolean => {
    const state = getState(id)
    if (key.startsWith('Arrow') && state) {
      const next = findNearest(state, drawing.states, key)
      if (next) focus(next.id)
      return true
    }
    if (key === 'o') actions.open(id)
    else if (key === 'e') exitKeys.selectExit(actions.listExits(id), 0)
    else return false
    return true
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const id = findStateId(event.target)
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    if (key === 'Escape') exitKeys.close()
    const isHandled =
      exitKeys.step(key) || (id !== null && handleStateKey(id, key)) || handleViewKey(event, options)
    if (isHandled) event.preventDefault()
  }
  const onFocus = ({ target }: FocusEvent) => {
    const id = findStateId(target)
    if (id === null) return
    hadFocus.current = true
    if (id !== focused) exitKeys.close()
    setFocused(id)
    reveal(id)
  }
  const onBlur = ({ relatedTarget }: FocusEvent) => {
    if (relatedTarget instanceof Node && !frame.current?.contains(relatedTarget)) hadFocus.current = false
  }
  return { tabStop, onKeyDown, onFocus, onBlur }
}
