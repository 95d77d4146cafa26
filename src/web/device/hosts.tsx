import {
  Badge,
  Button,
  Checkbox,
  Group,
  Menu,
  Modal,
  Paper,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
} from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { RowActions } from '../shared/row-actions.tsx'
import { Heading } from '../shared/heading.tsx'
import { Confirm } from '../shared/confirm.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { api, type Host, useApiMutation, useStatus } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.hosts

/** Lists the holders of host licenses, with search and pagination. */
export function Hosts({ me }: { me: CurrentUser }) {
  const status = useStatus()
  const [search, setSearch] = useState('')
  const [all, setAll] = useState(false)
  const [after, setAfter] = useState('')
  const [debouncedSearch] = useDebouncedValue(search, 200)
  const [assigning, setAssigning] = useState(false)
  const hosts = useQuery({
    queryKey: ['hosts', debouncedSearch, all, after],
    queryFn: () => api.query('hosts', { search: debouncedSearch, all: all ? 'true' : 'false', after }),
    placeholderData: keepPreviousData,
  })
  const counts = status.data?.hosts
  return (
    <Stack>
      <Group justify="space-between" align="flex-start">
        <Heading title={t.title} intro={t.intro} />
        {me.role === 'administrator' && (
          <Button
            onClick={() => {
              setAssigning(true)
            }}
          >
            {t.assign}
          </Button>
        )}
      </Group>
      {counts && (
        <SimpleGrid cols={3}>
          {(
            [
              [t.assigned, counts.assigned],
              [t.permanent, counts.permanent],
              [t.demo, counts.demo],
            ] as const
          ).map(([label, count]) => (
            <Paper key={label} withBorder p="md">
              <Text size="sm" c="dimmed">
                {label}
              </Text>
              <Text size="xl" fw={700}>
                {count.toLocaleString('en')}
              </Text>
            </Paper>
          ))}
        </SimpleGrid>
      )}
      <Paper withBorder p="md">
        <Group align="flex-end" mb="sm">
          <TextInput
            type="search"
            label={t.search}
            value={search}
            flex="1 1 240px"
            onChange={(event) => {
              setSearch(event.currentTarget.value)
              setAfter('')
            }}
          />
          <Checkbox
            label={t.all}
            checked={all}
            mb={8}
            onChange={(event) => {
              setAll(event.currentTarget.checked)
              setAfter('')
            }}
          />
        </Group>
        <QueryBoundary query={hosts}>
          {(data) => (
            <>
              <Rows hosts={data.hosts} me={me} empty={search === '' ? t.none : t.noMatch} />
              <Group justify="center" mt="md">
                {after !== '' && (
                  <Button
                    variant="default"
                    onClick={() => {
                      setAfter('')
                    }}
                  >
                    {t.first}
                  </Button>
                )}
                {data.more && (
                  <Button
                    variant="default"
                    onClick={() => {
                      setAfter(data.hosts.at(-1)?.user ?? '')
                    }}
                  >
                    {t.more}
                  </Button>
                )}
              </Group>
            </>
          )}
        </QueryBoundary>
      </Paper>
      <Assign
        opened={assigning}
        onClose={() => {
          setAssigning(false)
        }}
      />
    </Stack>
  )
}

function Rows({ hosts, me, empty }: { hosts: readonly Host[]; me: CurrentUser; empty: string }) {
  const [leaving, setLeaving] = useState<string | null>(null)
  const deactivate = useApiMutation(
    (user: string) => api.mutate('host-deactivate', { user }),
    () => {
      setLeaving(null)
    },
  )
  const activate = useApiMutation((user: string) => api.mutate('host-activate', { user }))
  const assign = useApiMutation((user: string) => api.mutate('host-assign', { user }))
  const attend = useApiMutation((host: Host) =>
    api.mutate('host-attendee-only', { user: host.user, attendeeOnly: !host.attendeeOnly }),
  )
  const item = (label: string, run: () => void) => (
    <Menu.Item key={label} onClick={run}>
      {label}
    </Menu.Item>
  )
  const items = (host: Host) => {
    const { user, license, active, attendeeOnly } = host
    if (!active)
      return [
        item(t.activate, () => {
          activate.mutate(user)
        }),
      ]
    return [
      ...(license === null && !attendeeOnly
        ? [
            item(t.assign, () => {
              assign.mutate(user)
            }),
          ]
        : []),
      ...(license === null
        ? [
            item(attendeeOnly ? t.notAttendeeOnly : t.attendeeOnly, () => {
              attend.mutate(host)
            }),
          ]
        : []),
      item(t.deactivate, () => {
        setLeaving(user)
      }),
    ]
  }
  return (
    <>
      <FailureAlert failure={activate.error ?? assign.error ?? attend.error} />
      <DataTable
        caption={t.title}
        empty={empty}
        rows={hosts}
        getKey={({ user }) => user}
        columns={[
          {
            title: t.user,
            cell: ({ user }) => (
              <Text inherit fw={500} lineClamp={2} title={user}>
                {user}
              </Text>
            ),
          },
          { title: t.license, cell: ({ license }) => t.licenses[license ?? 'none'] },
          { title: t.how, cell: ({ reason }) => (reason === null ? '' : t.hows[reason]) },
          {
            title: t.since,
            cell: ({ assignedAt }) => (assignedAt === null ? '' : <RelativeTime at={assignedAt} />),
          },
          {
            title: t.status,
            cell: ({ active, attendeeOnly }) => (
              <Badge variant="light" color={active ? (attendeeOnly ? 'gray' : 'green') : 'red'}>
                {active ? (attendeeOnly ? t.attendee : t.active) : t.deactivated}
              </Badge>
            ),
          },
          {
            title: t.actions,
            cell: (host) =>
              me.role === 'administrator' ? (
                <RowActions label={t.actions} of={host.user}>
                  {items(host)}
                </RowActions>
              ) : null,
          },
        ]}
      />
      <Confirm
        opened={leaving !== null}
        title={t.deactivateTitle(leaving ?? '')}
        text={t.deactivateText}
        pending={deactivate.isPending}
        failure={deactivate.error}
        onYes={() => {
          if (leaving !== null) deactivate.mutate(leaving)
        }}
        onNo={() => {
          setLeaving(null)
          deactivate.reset()
        }}
      />
    </>
  )
}

function Assign({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [user, setUser] = useState('')
  const close = () => {
    setUser('')
    onClose()
  }
  const assign = useApiMutation(() => api.mutate('host-assign', { user }), close)
  return (
    <Modal
      opened={opened}
      onClose={() => {
        assign.reset()
        close()
      }}
      title={t.assignTitle}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault()
          assign.mutate(undefined)
        }}
      >
        <Stack>
          <TextInput
            label={t.assignUser}
            required
            value={user}
            error={getFieldError(assign.error, 'user')}
            onChange={(event) => {
              setUser(event.currentTarget.value)
            }}
          />
          <FailureAlert failure={assign.error} fields={['user']} />
          <Group justify="flex-end">
            <Button type="submit" loading={assign.isPending}>
              {t.assign}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
