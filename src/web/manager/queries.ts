import { type QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, useContext } from 'react'
import type { authorityContract } from '../../console/authority/contract.ts'
import { createApi, type Output } from '../shared/api.ts'
import { getRefetchType } from '../shared/live-events.ts'

export const api = createApi<typeof authorityContract>()
type Contract = typeof authorityContract
export type Overview = Output<Contract, 'overview'>
export type VirtualAccountView = Output<Contract, 'virtual-accounts'>['virtualAccounts'][number]
export type Token = Output<Contract, 'tokens'>['tokens'][number]
export type License = Output<Contract, 'licenses'>['licenses'][number]
export type Instance = Output<Contract, 'instance'>
export type Alert = Output<Contract, 'alerts'>['alerts'][number]
export type Event = Output<Contract, 'events'>['events'][number]
export type Transfer = Output<Contract, 'license-transfer'>
export type ReservationResult = Output<Contract, 'reserve'>
export type Satellite = Output<Contract, 'satellites'>['satellites'][number]
export type Notification = Output<Contract, 'notifications'>['notifications'][number]
export type Order = Output<Contract, 'orders'>['orders'][number]

/** Context with the selected smart account. */
export const AccountContext = createContext<string | undefined>(undefined)
export const useAccount = (): string | undefined => useContext(AccountContext)

export const useOverview = () => useQuery({ queryKey: ['overview'], queryFn: () => api.query('overview') })

export const useVirtualAccounts = () => {
  const account = useAccount()
  return useQuery({
    queryKey: ['virtual-accounts', account],
    queryFn: () => api.query('virtual-accounts', { account }),
  })
}

export const useLicenses = (virtualAccount?: string) => {
  const account = useAccount()
  return useQuery({
    queryKey: ['licenses', account, virtualAccount],
    queryFn: () => api.query('licenses', { account, virtualAccount }),
  })
}

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

/** Refetches all queries after a server event. A hidden tab refetches when the user returns to the tab. */
export function onServerEvent(client: QueryClient, event: string): void {
  if (event === 'changed') void client.invalidateQueries({ refetchType: getRefetchType() })
}
