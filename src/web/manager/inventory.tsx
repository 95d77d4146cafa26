import { Alert, Badge, Button, Group, Menu, Modal, NativeSelect, Stack, Tabs, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { Confirm } from '../shared/confirm.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { navigate, buildHref } from '../shared/route.ts'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { useAlerts } from './alerts.tsx'
import { EventLog } from './events.tsx'
import { Instances } from './instances.tsx'
import { formatAccountLabel } from './labels.ts'
import { Licenses } from './licenses.tsx'
import {
  api,
  useAccount,
  useApiMutation,
  useOverview,
  useVirtualAccounts,
  type VirtualAccountView,
} from './queries.ts'
import { isAdministering } from '../shared/user-roles.ts'
import { texts } from './texts.ts'
import { Tokens } from './tokens.tsx'

const t = texts.inventory
const TABS = ['general', 'licenses', 'instances', 'events'] as const
type Tab = (typeof TABS)[number]

/** Shows the tokens, licenses, product instances and events of a virtual account. */
export function Inventory({ parts, me }: { parts: readonly string[]; me: CurrentUser }) {
  const virtuals = useVirtualAccounts()
  const [name = '', tab = ''] = parts
  return (
    <Stack>
      <Heading title={t.title} />
      <QueryBoundary query={virtuals}>
        {({ virtualAccounts }) => {
          const virtual =
            virtualAccounts.find((virtualAccount) => virtualAccount.name === name) ??
            virtualAccounts.find(({ isDefault }) => isDefault) ??
            virtualAccounts[0]
          return virtual ? (
            <>
              {name !== '' && name !== virtual.name && (
                <Alert color="blue">{t.unknown(name, virtual.name)}</Alert>
              )}
              <VirtualAccount
                key={virtual.name}
                virtual={virtual}
                all={virtualAccounts}
                tab={TABS.find((option) => option === tab) ?? 'general'}
                me={me}
              />
            </>
          ) : null
        }}
      </QueryBoundary>
    </Stack>
  )
}

function VirtualAccount(props: {
  virtual: VirtualAccountView
  all: readonly VirtualAccountView[]
  tab: Tab
  me: CurrentUser
}) {
  const { virtual, all, tab, me } = props
  const alerts = useAlerts(virtual.name)
  const count = (severity: 'major' | 'minor') => alerts.data?.counts[severity] ?? 0
  return (
    <>
      <Group align="flex-end">
        <NativeSelect
          label={t.virtualAccount}
          value={virtual.name}
          data={all.map((virtualAccount) => ({
            value: virtualAccount.name,
            label: formatAccountLabel(virtualAccount),
          }))}
          flex="1 1 260px"
          maw={460}
          onChange={(event) => {
            navigate('inventory', event.currentTarget.value, tab)
          }}
        />
        <Badge
          variant="light"
          size="lg"
          mb={6}
          color={count('major') > 0 ? 'red' : count('minor') > 0 ? 'orange' : 'gray'}
          component="a"
          href={buildHref('alerts', virtual.name)}
          aria-label={`${t.alertsLabel}: ${t.alerts(count('major'), count('minor'))}`}
          style={{ cursor: 'pointer' }}
        >
          {t.alerts(count('major'), count('minor'))}
        </Badge>
        {isAdministering(me.role) && <VirtualAccountActions virtual={virtual} />}
      </Group>
      <Tabs
        value={tab}
        onChange={(value) => {
          if (value !== null) navigate('inventory', virtual.name, value)
        }}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {TABS.map((tab) => (
            <Tabs.Tab key={tab} value={tab}>
              {t.tabs[tab]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="general">
          <Tokens virtual={virtual} me={me} />
        </Tabs.Panel>
        <Tabs.Panel value="licenses">
          <Licenses virtual={virtual} all={all} me={me} />
        </Tabs.Panel>
        <Tabs.Panel value="instances">
          <Instances virtual={virtual} all={all} me={me} />
        </Tabs.Panel>
        <Tabs.Panel value="events">
          <EventLog virtualAccount={virtual.name} />
        </Tabs.Panel>
      </Tabs>
    </>
  )
}

function VirtualAccountActions({ virtual }: { virtual: VirtualAccountView }) {
  const account = useAccount()
  const [adding, setAdding] = useState(false)
  const [removing, setRemoving] = useState(false)
  const makeDefault = useApiMutation(() =>
    api.mutate('virtual-account-default', { account, name: virtual.name }),
  )
  const remove = useApiMutation(
    () => api.mutate('virtual-account-remove', { account, name: virtual.name }),
    () => {
      setRemoving(false)
      navigate('inventory')
    },
  )
  return (
    <>
      <Menu>
        <Menu.Target>
          <Button variant="default">{t.actions}</Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            onClick={() => {
              setAdding(true)
            }}
          >
            {t.add}
          </Menu.Item>
          <Menu.Item
            disabled={virtual.isDefault || virtual.satellite !== null}
            onClick={() => {
              makeDefault.mutate(undefined)
            }}
          >
            {t.makeDefault}
          </Menu.Item>
          <Menu.Item
            color="red"
            onClick={() => {
              setRemoving(true)
            }}
          >
            {t.remove}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <FailureAlert failure={makeDefault.error} />
      <AddVirtualAccount
        opened={adding}
        onClose={() => {
          setAdding(false)
        }}
      />
      <Confirm
        opened={removing}
        title={t.removeTitle(virtual.name)}
        text={t.removeText}
        pending={remove.isPending}
        failure={remove.error}
        onYes={() => {
          remove.mutate(undefined)
        }}
        onNo={() => {
          setRemoving(false)
          remove.reset()
        }}
      />
    </>
  )
}

function AddVirtualAccount({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const account = useAccount()
  const overview = useOverview()
  const manager = overview.data?.role === 'manager'
  const satellites = useQuery({
    queryKey: ['satellites', account],
    queryFn: () => api.query('satellites', { account }),
    enabled: manager && opened,
  })
  const [name, setName] = useState('')
  const [satellite, setSatellite] = useState('')
  const names = satellites.data?.satellites.filter(({ status }) => status !== 'removed') ?? []
  const add = useApiMutation(
    () => api.mutate('virtual-account-add', { account, name, ...(satellite !== '' && { satellite }) }),
    () => {
      onClose()
      setName('')
      navigate('inventory', name.trim())
    },
  )
  return (
    <Modal
      opened={opened}
      onClose={() => {
        add.reset()
        onClose()
      }}
      title={t.addTitle}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault()
          add.mutate(undefined)
        }}
      >
        <Stack>
          <TextInput
            label={t.name}
            required
            value={name}
            error={getFieldError(add.error, 'name')}
            onChange={(event) => {
              setName(event.currentTarget.value)
            }}
          />
          {names.length > 0 && (
            <NativeSelect
              label={t.forSatellite}
              value={satellite}
              data={[
                { value: '', label: t.noSatellite },
                ...names.map((virtualAccount) => virtualAccount.name),
              ]}
              onChange={(event) => {
                setSatellite(event.currentTarget.value)
              }}
            />
          )}
          <FailureAlert failure={add.error} fields={['name']} />
          <Group justify="flex-end">
            <Button type="submit" loading={add.isPending}>
              {t.add}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
