import { type QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { deviceContract } from '../../console/device/contract.ts'
import { createApi, type Output } from '../shared/api.ts'
import { getRefetchType } from '../shared/live-events.ts'

export const api = createApi<typeof deviceContract>()
export type Status = Output<typeof deviceContract, 'status'>
type HistoryPage = Output<typeof deviceContract, 'history'>
export type Transition = HistoryPage['history'][number]
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
    void client.invalidateQueries({ queryKey: ['explain'], refetchType: getRefetchType() })
    void client.invalidateQueries({ queryKey: ['system'], refetchType: getRefetchType() })
  }
  if (event === 'transition') {
    client.setQueryData<HistoryPage>(
      ['history'],
      (known) =>
        known && {
          history: [...known.history, data as Transition].slice(-2000),
          total: known.total + 1,
        },
    )
    void client.invalidateQueries({
      predicate: ({ queryKey }) => isChangedByTransition(queryKey),
      refetchType: getRefetchType(),
    })
  }
}

/** Returns true for the inspector's data. The event history itself takes the transition from the event. */
const isChangedByTransition = ([name, ...range]: readonly unknown[]): boolean =>
  name === 'state-changes' ||
  name === 'snapshot' ||
  name === 'exchanges' ||
  (name === 'history' && range.length > 0)
