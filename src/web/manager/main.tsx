import { Alert, Anchor, NativeSelect } from '@mantine/core'
import { type ReactNode, useSyncExternalStore } from 'react'
import { start } from '../shared/app-shell.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { buildHref } from '../shared/route.ts'
import { Users } from '../shared/users.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { Alerts } from './alerts.tsx'
import { Inventory } from './inventory.tsx'
import { Orders } from './orders.tsx'
import { Preferences } from './preferences.tsx'
import { AccountContext, onServerEvent, useOverview, useVirtualAccounts } from './queries.ts'
import { Reports } from './reports.tsx'
import { Satellites } from './satellites.tsx'
import { Synchronization } from './synchronization.tsx'
import { isAdministering } from '../shared/user-roles.ts'
import { texts } from './texts.ts'

const { navigation } = texts

/** Selected smart account. The default is the first one. */
let selectedAccount: string | undefined
const listeners = new Set<() => void>()
const selectAccount = (account: string) => {
  selectedAccount = account
  for (const listener of listeners) listener()
}
const useSelectedAccount = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => selectedAccount,
  )

function AccountProvider({ children }: { children: ReactNode }) {
  const overview = useOverview()
  const account = useSelectedAccount()
  return (
    <QueryBoundary query={overview}>
      {({ accounts }) => (
        <AccountContext.Provider value={account ?? accounts[0]}>{children}</AccountContext.Provider>
      )}
    </QueryBoundary>
  )
}

function Banner() {
  const { data } = useOverview()
  const account = useSelectedAccount()
  if (!data) return null
  return (
    <>
      {data.test && (
        <Alert color="orange" mb="md">
          {texts.test}
        </Alert>
      )}
      {data.role === 'satellite' && data.fingerprint === null && (
        <Alert color="blue" mb="md">
          {texts.notRegistered}{' '}
          <Anchor href={buildHref('satellites')} c="inherit" underline="always">
            {texts.registerIt}
          </Anchor>
        </Alert>
      )}
      {data.accounts.length > 1 && (
        <NativeSelect
          label={texts.account}
          mb="md"
          maw={320}
          value={account ?? data.accounts[0] ?? ''}
          data={data.accounts}
          onChange={(event) => {
            selectAccount(event.currentTarget.value)
          }}
        />
      )}
    </>
  )
}

function SatellitesPage({ me }: { me: CurrentUser }) {
  const { data } = useOverview()
  if (!data) return null
  return data.role === 'satellite' ? <Synchronization me={me} /> : <Satellites me={me} />
}

function PageTitle() {
  const { data } = useOverview()
  return <>{data?.role === 'satellite' ? texts.satelliteTitle : texts.title}</>
}

/** Menu label: “Satellites” on a manager, “Synchronization” on a satellite. */
function SatellitesLabel() {
  const { data } = useOverview()
  return <>{data?.role === 'satellite' ? navigation.synchronization : navigation.satellites}</>
}

function UsersPage({ me }: { me: CurrentUser }) {
  const { data } = useVirtualAccounts()
  return <Users me={me} virtualAccounts={data?.virtualAccounts.map(({ name }) => name) ?? []} />
}

const withAccount = (children: ReactNode) => <AccountProvider>{children}</AccountProvider>

start({
  title: texts.title,
  heading: <PageTitle />,
  // Usage changes create no server event, so poll.
  refresh: 15_000,
  onServerEvent,
  banner: () => <Banner />,
  navItems: [
    {
      route: 'inventory',
      label: navigation.inventory,
      render: (parts, me) => withAccount(<Inventory parts={parts} me={me} />),
    },
    {
      route: 'alerts',
      label: navigation.alerts,
      render: ([name]) => withAccount(<Alerts virtualAccount={name} />),
    },
    {
      route: 'satellites',
      label: navigation.satellites,
      menuLabel: <SatellitesLabel />,
      render: (_, me) => withAccount(<SatellitesPage me={me} />),
      isHidden: ({ virtualAccount }) => virtualAccount !== null,
    },
    { route: 'orders', label: navigation.orders, render: (_, me) => withAccount(<Orders me={me} />) },
    { route: 'reports', label: navigation.reports, render: () => withAccount(<Reports />) },
    {
      route: 'preferences',
      label: navigation.preferences,
      render: (_, me) => withAccount(<Preferences me={me} />),
      // Users other than administrators see only their own notifications, for which the name must be an e-mail address.
      isHidden: ({ role, name }) => !isAdministering(role) && !name.includes('@'),
    },
    {
      route: 'users',
      label: navigation.users,
      render: (_, me) => withAccount(<UsersPage me={me} />),
      isHidden: ({ role, account }) => role !== 'administrator' || account !== null,
    },
  ],
})
