import { Alert, Anchor, Button, Checkbox, Group, Paper, Stack, Text, Textarea, Title } from '@mantine/core'
import { useState } from 'react'
import { failureOf } from '../shared/api.ts'
import { DataTable } from '../shared/data-table.tsx'
import { FailureAlert, fieldError } from '../shared/failure.tsx'
import { Loaded } from '../shared/loaded.tsx'
import type { Me } from '../shared/sign-in.tsx'
import { When } from '../shared/when.tsx'
import { AuthorizationStatus } from './authorization.tsx'
import { Glance } from './glance.tsx'
import { api, type Status, useAct, useStatus } from './queries.ts'
import { RegistrationStatus } from './registration.tsx'
import { ModifyLicenses, Reservation } from './reservation.tsx'
import { texts } from './texts.ts'
import { Transport } from './transport.tsx'
import { UsageHistory } from './usage.tsx'

/** Smart Licenses, as the guide's procedures find it behind “View More”. */
export function Licenses({ me }: { me: Me }) {
  const status = useStatus()
  return (
    <Stack>
      <Title order={1} size="h2">
        {texts.title}
      </Title>
      <Loaded query={status}>
        {(data) => (
          <>
            <Glance status={data} />
            <Transport status={data} me={me} />
            <Registering status={data} me={me} />
            <RegistrationStatus status={data} me={me} />
            <AuthorizationStatus status={data} me={me} />
            <Usage status={data} />
            <ReservedLicenses status={data} me={me} />
            <UsageHistory />
          </>
        )}
      </Loaded>
    </Stack>
  )
}

const registered = ({ registration }: Status): boolean => registration.instanceId !== null

/** Where a token is pasted, as long as the box is not registered; and the way to a reservation. */
function Registering({ status, me }: { status: Status; me: Me }) {
  const [reserving, setReserving] = useState(false)
  const t = texts.register
  if (
    registered(status) ||
    status.reservation.status === 'installed' ||
    status.reservation.status === 'returning'
  )
    return null
  const may = me.role === 'administrator'
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb="xs">
        {t.title}
      </Title>
      <Stack>
        {status.reservation.status === 'none' && may && (
          <TokenForm
            intro={t.intro}
            button={t.button}
            send={(token, force) => api.act('register', { token, force })}
          />
        )}
        {may && (
          <Text size="sm">
            {t.reserve}{' '}
            <Anchor
              component="button"
              type="button"
              inherit
              onClick={() => {
                setReserving(true)
              }}
            >
              {t.clickHere}
            </Anchor>
            .
          </Text>
        )}
        {status.reservation.status === 'requested' && <Text size="sm">{texts.reservation.requested}</Text>}
      </Stack>
      <Reservation
        status={status}
        opened={reserving}
        onClose={() => {
          setReserving(false)
        }}
      />
    </Paper>
  )
}

/** A token, and “overwrite”, which ticks itself when the instance exists already (R-REG-3). */
export function TokenForm(props: {
  intro: string
  button: string
  send: (token: string, force: boolean) => Promise<unknown>
  onDone?: () => void
}) {
  const { intro, button, send, onDone } = props
  const [token, setToken] = useState('')
  const [force, setForce] = useState(false)
  const t = texts.register
  const act = useAct(
    () => send(token, force),
    () => {
      setToken('')
      onDone?.()
    },
  )
  const exists = act.error !== null && failureOf(act.error).code === 'INSTANCE_ALREADY_REGISTERED'
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        act.mutate(undefined, {
          onError: (thrown) => {
            if (failureOf(thrown).code === 'INSTANCE_ALREADY_REGISTERED') setForce(true)
          },
        })
      }}
    >
      <Stack gap="sm">
        <Text size="sm">{intro}</Text>
        <Textarea
          label={t.token}
          required
          rows={3}
          value={token}
          error={fieldError(act.error, 'token')}
          autoComplete="off"
          spellCheck={false}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
          onChange={(event) => {
            setToken(event.currentTarget.value)
          }}
        />
        <Checkbox
          label={t.overwrite}
          checked={force}
          onChange={(event) => {
            setForce(event.currentTarget.checked)
          }}
        />
        <FailureAlert failure={act.error} />
        {exists && <Alert color="blue">{t.overwriteTicked}</Alert>}
        <Group>
          <Button type="submit" loading={act.isPending}>
            {button}
          </Button>
          {act.isPending && (
            <Text size="sm" role="status">
              {t.pending}
            </Text>
          )}
        </Group>
      </Stack>
    </form>
  )
}

function Usage({ status }: { status: Status }) {
  const t = texts.usage
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb="xs">
        {t.title}
      </Title>
      <DataTable
        caption={t.title}
        empty={t.none}
        rows={status.entitlements}
        keyOf={({ tag }) => tag}
        columns={[
          {
            title: t.license,
            cell: ({ tag, name }) => (
              <>
                <Text inherit fw={500}>
                  {name ?? tag}
                </Text>
                <Text size="xs" c="dimmed">
                  {tag}
                </Text>
              </>
            ),
          },
          { title: t.description, cell: ({ description }) => description ?? '' },
          { title: t.count, numeric: true, cell: ({ count }) => count },
          { title: t.status, cell: ({ status: how }) => texts.entitlementStates[how] },
        ]}
      />
    </Paper>
  )
}

function ReservedLicenses({ status, me }: { status: Status; me: Me }) {
  const { reservation } = status
  const t = texts.reservation
  if (reservation.status !== 'installed' && reservation.status !== 'returning') return null
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb="xs">
        {t.title}
      </Title>
      <Stack>
        {reservation.status === 'returning' && <Text size="sm">{t.returning}</Text>}
        <DataTable
          caption={t.reserved}
          rows={reservation.entitlements}
          keyOf={({ tag, endsAt }) => `${tag} ${endsAt ?? ''}`}
          columns={[
            { title: texts.usage.license, cell: ({ name, tag }) => `${name} (${tag})` },
            { title: texts.usage.count, numeric: true, cell: ({ count }) => count },
            {
              title: t.ends,
              cell: ({ endsAt }) => (endsAt === null ? t.forEver : <When at={endsAt} exactly />),
            },
          ]}
        />
        {reservation.status === 'installed' && me.role === 'administrator' && (
          <ModifyLicenses status={status} />
        )}
      </Stack>
    </Paper>
  )
}
