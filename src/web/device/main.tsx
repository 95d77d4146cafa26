import { Alert } from '@mantine/core'
import { start } from '../shared/app-shell.tsx'
import { Users } from '../shared/users.tsx'
import { Chart } from './chart.tsx'
import { History } from './history.tsx'
import { Hosts } from './hosts.tsx'
import { Licenses } from './licenses.tsx'
import { take, useStatus } from './queries.ts'
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

const { places } = texts
start({
  title: texts.title,
  take,
  banner: () => <Banner />,
  places: [
    { route: 'system', label: places.system, show: (_, me) => <System me={me} /> },
    { route: 'smart-licenses', label: places.licenses, show: (_, me) => <Licenses me={me} /> },
    { route: 'hosts', label: places.hosts, show: (_, me) => <Hosts me={me} /> },
    { route: 'statechart', label: places.chart, show: () => <Chart /> },
    { route: 'history', label: places.history, show: () => <History /> },
    {
      route: 'users',
      label: places.users,
      show: (_, me) => <Users me={me} virtualAccounts={[]} />,
      hidden: ({ role }) => role !== 'administrator',
    },
  ],
})
