import {
  Button,
  Checkbox,
  Fieldset,
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
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Confirm } from '../shared/confirm.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { RowActions } from '../shared/row-actions.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { texts as shared } from '../shared/texts.ts'
import { api, type Notification, useAccount, useApiMutation, useVirtualAccounts } from './queries.ts'
import { isAdministering } from '../shared/user-roles.ts'
import { texts } from './texts.ts'

const t = texts.notifications
const WINDOWS = [90, 60, 30] as const
/** Preselected days of the notification about expiring licenses. */
const DEFAULT_EXPIRING_DAYS = [90]

/** Manages e-mail notifications (R-ACC-7). Administrators manage all recipients, other users only themselves. */
export function Notifications({ me }: { me: CurrentUser }) {
  const account = useAccount()
  const [setting, setSetting] = useState<Partial<Notification> | null>(null)
  const [removing, setRemoving] = useState<Notification | null>(null)
  const notifications = useQuery({
    queryKey: ['notifications', account],
    queryFn: () => api.query('notifications', { account }),
  })
  const remove = useApiMutation(
    (id: string) => api.mutate('notification-remove', { account, id }),
    () => {
      setRemoving(null)
    },
  )
  const administers = isAdministering(me.role)
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" align="flex-start" mb="sm">
        <div>
          <Title order={2} size="h4">
            {t.title}
          </Title>
          <Text size="sm" c="dimmed">
            {t.intro}
          </Text>
        </div>
        {(administers || notifications.data?.own) && (
          <Button
            onClick={() => {
              setSetting({ recipient: administers ? '' : (notifications.data?.own ?? '') })
            }}
          >
            {administers ? t.add : t.addOwn}
          </Button>
        )}
      </Group>
      <QueryBoundary query={notifications}>
        {(data) => (
          <DataTable
            caption={t.table}
            empty={t.none}
            rows={data.notifications}
            getKey={({ id }) => id}
            columns={[
              { title: t.recipient, cell: ({ recipient }) => recipient },
              { title: t.virtualAccount, cell: ({ virtualAccount }) => virtualAccount ?? t.all },
              { title: t.tells, cell: formatNotification },
              {
                title: t.actions,
                cell: (notification) => (
                  <RowActions label={t.actions} of={notification.recipient}>
                    <Menu.Item
                      onClick={() => {
                        setSetting(notification)
                      }}
                    >
                      {t.change}
                    </Menu.Item>
                    <Menu.Item
                      color="red"
                      onClick={() => {
                        setRemoving(notification)
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
      {setting && (
        <NotificationForm
          begin={setting}
          fixed={!administers}
          onDone={() => {
            setSetting(null)
          }}
        />
      )}
      <Confirm
        opened={removing !== null}
        title={t.removeTitle(removing?.recipient ?? '')}
        text={t.removeText}
        pending={remove.isPending}
        failure={remove.error}
        onYes={() => {
          if (removing) remove.mutate(removing.id)
        }}
        onNo={() => {
          setRemoving(null)
        }}
      />
    </Paper>
  )
}

const formatNotification = ({ daily, status, expiring }: Notification): string =>
  [
    ...(daily ? [t.daily] : []),
    ...(status ? [t.status] : []),
    ...(expiring.length > 0 ? [t.inDays(expiring)] : []),
  ].join(', ')

function NotificationForm(props: { begin: Partial<Notification>; fixed: boolean; onDone: () => void }) {
  const { begin, fixed, onDone } = props
  const account = useAccount()
  const virtuals = useVirtualAccounts()
  const there = begin.id !== undefined
  const [recipient, setRecipient] = useState(begin.recipient ?? '')
  const [virtualAccount, setVirtualAccount] = useState(begin.virtualAccount ?? '')
  const [daily, setDaily] = useState(begin.daily ?? false)
  const [status, setStatus] = useState(begin.status ?? !there)
  const [expiring, setExpiring] = useState<readonly number[]>(begin.expiring ?? [])
  const save = useApiMutation(
    () =>
      api.mutate('notification-set', {
        account,
        recipient,
        daily,
        status,
        expiring: [...expiring],
        ...(virtualAccount !== '' && { virtualAccount }),
      }),
    onDone,
  )
  return (
    <Modal opened onClose={onDone} title={t.setTitle}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          save.mutate(undefined)
        }}
      >
        <Stack>
          <TextInput
            label={t.recipient}
            description={fixed || there ? undefined : t.recipientHint}
            type="email"
            required
            readOnly={fixed || there}
            value={recipient}
            error={getFieldError(save.error, 'recipient')}
            onChange={(event) => {
              setRecipient(event.currentTarget.value)
            }}
          />
          <NativeSelect
            label={t.virtualAccount}
            value={virtualAccount}
            disabled={there}
            data={[
              { value: '', label: t.all },
              ...(virtuals.data?.virtualAccounts.map(({ name }) => name) ?? []),
            ]}
            onChange={(event) => {
              setVirtualAccount(event.currentTarget.value)
            }}
          />
          <Checkbox
            label={t.daily}
            description={t.dailyHint}
            checked={daily}
            onChange={(event) => {
              setDaily(event.currentTarget.checked)
            }}
          />
          <Checkbox
            label={t.status}
            description={t.statusHint}
            checked={status}
            onChange={(event) => {
              setStatus(event.currentTarget.checked)
            }}
          />
          <Checkbox
            label={t.expiring}
            description={t.expiringHint}
            checked={expiring.length > 0}
            onChange={(event) => {
              setExpiring(event.currentTarget.checked ? DEFAULT_EXPIRING_DAYS : [])
            }}
          />
          {expiring.length > 0 && (
            <Fieldset legend={t.expiring}>
              <Group>
                {WINDOWS.map((days) => (
                  <Checkbox
                    key={days}
                    label={t.days(days)}
                    checked={expiring.includes(days)}
                    onChange={(event) => {
                      setExpiring(
                        WINDOWS.filter((option) =>
                          option === days ? event.currentTarget.checked : expiring.includes(option),
                        ),
                      )
                    }}
                  />
                ))}
              </Group>
            </Fieldset>
          )}
          <FailureAlert failure={save.error} fields={['recipient']} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onDone}>
              {shared.cancel}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {shared.save}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
