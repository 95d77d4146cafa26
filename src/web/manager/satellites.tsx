import {
  Alert,
  Badge,
  Button,
  Code,
  Group,
  Menu,
  Modal,
  NumberInput,
  Paper,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { RowActions } from '../shared/row-actions.tsx'
import { Heading } from '../shared/heading.tsx'
import { CopyableCode } from '../shared/copyable-code.tsx'
import { downloadText } from '../shared/download-text.ts'
import { Confirm } from '../shared/confirm.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { FileDrop } from '../shared/file-drop.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { texts as shared } from '../shared/texts.ts'
import { RelativeTime } from '../shared/relative-time.tsx'
import { api, useAccount, useApiMutation } from './queries.ts'
import { isAdministering } from '../shared/user-roles.ts'
import { texts } from './texts.ts'

const t = texts.satellites
const COLORS = {
  waiting: 'blue',
  current: 'green',
  overdue: 'orange',
  expired: 'red',
  removed: 'gray',
} as const
/** Maximum file size in bytes, above that of a satellite with 100,000 instances. */
const MAX_FILE_BYTES = 64 * 1024 * 1024

/** Lists, adds and removes the satellites of a manager, and answers their files (R-SAT-1…4). */
export function Satellites({ me }: { me: CurrentUser }) {
  const account = useAccount()
  const may = isAdministering(me.role)
  const [adding, setAdding] = useState(false)
  const [removing, setRemoving] = useState<string | null>(null)
  const satellites = useQuery({
    queryKey: ['satellites', account],
    queryFn: () => api.query('satellites', { account }),
  })
  const code = useApiMutation((name: string) => api.mutate('satellite-code', { account, name }))
  const remove = useApiMutation(
    (name: string) => api.mutate('satellite-remove', { account, name }),
    () => {
      setRemoving(null)
    },
  )
  return (
    <Stack>
      <Group justify="space-between">
        <Heading title={t.title} intro={t.intro} />
        {may && (
          <Button
            onClick={() => {
              setAdding(true)
            }}
          >
            {t.add}
          </Button>
        )}
      </Group>
      <FailureAlert failure={code.error} />
      {code.data && (
        <Alert color="green" role="status">
          <CopyableCode
            label={`${t.code}: ${code.data.name}`}
            code={code.data.code}
            fileName="satellite-code.txt"
          />
        </Alert>
      )}
      <Paper withBorder p="md">
        <QueryBoundary query={satellites}>
          {(data) => (
            <>
              <DataTable
                caption={t.title}
                empty={t.none}
                minWidth={860}
                rows={data.satellites}
                getKey={({ name }) => name}
                columns={[
                  {
                    title: t.name,
                    cell: ({ name }) => (
                      <Text inherit fw={500}>
                        {name}
                      </Text>
                    ),
                  },
                  { title: t.virtualAccount, cell: ({ virtualAccounts }) => virtualAccounts.join(', ') },
                  {
                    title: t.status,
                    cell: ({ status }) => (
                      <Badge color={COLORS[status]} variant="light">
                        {t.statuses[status]}
                      </Badge>
                    ),
                  },
                  { title: t.last, cell: ({ lastSyncAt }) => <RelativeTime at={lastSyncAt} /> },
                  {
                    title: t.overdue,
                    cell: ({ overdueAt }) =>
                      overdueAt === null ? '' : <RelativeTime at={overdueAt} exactly />,
                  },
                  {
                    title: t.restricted,
                    cell: ({ restrictedAt }) =>
                      restrictedAt === null ? '' : <RelativeTime at={restrictedAt} exactly />,
                  },
                  {
                    title: t.instances,
                    numeric: true,
                    cell: ({ instances }) => instances.registered + instances.reserved,
                  },
                  {
                    title: t.actions,
                    cell: ({ name, status }) =>
                      may && status !== 'removed' ? (
                        <RowActions label={t.actions} of={name}>
                          <Menu.Item
                            onClick={() => {
                              code.mutate(name)
                            }}
                          >
                            {t.code}
                          </Menu.Item>
                          <Menu.Item
                            color="red"
                            onClick={() => {
                              setRemoving(name)
                            }}
                          >
                            {t.remove}
                          </Menu.Item>
                        </RowActions>
                      ) : null,
                  },
                ]}
              />
              {data.satellites.flatMap(({ name, reclaims }) =>
                reclaims.map(({ tag, quantity, to }) => (
                  <Text key={`${name} ${tag} ${to}`} size="sm" mt="xs">
                    {t.recall(quantity, tag, name, to)}
                  </Text>
                )),
              )}
            </>
          )}
        </QueryBoundary>
      </Paper>
      {may && me.account === null && <RespondToSync />}
      <AddSatellite
        opened={adding}
        onClose={() => {
          setAdding(false)
        }}
      />
      <Confirm
        opened={removing !== null}
        title={t.removeTitle(removing ?? '')}
        text={t.removeText}
        pending={remove.isPending}
        failure={remove.error}
        onYes={() => {
          if (removing !== null) remove.mutate(removing)
        }}
        onNo={() => {
          setRemoving(null)
          remove.reset()
        }}
      />
    </Stack>
  )
}

/** Runs an offline exchange: imports a request file and offers the answer file. */
function RespondToSync() {
  const [file, setFile] = useState<string | null>(null)
  const respond = useApiMutation((text: string) => api.mutate('sync-respond', { file: text }))
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb="xs">
        {t.respond}
      </Title>
      <Stack>
        <Text size="sm">{t.respondHint}</Text>
        <FileDrop label={t.respondFile} maxBytes={MAX_FILE_BYTES} onText={setFile} />
        <FailureAlert failure={respond.error} />
        <Group>
          <Button
            disabled={file === null}
            loading={respond.isPending}
            onClick={() => {
              if (file !== null) respond.mutate(file)
            }}
          >
            {t.respondButton}
          </Button>
        </Group>
        {respond.data && (
          <Alert
            color="green"
            title={t.answered(respond.data.satellite, respond.data.exchange)}
            role="status"
          >
            <Stack gap="xs" align="flex-start">
              <Text size="sm">
                {t.fingerprint}: <Code>{respond.data.fingerprint}</Code>
              </Text>
              {respond.data.registered && (
                <Text size="sm" fw={600}>
                  {t.compare}
                </Text>
              )}
              {respond.data.notices.map((notice) => (
                <Text key={notice} size="sm">
                  {notice}
                </Text>
              ))}
              <Button
                onClick={() => {
                  downloadText(
                    `${respond.data.satellite}-${respond.data.exchange}-answer.txt`,
                    respond.data.file,
                  )
                }}
              >
                {t.download}
              </Button>
            </Stack>
          </Alert>
        )}
      </Stack>
    </Paper>
  )
}

function AddSatellite({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const account = useAccount()
  const [name, setName] = useState('')
  const [virtualAccount, setVirtualAccount] = useState('')
  const [warnDays, setWarn] = useState<number | string>(30)
  const [restrictDays, setRestrict] = useState<number | string>(90)
  const [credentialDays, setCredential] = useState<number | string>(180)
  const number = (value: number | string) => (typeof value === 'number' ? value : Number.NaN)
  const add = useApiMutation(() =>
    api.mutate('satellite-add', {
      account,
      name,
      virtualAccount,
      terms: {
        warnDays: number(warnDays),
        restrictDays: number(restrictDays),
        credentialDays: number(credentialDays),
      },
    }),
  )
  const close = () => {
    add.reset()
    setName('')
    setVirtualAccount('')
    onClose()
  }
  const days = (
    label: string,
    field: string,
    value: number | string,
    set: (value: number | string) => void,
  ) => (
    <NumberInput
      label={label}
      value={value}
      onChange={set}
      clampBehavior="none"
      allowDecimal={false}
      hideControls
      error={getFieldError(add.error, `terms.${field}`)}
    />
  )
  return (
    <Modal opened={opened} onClose={close} title={t.addTitle}>
      {add.data ? (
        <Stack>
          <CopyableCode label={t.code} code={add.data.code} fileName="satellite-code.txt" />
          <Text size="sm" c="dimmed">
            {t.codeHint}
          </Text>
          <Button onClick={close}>{shared.ok}</Button>
        </Stack>
      ) : (
        <form
          noValidate
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
            <TextInput
              label={t.virtualAccount}
              description={t.virtualHint}
              required
              value={virtualAccount}
              error={getFieldError(add.error, 'virtualAccount')}
              onChange={(event) => {
                setVirtualAccount(event.currentTarget.value)
              }}
            />
            {days(t.warn, 'warnDays', warnDays, setWarn)}
            {days(t.restrict, 'restrictDays', restrictDays, setRestrict)}
            {days(t.credential, 'credentialDays', credentialDays, setCredential)}
            <FailureAlert
              failure={add.error}
              fields={[
                'name',
                'virtualAccount',
                'terms.warnDays',
                'terms.restrictDays',
                'terms.credentialDays',
              ]}
            />
            <Group justify="flex-end">
              <Button type="submit" loading={add.isPending}>
                {t.add}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  )
}
