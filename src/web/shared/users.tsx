import {
  Alert,
  Badge,
  Button,
  Group,
  Menu,
  Modal,
  NativeSelect,
  Paper,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { RowActions } from './row-actions.tsx'
import { Heading } from './heading.tsx'
import type { UserRole } from '../../http/user-roles.ts'
import { isAdministering, USER_ROLES } from './user-roles.ts'
import { CopyableCode } from './copyable-code.tsx'
import { Confirm } from './confirm.tsx'
import { DataTable } from './data-table.tsx'
import { FailureAlert, getFieldError } from './failure.tsx'
import { QueryBoundary } from './query-boundary.tsx'
import { commonApi, type CurrentUser } from './sign-in.tsx'
import { texts } from './texts.ts'
import { RelativeTime } from './relative-time.tsx'

const t = texts.users

/**
 * Manages the users of the console and shows their audit log.
 *
 * @param virtualAccounts virtual accounts to which users can be limited, none at a device
 */
export function Users({ me, virtualAccounts }: { me: CurrentUser; virtualAccounts: readonly string[] }) {
  const client = useQueryClient()
  const users = useQuery({ queryKey: ['users'], queryFn: () => commonApi.query('users') })
  const audit = useQuery({ queryKey: ['audit'], queryFn: () => commonApi.query('audit') })
  const [adding, setAdding] = useState(false)
  const [removing, setRemoving] = useState<string | null>(null)
  const changed = () => client.invalidateQueries()
  const reset = useMutation({
    mutationFn: (name: string) => commonApi.mutate('user-reset', { name }),
    onSuccess: changed,
  })
  const remove = useMutation({
    mutationFn: (name: string) => commonApi.mutate('user-remove', { name }),
    onSuccess: () => {
      setRemoving(null)
      return changed()
    },
  })
  return (
    <Stack>
      <Group justify="space-between">
        <Heading title={t.title} intro={t.intro} />
        <Button
          onClick={() => {
            setAdding(true)
          }}
        >
          {t.add}
        </Button>
      </Group>
      <FailureAlert failure={reset.error} />
      {reset.data && <OneTimePasswordNotice {...reset.data} />}
      <Paper withBorder p="md">
        <QueryBoundary query={users}>
          {(data) => (
            <DataTable
              caption={t.title}
              rows={data.users}
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
                { title: t.role, cell: ({ role }) => <Badge variant="light">{t.roles[role]}</Badge> },
                {
                  title: t.reach,
                  cell: ({ account, virtualAccount }) =>
                    [account, virtualAccount].filter((part) => part !== null).join(' / ') || t.everything,
                },
                { title: t.signedIn, cell: ({ signedInAt }) => <RelativeTime at={signedInAt} /> },
                {
                  title: t.actions,
                  cell: ({ name }) =>
                    name === me.name ? null : (
                      <RowActions label={t.actions} of={name}>
                        <Menu.Item
                          onClick={() => {
                            reset.mutate(name)
                          }}
                        >
                          {t.reset}
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
                    ),
                },
              ]}
            />
          )}
        </QueryBoundary>
      </Paper>
      <Title order={2} size="h3">
        {t.audit}
      </Title>
      <Paper withBorder p="md">
        <QueryBoundary query={audit}>
          {(data) => (
            <DataTable
              caption={t.audit}
              rows={data.audit}
              getKey={(row, index) => `${row.at} ${index}`}
              columns={[
                { title: t.auditColumns[0], cell: ({ at }) => <RelativeTime at={at} exactly /> },
                { title: t.auditColumns[1], cell: ({ who }) => who ?? '–' },
                { title: t.auditColumns[2], cell: ({ address }) => address },
                { title: t.auditColumns[3], cell: ({ action }) => action },
                { title: t.auditColumns[4], cell: ({ subject }) => subject },
                { title: t.auditColumns[5], cell: ({ outcome }) => outcome },
              ]}
            />
          )}
        </QueryBoundary>
      </Paper>
      <AddUser
        opened={adding}
        virtualAccounts={virtualAccounts}
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

function OneTimePasswordNotice({ name, oneTimePassword }: { name: string; oneTimePassword: string }) {
  return (
    <Alert color="green" role="status">
      <CopyableCode label={t.made(name)} code={oneTimePassword} fileName={`${name}.txt`} />
    </Alert>
  )
}

function AddUser(props: { opened: boolean; virtualAccounts: readonly string[]; onClose: () => void }) {
  const { opened, virtualAccounts, onClose } = props
  const client = useQueryClient()
  // Only users of an authority can be limited to an account.
  const roles = USER_ROLES.filter((role) => virtualAccounts.length > 0 || role !== 'account-administrator')
  const [name, setName] = useState('')
  const [role, setRole] = useState<UserRole>('user')
  const [virtualAccount, setVirtualAccount] = useState('')
  const add = useMutation({
    mutationFn: () =>
      commonApi.mutate('user-add', {
        name,
        role,
        virtualAccount: isAdministering(role) || virtualAccount === '' ? null : virtualAccount,
      }),
    onSuccess: () => client.invalidateQueries(),
  })
  const close = () => {
    onClose()
    add.reset()
    setName('')
  }
  return (
    <Modal opened={opened} onClose={close} title={t.addTitle}>
      {add.data ? (
        <Stack>
          <OneTimePasswordNotice {...add.data} />
          <Button onClick={close}>{texts.ok}</Button>
        </Stack>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            add.mutate()
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
            <NativeSelect
              label={t.role}
              value={role}
              onChange={(event) => {
                setRole(roles.find((role) => role === event.currentTarget.value) ?? 'viewer')
              }}
              data={roles.map((role) => ({ value: role, label: `${t.roles[role]}: ${t.roleHints[role]}` }))}
            />
            {virtualAccounts.length > 0 && !isAdministering(role) && (
              <NativeSelect
                label={t.virtualAccount}
                value={virtualAccount}
                onChange={(event) => {
                  setVirtualAccount(event.currentTarget.value)
                }}
                data={[{ value: '', label: t.all }, ...virtualAccounts]}
              />
            )}
            <FailureAlert failure={add.error} fields={['name']} />
            <Button type="submit" loading={add.isPending}>
              {t.add}
            </Button>
          </Stack>
        </form>
      )}
    </Modal>
  )
}
