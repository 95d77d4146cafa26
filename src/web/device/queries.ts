import { type QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { deviceContract } from '../../console/device/contract.ts'
import { createApi, type Output } from '../shared/api.ts'

export const api = createApi<typeof deviceContract>()
export type Status = Output<typeof deviceContract, 'status'>
export type Transition = Output<typeof deviceContract, 'history'>['history'][number]
export type Host = Output<typeof deviceContract, 'hosts'>['hosts'][number]

export const useStatus = () => useQuery({ queryKey: ['status'], queryFn: () => api.query('status') })
export const useExplanation = () => useQuery({ queryKey: ['explain'], queryFn: () => api.query('explain') })
export const useSystem = () => useQuery({ queryKey: ['system'], queryFn: () => api.query('system') })
export const useHistory = () =>
  useQuery({ queryKey: ['history'], queryFn: () => api.query('history', { limit: 1000 }) })

/** Creates a mutation that refetches all queries when it settles. */
export function useApiMutation<I, O>(send: (input: I) => Promise<O>, done?: (answer: O) => void) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: send,
    onSuccess: (answer) => {
      done?.(answer)
    },
    onSettled: () => client.invalidateQueries(),
  })
}

/** Updates the query cache from server events of the device. */
export function onServerEvent(client: QueryClient, event: string, data: unknown): void {
  if (event === 'status') {
    client.setQueryData(['status'], data)
    void client.invalidateQueries({ queryKey: ['explain'] })
    void client.invalidateQueries({ queryKey: ['system'] })
  }
  if (event === 'transition') {
    client.setQueryData<{ history: Transition[] }>(
      ['history'],
      (known) => known && { history: [...known.history, data as Transition].slice(-2000) },
    )
    void client.invalidateQueries({ predicate: ({ queryKey }) => isPresent(queryKey) })
  }
}

/** Checks whether a query of the inspector reads the present, which a transition changes. */
function isPresent([name, part]: readonly unknown[]): boolean {
  if (name === 'history') return typeof part === 'object' && part !== null && !('before' in part)
  return name === 'state-changes' || name === 'exchanges' || (name === 'snapshot' && part === 0)
}
