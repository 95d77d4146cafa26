import { Alert } from '@mantine/core'
import { start } from '../shared/app-shell.tsx'
import { Users } from '../shared/users.tsx'
import { Chart } from './chart.tsx'
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

const { navigation } = texts
start({
  title: texts.title,
  onServerEvent,
  banner: () => <Banner />,
  navItems: [
    { route: 'system', label: navigation.system, render: (_, me) => <System me={me} /> },
    { route: 'smart-licenses', label: navigation.licenses, render: (_, me) => <Licenses me={me} /> },
    { route: 'hosts', label: navigation.hosts, render: (_, me) => <Hosts me={me} /> },
    { route: 'statechart', label: navigation.chart, render: () => <Chart /> },
    { route: 'history', label: navigation.history, render: () => <History /> },
    {
      route: 'users',
      label: navigation.users,
      render: (_, me) => <Users me={me} virtualAccounts={[]} />,
      isHidden: ({ role }) => role !== 'administrator',
    },
  ],
})
