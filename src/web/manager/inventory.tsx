import { Alert, Badge, Button, Group, Menu, Modal, NativeSelect, Stack, Tabs, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { Confirm } from '../shared/confirm.tsx'
import { FailureAlert, fieldError } from '../shared/failure.tsx'
import { Loaded } from '../shared/query-boundary.tsx'
import { goTo, hrefOf } from '../shared/route.ts'
import type { Me } from '../shared/sign-in.tsx'
import { useAlerts } from './alerts.tsx'
import { EventLog } from './events.tsx'
import { Instances } from './instances.tsx'
import { labelOf } from './labels.ts'
import { Licenses } from './licenses.tsx'
import { api, useAccount, useAct, useOverview, useVirtualAccounts, type Virtual } from './queries.ts'
import { texts } from './texts.ts'
import { Tokens } from './tokens.tsx'

const t = texts.inventory
const TABS = ['general', 'licenses', 'instances', 'events'] as const
type Tab = (typeof TABS)[number]

/** A virtual account: its tokens, licences, product instances and events. */
export function Inventory({ parts, me }: { parts: readonly string[]; me: Me }) {
  const virtuals = useVirtualAccounts()
  const [name = '', tab = ''] = parts
  return (
    <Stack>
      <Heading title={t.title} />
      <Loaded query={virtuals}>
        {({ virtualAccounts }) => {
          const virtual =
            virtualAccounts.find((one) => one.name === name) ??
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
                tab={TABS.find((one) => one === tab) ?? 'general'}
                me={me}
              />
            </>
          ) : null
        }}
      </Loaded>
    </Stack>
  )
}

function VirtualAccount(props: { virtual: Virtual; all: readonly Virtual[]; tab: Tab; me: Me }) {
  const { virtual, all, tab, me } = props
  const alerts = useAlerts(virtual.name)
  const count = (wanted: 'major' | 'minor') => alerts.data?.counts[wanted] ?? 0
  return (
    <>
      <Group align="flex-end">
        <NativeSelect
          label={t.virtualAccount}
          value={virtual.name}
          data={all.map((one) => ({ value: one.name, label: labelOf(one) }))}
          flex="1 1 260px"
          maw={460}
          onChange={(event) => {
            goTo('inventory', event.currentTarget.value, tab)
          }}
        />
        <Badge
          variant="light"
          size="lg"
          mb={6}
          color={count('major') > 0 ? 'red' : count('minor') > 0 ? 'orange' : 'gray'}
          component="a"
          href={hrefOf('alerts', virtual.name)}
          aria-label={`${t.alertsLabel}: ${t.alerts(count('major'), count('minor'))}`}
          style={{ cursor: 'pointer' }}
        >
          {t.alerts(count('major'), count('minor'))}
        </Badge>
        {me.role === 'administrator' && <VirtualActions virtual={virtual} />}
      </Group>
      <Tabs
        value={tab}
        onChange={(value) => {
          if (value !== null) goTo('inventory', virtual.name, value)
        }}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {TABS.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {t.tabs[one]}
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

function VirtualActions({ virtual }: { virtual: Virtual }) {
  const account = useAccount()
  const [adding, setAdding] = useState(false)
  const [removing, setRemoving] = useState(false)
  const makeDefault = useAct(() => api.act('virtual-account-default', { account, name: virtual.name }))
  const remove = useAct(
    () => api.act('virtual-account-remove', { account, name: virtual.name }),
    () => {
      setRemoving(false)
      goTo('inventory')
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
      <AddVirtual
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

function AddVirtual({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const account = useAccount()
  const overview = useOverview()
  const manager = overview.data?.role === 'manager'
  const satellites = useQuery({
    queryKey: ['satellites', account],
    queryFn: () => api.read('satellites', { account }),
    enabled: manager && opened,
  })
  const [name, setName] = useState('')
  const [satellite, setSatellite] = useState('')
  const names = satellites.data?.satellites.filter(({ status }) => status !== 'removed') ?? []
  const add = useAct(
    () => api.act('virtual-account-add', { account, name, ...(satellite !== '' && { satellite }) }),
    () => {
      onClose()
      setName('')
      goTo('inventory', name.trim())
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
            error={fieldError(add.error, 'name')}
            onChange={(event) => {
              setName(event.currentTarget.value)
            }}
          />
          {names.length > 0 && (
            <NativeSelect
              label={t.forSatellite}
              value={satellite}
              data={[{ value: '', label: t.noSatellite }, ...names.map((one) => one.name)]}
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
