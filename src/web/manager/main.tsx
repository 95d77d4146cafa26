import { Alert, Anchor, NativeSelect } from '@mantine/core'
import { type ReactNode, useSyncExternalStore } from 'react'
import { start } from '../shared/app-shell.tsx'
import { Loaded } from '../shared/query-boundary.tsx'
import { hrefOf } from '../shared/route.ts'
import { Users } from '../shared/users.tsx'
import type { Me } from '../shared/sign-in.tsx'
import { Alerts } from './alerts.tsx'
import { Inventory } from './inventory.tsx'
import { Orders } from './orders.tsx'
import { Preferences } from './preferences.tsx'
import { AccountContext, take, useOverview, useVirtualAccounts } from './queries.ts'
import { Reports } from './reports.tsx'
import { Satellites } from './satellites.tsx'
import { Synchronization } from './synchronization.tsx'
import { texts } from './texts.ts'

const { places } = texts

/** The smart account that was chosen; the first one until then. */
let chosen: string | undefined
const listeners = new Set<() => void>()
const choose = (account: string) => {
  chosen = account
  for (const listener of listeners) listener()
}
const useChosen = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => chosen,
  )

function InAccount({ children }: { children: ReactNode }) {
  const overview = useOverview()
  const account = useChosen()
  return (
    <Loaded query={overview}>
      {({ accounts }) => (
        <AccountContext.Provider value={account ?? accounts[0]}>{children}</AccountContext.Provider>
      )}
    </Loaded>
  )
}

function Banner() {
  const { data } = useOverview()
  const account = useChosen()
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
          <Anchor href={hrefOf('satellites')} c="inherit" underline="always">
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
            choose(event.currentTarget.value)
          }}
        />
      )}
    </>
  )
}

function Sync({ me }: { me: Me }) {
  const { data } = useOverview()
  if (!data) return null
  return data.role === 'satellite' ? <Synchronization me={me} /> : <Satellites me={me} />
}

function Name() {
  const { data } = useOverview()
  return <>{data?.role === 'satellite' ? texts.satelliteTitle : texts.title}</>
}

/** A manager has satellites; a satellite has a manager. */
function SyncName() {
  const { data } = useOverview()
  return <>{data?.role === 'satellite' ? places.synchronization : places.satellites}</>
}

function People({ me }: { me: Me }) {
  const { data } = useVirtualAccounts()
  return <Users me={me} virtualAccounts={data?.virtualAccounts.map(({ name }) => name) ?? []} />
}

const within = (children: ReactNode) => <InAccount>{children}</InAccount>

start({
  title: texts.title,
  heading: <Name />,
  // What boxes use changes without an event.
  refresh: 15_000,
  take,
  banner: () => <Banner />,
  places: [
    {
      route: 'inventory',
      label: places.inventory,
      show: (parts, me) => within(<Inventory parts={parts} me={me} />),
    },
    { route: 'alerts', label: places.alerts, show: ([name]) => within(<Alerts virtualAccount={name} />) },
    {
      route: 'satellites',
      label: places.satellites,
      shown: <SyncName />,
      show: (_, me) => within(<Sync me={me} />),
      hidden: ({ virtualAccount }) => virtualAccount !== null,
    },
    { route: 'orders', label: places.orders, show: (_, me) => within(<Orders me={me} />) },
    { route: 'reports', label: places.reports, show: () => within(<Reports />) },
    {
      route: 'preferences',
      label: places.preferences,
      show: (_, me) => within(<Preferences me={me} />),
      // Others have their own notifications there, where they have an address.
      hidden: ({ role, name }) => role !== 'administrator' && !name.includes('@'),
    },
    {
      route: 'users',
      label: places.users,
      show: (_, me) => within(<People me={me} />),
      hidden: ({ role, account }) => role !== 'administrator' || account !== null,
    },
  ],
})
