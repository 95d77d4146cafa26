import { useQuery } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext } from 'react'
import type { HistoryRange, InspectionSource } from './source.ts'

const SourceContext = createContext<InspectionSource | null>(null)

export function SourceProvider({ source, children }: { source: InspectionSource; children: ReactNode }) {
  return <SourceContext value={source}>{children}</SourceContext>
}

/**
 * Returns the source of the inspector that contains the component.
 *
 * @throws Error outside an inspector
 */
export function useSource(): InspectionSource {
  const source = useContext(SourceContext)
  if (source === null) throw new Error('The component is not inside an inspector.')
  return source
}

export function useStatus() {
  const { key, status } = useSource()
  return useQuery({ queryKey: [...key, 'status'], queryFn: status })
}

export function useExplanation() {
  const { key, explain } = useSource()
  return useQuery({ queryKey: [...key, 'explain'], queryFn: explain })
}

export function useStateChanges() {
  const { key, stateChanges } = useSource()
  return useQuery({ queryKey: [...key, 'state-changes'], queryFn: stateChanges })
}

export function useHistory(range: HistoryRange = {}, isEnabled = true) {
  const { key, history } = useSource()
  return useQuery({
    queryKey: [...key, 'history', range],
    queryFn: () => history(range),
    enabled: isEnabled,
  })
}

/** Returns the snapshot after a transition. 0 for now. */
export function useSnapshot(id: number, isEnabled = true) {
  const { key, snapshot } = useSource()
  return useQuery({
    queryKey: [...key, 'snapshot', id],
    queryFn: () => snapshot(id),
    enabled: isEnabled,
  })
}

export function useExchanges(limit: number) {
  const { key, exchanges } = useSource()
  return useQuery({ queryKey: [...key, 'exchanges', limit], queryFn: () => exchanges(limit) })
}
