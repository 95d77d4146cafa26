import { Alert } from '@mantine/core'
import { start } from '../shared/app-shell.tsx'
import { Users } from '../shared/users.tsx'
import {
  IconCertificate,
  IconGauge,
  IconHistory,
  IconSettings,
  IconSitemap,
  IconUsers,
} from '@tabler/icons-react'
import { lazy, Suspense } from 'react'
import { History } from './history.tsx'
import { Hosts } from './hosts.tsx'
import { Licenses } from './licenses.tsx'
import { onServerEvent, useStatus } from './queries.ts'
import { System } from './system.tsx'
import { texts } from './texts.ts'

function Banner() {
  const { data } = useStatus()
  return data?.authority?.test ? (
    <Alert color="orange" mb="md">
      {texts.test}
    </Alert>
  ) : null
}

const ICON_SIZE = 20
// The chart and its libraries load with the first visit of the page.
const StatechartPage = lazy(() => import('./statechart.tsx'))

const { navigation } = texts
start({
  title: texts.title,
  onServerEvent,
  banner: () => <Banner />,
  navItems: [
    {
      route: 'system',
      label: navigation.system,
      icon: <IconGauge size={ICON_SIZE} />,
      render: (_, me) => <System me={me} />,
    },
    {
      route: 'smart-licenses',
      label: navigation.licenses,
      icon: <IconCertificate size={ICON_SIZE} />,
      render: (_, me) => <Licenses me={me} />,
    },
    {
      route: 'hosts',
      label: navigation.hosts,
      icon: <IconUsers size={ICON_SIZE} />,
      render: (_, me) => <Hosts me={me} />,
    },
    {
      route: 'statechart',
      label: navigation.chart,
      icon: <IconSitemap size={ICON_SIZE} />,
      isWide: true,
      render: (_, me) => (
        <Suspense fallback={null}>
          <StatechartPage me={me} />
        </Suspense>
      ),
    },
    {
      route: 'history',
      label: navigation.history,
      icon: <IconHistory size={ICON_SIZE} />,
      render: () => <History />,
    },
    {
      route: 'users',
      label: navigation.users,
      icon: <IconSettings size={ICON_SIZE} />,
      render: (_, me) => <Users me={me} virtualAccounts={[]} />,
      isHidden: ({ role }) => role !== 'administrator',
    },
  ],
})
