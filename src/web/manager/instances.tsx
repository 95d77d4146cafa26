import {
  Badge,
  Button,
  Group,
  Menu,
  Modal,
  Paper,
  Stack,
  Tabs,
  Text,
  Textarea,
  TextInput,
  Title,
  UnstyledButton,
} from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { RowActions } from '../shared/row-actions.tsx'
import { downloadText } from '../shared/download-text.ts'
import { Confirm } from '../shared/confirm.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { DescriptionList } from '../shared/description-list.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { texts as shared } from '../shared/texts.ts'
import { RelativeTime } from '../shared/relative-time.tsx'
import { EventLog } from './events.tsx'
import { api, type Instance, useAccount, useApiMutation, type VirtualAccountView } from './queries.ts'
import { ConfirmReservation, UpdateReservation } from './reserve.tsx'
import { Compliance } from './severity.tsx'
import { isAdministering } from '../shared/user-roles.ts'
import { texts } from './texts.ts'
import { TransferInstance } from './transfer.tsx'

const t = texts.instances
const PAGE_SIZE = 50

const formatInstanceName = ({ hostname, udi }: Instance): string => hostname ?? udi.serial

type InstanceDialog = 'show' | 'transfer' | 'remove' | 'update' | 'confirm' | 'write-off'

/** Lists the product instances of a virtual account with their actions. */
export function Instances(props: {
  virtual: VirtualAccountView
  all: readonly VirtualAccountView[]
  me: CurrentUser
}) {
  const { virtual, all, me } = props
  const account = useAccount()
  const [search, setSearch] = useState('')
  const [debouncedSearch] = useDebouncedValue(search, 200)
  const [skip, setSkip] = useState(0)
  const [doing, setDoing] = useState<{ what: InstanceDialog; instance: Instance } | null>(null)
  const instances = useQuery({
    queryKey: ['instances', account, virtual.name, debouncedSearch, skip],
    queryFn: () =>
      api.query('instances', {
        account,
        virtualAccount: virtual.name,
        search: debouncedSearch,
        skip,
        limit: PAGE_SIZE,
      }),
    placeholderData: keepPreviousData,
  })
  const begin = (what: InstanceDialog, instance: Instance) => () => {
    setDoing({ what, instance })
  }
  const end = () => {
    setDoing(null)
  }
  const { instance, what } = doing ?? {}
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" mb="sm" align="flex-end">
        <Title order={2} size="h4">
          {t.title}
        </Title>
        <TextInput
          type="search"
          label={t.search}
          value={search}
          w={400}
          maw="100%"
          onChange={(event) => {
            setSearch(event.currentTarget.value)
            setSkip(0)
          }}
        />
      </Group>
      <QueryBoundary query={instances}>
        {(data) => (
          <>
            <DataTable
              caption={t.title}
              empty={search === '' ? t.none : t.noMatch}
              rows={data.instances}
              getKey={({ id }) => id}
              columns={[
                {
                  title: t.name,
                  cell: (row) => (
                    <UnstyledButton
                      c="var(--mantine-color-anchor)"
                      fz="sm"
                      fw={500}
                      onClick={begin('show', row)}
                    >
                      {formatInstanceName(row)}
                    </UnstyledButton>
                  ),
                },
                { title: t.product, cell: ({ udi }) => udi.pid },
                { title: t.serial, cell: ({ udi }) => udi.serial },
                { title: t.lastContact, cell: ({ lastContactAt }) => <RelativeTime at={lastContactAt} /> },
                {
                  title: t.status,
                  cell: ({ status, reservation }) => (
                    <Group gap={4}>
                      <Compliance status={status} />
                      {reservation?.pending && (
                        <Badge color="orange" variant="light">
                          {t.pending}
                        </Badge>
                      )}
                    </Group>
                  ),
                },
                {
                  title: t.actions,
                  cell: (row) => (
                    <RowActions label={t.actions} of={formatInstanceName(row)}>
                      <Menu.Item onClick={begin('show', row)}>{t.show}</Menu.Item>
                      {me.role !== 'viewer' && row.satellite === null && row.reservation === null && (
                        <Menu.Item onClick={begin('transfer', row)}>{t.transfer}</Menu.Item>
                      )}
                      {me.role !== 'viewer' && row.satellite === null && row.reservation !== null && (
                        <>
                          <Menu.Item onClick={begin('update', row)}>{t.update}</Menu.Item>
                          {row.reservation.pending && (
                            <Menu.Item onClick={begin('confirm', row)}>{t.confirm}</Menu.Item>
                          )}
                          <ReissuedFile instance={row} />
                        </>
                      )}
                      {me.role !== 'viewer' && row.satellite === null && (
                        <Menu.Item color="red" onClick={begin('remove', row)}>
                          {t.remove}
                        </Menu.Item>
                      )}
                      {isAdministering(me.role) && row.reservation !== null && (
                        <Menu.Item color="red" onClick={begin('write-off', row)}>
                          {t.writeOff}
                        </Menu.Item>
                      )}
                    </RowActions>
                  ),
                },
              ]}
            />
            <Group justify="space-between" mt="md">
              <Text size="sm" c="dimmed">
                {t.total(data.instances.length, data.total)}
              </Text>
              <Group>
                {skip > 0 && (
                  <Button
                    variant="default"
                    size="xs"
                    onClick={() => {
                      setSkip(0)
                    }}
                  >
                    {t.first}
                  </Button>
                )}
                {skip + PAGE_SIZE < data.total && (
                  <Button
                    variant="default"
                    size="xs"
                    onClick={() => {
                      setSkip(skip + PAGE_SIZE)
                    }}
                  >
                    {t.next}
                  </Button>
                )}
              </Group>
            </Group>
          </>
        )}
      </QueryBoundary>
      {instance && what === 'show' && <Details instance={instance} onClose={end} />}
      {instance && what === 'transfer' && <TransferInstance instance={instance} all={all} onClose={end} />}
      {instance && what === 'remove' && <RemoveInstance instance={instance} onClose={end} />}
      {instance && what === 'write-off' && <WriteOffInstance instance={instance} onClose={end} />}
      {instance && what === 'confirm' && <ConfirmReservation instance={instance} onClose={end} />}
      {instance && what === 'update' && (
        <UpdateReservation instance={instance} onClose={end} onConfirm={begin('confirm', instance)} />
      )}
    </Paper>
  )
}

function ReissuedFile({ instance }: { instance: Instance }) {
  const account = useAccount()
  const again = useApiMutation(
    () => api.mutate('reservation-file', { account, id: instance.id }),
    ({ file }) => {
      if (file !== null)
        downloadText(
          `${instance.udi.pid}-${instance.udi.serial}-${instance.reservation?.authorization ?? ''}.txt`,
          file,
        )
    },
  )
  return (
    <Menu.Item
      closeMenuOnClick={false}
      onClick={() => {
        again.mutate(undefined)
      }}
    >
      {texts.reserve.again}
      <FailureAlert failure={again.error} />
    </Menu.Item>
  )
}

function Details({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} size="xl" title={`${t.detailTitle}: ${formatInstanceName(instance)}`}>
      <Tabs defaultValue="overview" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="overview">{t.tabs.overview}</Tabs.Tab>
          <Tabs.Tab value="events">{t.tabs.events}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="overview">
          <Stack>
            <DescriptionList
              rows={[
                [t.product, instance.udi.pid],
                [t.serial, instance.udi.serial],
                [t.version, instance.udi.version],
                [t.id, instance.id],
                instance.hostname === null ? null : [t.host, instance.hostname],
                [texts.inventory.virtualAccount, instance.virtualAccount],
                instance.satellite === null ? null : [t.satellite, instance.satellite],
                [t.registered, <RelativeTime key="since" at={instance.registeredAt} exactly />],
                [t.lastContact, <RelativeTime key="last" at={instance.lastContactAt} exactly />],
                instance.expiresAt === null
                  ? null
                  : [t.expires, <RelativeTime key="end" at={instance.expiresAt} exactly />],
                [t.export, instance.exportControlled ? texts.tokens.allowed : texts.tokens.notAllowed],
              ]}
            />
            <Title order={3} size="h5">
              {t.licenses}
            </Title>
            <DataTable
              caption={t.licenses}
              minWidth={320}
              rows={instance.entitlements}
              getKey={({ tag }) => tag}
              columns={[
                { title: texts.licenses.license, cell: ({ tag }) => tag },
                { title: texts.licenses.inUse, numeric: true, cell: ({ count }) => count },
                { title: t.status, cell: ({ status }) => <Compliance status={status} /> },
              ]}
            />
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="events">
          <EventLog instanceId={instance.id} />
        </Tabs.Panel>
      </Tabs>
    </Modal>
  )
}

/** Removes a product instance with a reservation by its return code (“Remove the Product Instance” in the CWMS guide). */
function RemoveInstance({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  const account = useAccount()
  const [code, setCode] = useState('')
  const reserved = instance.reservation !== null
  const remove = useApiMutation(
    () => api.mutate('instance-remove', { account, id: instance.id, ...(reserved && { returnCode: code }) }),
    onClose,
  )
  return (
    <Confirm
      opened
      title={t.removeTitle(formatInstanceName(instance))}
      text={reserved ? t.returnHint : t.removeText}
      yes={t.removeButton}
      no={shared.cancel}
      pending={remove.isPending}
      failure={remove.error}
      onYes={() => {
        remove.mutate(undefined)
      }}
      onNo={onClose}
    >
      {reserved && (
        <Textarea
          label={t.returnCode}
          required
          rows={2}
          value={code}
          error={getFieldError(remove.error, 'returnCode')}
          onChange={(event) => {
            setCode(event.currentTarget.value)
          }}
        />
      )}
    </Confirm>
  )
}

function WriteOffInstance({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  const account = useAccount()
  const [reason, setReason] = useState('')
  const write = useApiMutation(
    () => api.mutate('instance-write-off', { account, id: instance.id, reason }),
    onClose,
  )
  return (
    <Confirm
      opened
      title={t.writeOffTitle(formatInstanceName(instance))}
      text={t.writeOffText}
      yes={t.removeButton}
      no={shared.cancel}
      pending={write.isPending}
      failure={write.error}
      onYes={() => {
        write.mutate(undefined)
      }}
      onNo={onClose}
    >
      <TextInput
        label={t.reason}
        required
        value={reason}
        error={getFieldError(write.error, 'reason')}
        onChange={(event) => {
          setReason(event.currentTarget.value)
        }}
      />
    </Confirm>
  )
}
