import { Anchor, Paper, Stack, Text, Title } from '@mantine/core'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { AuthorizationStatus } from './authorization.tsx'
import { StatusSummary } from './summary.tsx'
import { api, type Status, useStatus } from './queries.ts'
import { RegistrationStatus } from './registration.tsx'
import { ModifyLicenses, Reservation } from './reservation.tsx'
import { texts } from './texts.ts'
import { TokenForm } from './token-form.tsx'
import { Transport } from './transport.tsx'
import { UsageHistory } from './usage.tsx'

/** Shows the page Smart Licenses, which the procedures of the CWMS planning guide open with “View More”. */
export function Licenses({ me }: { me: CurrentUser }) {
  const status = useStatus()
  return (
    <Stack>
      <Heading title={texts.title} />
      <QueryBoundary query={status}>
        {(data) => (
          <>
            <StatusSummary status={data} />
            <Transport status={data} me={me} />
            <RegistrationPrompt status={data} me={me} />
            <RegistrationStatus status={data} me={me} />
            <AuthorizationStatus status={data} me={me} />
            <UsageTable status={data} />
            <ReservedLicenses status={data} me={me} />
            <UsageHistory />
          </>
        )}
      </QueryBoundary>
    </Stack>
  )
}

const isRegistered = ({ registration }: Status): boolean => registration.instanceId !== null

/** Offers registration with a token or a reservation while the device is not registered. */
function RegistrationPrompt({ status, me }: { status: Status; me: CurrentUser }) {
  const [reserving, setReserving] = useState(false)
  const t = texts.register
  if (
    isRegistered(status) ||
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
            send={(token, force) => api.mutate('register', { token, force })}
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

function UsageTable({ status }: { status: Status }) {
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
        getKey={({ tag }) => tag}
        columns={[
          {
            title: t.license,
            cell: ({ tag, name }) => (
              <>
                <Text inherit fw={500}>
                  {name ?? tag}
                </Text>
                {name !== null && (
                  <Text size="xs" c="dimmed">
                    {tag}
                  </Text>
                )}
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

function ReservedLicenses({ status, me }: { status: Status; me: CurrentUser }) {
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
          getKey={({ tag, endsAt }) => `${tag} ${endsAt ?? ''}`}
          columns={[
            { title: texts.usage.license, cell: ({ name, tag }) => `${name} (${tag})` },
            { title: texts.usage.count, numeric: true, cell: ({ count }) => count },
            {
              title: t.ends,
              cell: ({ endsAt }) => (endsAt === null ? t.forEver : <RelativeTime at={endsAt} exactly />),
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
