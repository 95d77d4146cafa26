import { Button, Divider, Group, Stack, Text, Title } from '@mantine/core'
import { useState } from 'react'
import { Failure } from '../shared/api.ts'
import { CopyableCode } from '../shared/copyable-code.tsx'
import { Confirm } from '../shared/confirm.tsx'
import { DescriptionList } from '../shared/description-list.tsx'
import { FailureAlert } from '../shared/failure.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { AttemptResult } from './attempt-result.tsx'
import { api, type Status, useApiMutation } from './queries.ts'
import { StatusPanel } from './status-panel.tsx'
import { texts } from './texts.ts'
import { TokenForm } from './token-form.tsx'

const t = texts.status

/** Shows the registration status. “View/Edit” offers its actions. */
export function RegistrationStatus({ status, me }: { status: Status; me: CurrentUser }) {
  const { registration: r } = status
  return (
    <StatusPanel
      title={t.registration}
      testId="registration-status"
      facts={
        <DescriptionList
          rows={[
            [t.registration, texts.registrationStates[r.status]],
            r.smartAccount === null ? null : [t.account, r.smartAccount],
            r.virtualAccount === null ? null : [t.virtualAccount, r.virtualAccount],
            r.nextRenewalAt === null
              ? null
              : [t.nextRenewal, <RelativeTime key="next" at={r.nextRenewalAt} />],
            r.expiresAt === null ? null : [t.expires, <RelativeTime key="end" at={r.expiresAt} exactly />],
            r.nextAttemptAt === null
              ? null
              : [t.nextAttempt, <RelativeTime key="attempt" at={r.nextAttemptAt} />],
          ]}
        />
      }
    >
      <RegistrationDetails status={status} me={me} />
    </StatusPanel>
  )
}

function RegistrationDetails({ status, me }: { status: Status; me: CurrentUser }) {
  const { registration: r, reservation } = status
  const may = me.role === 'administrator'
  const bound = r.instanceId !== null && r.status !== 'reserved'
  const reserved = reservation.status === 'installed' || reservation.status === 'returning'
  return (
    <Stack>
      <DescriptionList
        rows={[
          [t.registration, texts.registrationStates[r.status]],
          r.smartAccount === null ? null : [t.account, r.smartAccount],
          r.virtualAccount === null ? null : [t.virtualAccount, r.virtualAccount],
          r.instanceId === null ? null : [t.instance, r.instanceId],
          [t.export, r.exportControlled ? t.allowed : t.notAllowed],
          r.registeredAt === null
            ? null
            : [t.registered, <RelativeTime key="at" at={r.registeredAt} exactly />],
          r.lastRenewal === null
            ? null
            : [t.lastRenewal, <AttemptResult key="last" outcome={r.lastRenewal} />],
          r.nextRenewalAt === null
            ? null
            : [t.nextRenewal, <RelativeTime key="next" at={r.nextRenewalAt} exactly />],
          r.expiresAt === null ? null : [t.expires, <RelativeTime key="end" at={r.expiresAt} exactly />],
        ]}
      />
      <FailureAlert failure={r.failure && new Failure(r.failure)} />
      {may && bound && <RegisteredPanel />}
      {may && reserved && <ReservationReturn status={status} />}
      {!reserved && reservation.returned.length > 0 && <ReturnedReservations status={status} />}
    </Stack>
  )
}

function RegisteredPanel() {
  const [again, setAgain] = useState(false)
  const [asking, setAsking] = useState(false)
  const renew = useApiMutation(() => api.mutate('renew-registration'))
  const leave = useApiMutation(
    () => api.mutate('deregister'),
    () => {
      setAsking(false)
    },
  )
  return (
    <>
      <Divider />
      <Stack gap="xs">
        <Text size="sm">{t.renewRegistrationHint}</Text>
        <Group>
          <Button
            loading={renew.isPending}
            onClick={() => {
              renew.mutate(undefined)
            }}
          >
            {t.renewRegistration}
          </Button>
          {renew.isSuccess && (
            <Text size="sm" role="status">
              {t.renewed}
            </Text>
          )}
        </Group>
        <FailureAlert failure={renew.error} />
      </Stack>
      <Divider />
      <Stack gap="xs">
        <Text size="sm">{t.reregistrationHint}</Text>
        <Group>
          <Button
            variant="default"
            aria-expanded={again}
            onClick={() => {
              setAgain(!again)
            }}
          >
            {t.reregistration}
          </Button>
        </Group>
        {again && (
          <TokenForm
            intro={texts.register.intro}
            button={t.reregister}
            send={(token, force) => api.mutate('reregister', { token, force })}
            onDone={() => {
              setAgain(false)
            }}
          />
        )}
      </Stack>
      <Divider />
      <Stack gap="xs">
        <Text size="sm">{t.deregisterHint}</Text>
        <Group>
          <Button
            color="red"
            variant="light"
            onClick={() => {
              setAsking(true)
            }}
          >
            {t.deregister}
          </Button>
        </Group>
      </Stack>
      <Confirm
        opened={asking}
        title={t.deregisterTitle}
        text={t.deregisterText}
        pending={leave.isPending}
        failure={leave.error}
        onYes={() => {
          leave.mutate(undefined)
        }}
        onNo={() => {
          setAsking(false)
          leave.reset()
        }}
      />
    </>
  )
}

function ReservationReturn({ status }: { status: Status }) {
  const { reservation } = status
  const [asking, setAsking] = useState(false)
  const create = useApiMutation(
    () => api.mutate('reservation-return-code'),
    () => {
      setAsking(false)
    },
  )
  const complete = useApiMutation(() => api.mutate('reservation-return'))
  return (
    <>
      <Divider />
      <Stack gap="xs">
        <Title order={3} size="h5">
          {t.returnCode}
        </Title>
        {reservation.status === 'installed' && (
          <>
            <Text size="sm">{t.returnCodeHint}</Text>
            <Group>
              <Button
                color="red"
                variant="light"
                onClick={() => {
                  setAsking(true)
                }}
              >
                {t.create}
              </Button>
            </Group>
          </>
        )}
        {reservation.status === 'returning' && reservation.returnCode !== null && (
          <>
            <CopyableCode
              label={t.returnCode}
              code={reservation.returnCode}
              fileName="reservation-return-code.txt"
            />
            <Text size="sm">{t.returnHint}</Text>
            <Group>
              <Button
                loading={complete.isPending}
                onClick={() => {
                  complete.mutate(undefined)
                }}
              >
                {t.return}
              </Button>
            </Group>
            <FailureAlert failure={complete.error} />
          </>
        )}
      </Stack>
      <Confirm
        opened={asking}
        title={t.createTitle}
        text={t.createText}
        pending={create.isPending}
        failure={create.error}
        onYes={() => {
          create.mutate(undefined)
        }}
        onNo={() => {
          setAsking(false)
          create.reset()
        }}
      />
    </>
  )
}

function ReturnedReservations({ status }: { status: Status }) {
  const { returned } = status.reservation
  return (
    <>
      <Divider label={texts.reservation.returned} labelPosition="left" />
      {returned.toReversed().map(({ instanceId, returnCode, returnedAt }) => (
        <Stack key={instanceId} gap={4}>
          <Text size="sm">
            {instanceId}, <RelativeTime at={returnedAt} />
          </Text>
          <CopyableCode label={t.returnCode} code={returnCode} fileName="reservation-return-code.txt" />
        </Stack>
      ))}
    </>
  )
}
