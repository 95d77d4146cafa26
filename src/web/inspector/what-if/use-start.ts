import { useQuery } from '@tanstack/react-query'
import type { Event } from '../../../../machines/agent-machine.types.ts'
import type { AgentSnapshot } from '../../../../machines/transition.ts'
import { useInspectorLocation } from '../inspector-location.ts'
import { useSource } from '../source-context.tsx'
import type { InspectionSource, LicenseState } from '../source.ts'
import { toLicenseState } from '../state-style.tsx'
import { findTransitionAt } from './find-transition.ts'

/** Point at which a run starts. */
export interface Start {
  /** Id of the transition. 0 for now. */
  readonly id: number
  readonly from: number
  readonly snapshot: AgentSnapshot
  readonly state: LicenseState | null
  /** Events that bring the snapshot to the instant: the evaluation time that passed since its transition. */
  readonly events: readonly Event[]
}

export type StartQuery = ReturnType<typeof useStart>

/** Reads the start of a run: the transition in the URL, an instant, or now. It stays until it is read again. */
export function useStart(customAt: string | null) {
  const source = useSource()
  const { at } = useInspectorLocation()
  const instant = customAt === null ? null : Date.parse(`${customAt}Z`)
  return useQuery({
    queryKey: [...source.key, 'what-if-start', at, instant],
    queryFn: () => (instant === null ? readTransition(source, at ?? 0) : readInstant(source, instant)),
    enabled: instant === null || !Number.isNaN(instant),
    staleTime: Infinity,
    gcTime: 0,
  })
}

async function readTransition(source: InspectionSource, id: number): Promise<Start> {
  const { at, snapshot } = await source.snapshot(id)
  const { license } = snapshot.value
  const name = typeof license === 'string' ? license : (Object.keys(license)[0] ?? '')
  return { id, from: Date.parse(at), snapshot, state: toLicenseState(name), events: [] }
}

async function readInstant(source: InspectionSource, instant: number): Promise<Start | null> {
  const id = await findTransitionAt(source, instant)
  if (id === null) return null
  const start = await readTransition(source, id)
  const { evaluation } = start.snapshot.context
  const used = Math.max(0, (instant - start.from) / 1000)
  const passed: Event = { type: 'clock.tick', at: instant, used }
  return { ...start, from: instant, events: evaluation.running && used > 0 ? [passed] : [] }
}
