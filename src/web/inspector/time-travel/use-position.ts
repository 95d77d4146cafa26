import { useState } from 'react'
import { changeLocation, useInspectorLocation } from '../inspector-location.ts'
import { useHistory, useStateChanges } from '../source-context.tsx'
import type { StateChange } from '../source.ts'
import { findChange, findEvent } from './find-step.ts'

/** Ways to step through the history. */
export type StepMode = 'changes' | 'events'

/** Point in the history at which time travel stands, and the steps from there. */
export interface Position {
  readonly mode: StepMode
  readonly setMode: (mode: StepMode) => void
  /** Id of the selected transition. 0 for an empty history. */
  readonly id: number
  readonly changes: readonly StateChange[]
  /** Ids of the oldest and newest stored transition. */
  readonly firstId: number
  readonly lastId: number
  readonly events: number
  /** Number of the selected step in the current mode, from 1. */
  readonly step: number
  readonly steps: number
  readonly select: (id: number) => void
  /** Goes to the first step, the last one, or a number of steps forward or back. */
  readonly move: (step: 'first' | 'last' | number, mode?: StepMode) => void
  readonly isLast: boolean
}

/** Reads the position from the URL. Without one, it is the newest change of the state. */
export function usePosition(): Position {
  const { at } = useInspectorLocation()
  const [mode, setMode] = useState<StepMode>('changes')
  const history = useStateChanges().data
  const newest = useHistory({ limit: 1 }).data
  const changes = history?.changes ?? []
  const events = newest?.total ?? history?.events ?? 0
  const lastId = newest?.history.at(-1)?.id ?? 0
  const firstId = Math.max(1, lastId - events + 1)
  const newestId = mode === 'changes' ? (changes.at(-1)?.id ?? lastId) : lastId
  const id = at === null ? newestId : Math.min(Math.max(at, firstId), lastId)
  const ids = changes.map((change) => change.id)
  const step = mode === 'changes' ? ids.filter((other) => other <= id).length : id - firstId + 1
  const steps = mode === 'changes' ? ids.length : events
  const select = (next: number) => {
    changeLocation({ at: next }, { replace: true })
  }
  const move: Position['move'] = (to, by = mode) => {
    const next = by === 'changes' ? findChange(ids, id, to) : findEvent({ firstId, lastId }, id, to)
    if (next !== undefined && next > 0) select(next)
  }
  const isLast = mode === 'changes' ? step >= steps && id >= (ids.at(-1) ?? 0) : id >= lastId
  return { mode, setMode, id, changes, firstId, lastId, events, step, steps, select, move, isLast }
}
