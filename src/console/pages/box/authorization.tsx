import { Button, Divider, Group, Modal, Paper, Stack, Text, Title } from '@mantine/core'
import { useState } from 'react'
import { Facts } from '../shared/facts.tsx'
import { FailureAlert } from '../shared/failure.tsx'
import type { Me } from '../shared/sign-in.tsx'
import { When } from '../shared/when.tsx'
import { Outcome } from './outcome.tsx'
import { api, type Status, useAct } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.status

/** How the authorization stands; “View/Edit” renews it. */
export function AuthorizationStatus({ status, me }: { status: Status; me: Me }) {
  const [opened, setOpened] = useState(false)
  const { authorization: a } = status
  const facts = (
    <Facts
      rows={[
        [t.authorization, texts.authorizationStates[a.status]],
        [t.since, <When key="since" at={a.since} exactly />],
        a.lastAttempt === null ? null : [t.lastContact, <Outcome key="last" outcome={a.lastAttempt} />],
        a.nextAttemptAt === null ? null : [t.nextContact, <When key="next" at={a.nextAttemptAt} exactly />],
        a.deadlineAt === null ? null : [t.deadline, <When key="end" at={a.deadlineAt} exactly />],
      ]}
    />
  )
  const mayRenew =
    me.role === 'administrator' && status.registration.instanceId !== null && status.state !== 'reserved'
  return (
    <Paper withBorder p="lg" data-testid="authorization-status">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {t.authorization}
        </Title>
        <Button
          variant="default"
          size="xs"
          aria-label={`${t.viewEdit}: ${t.authorization}`}
          onClick={() => {
            setOpened(true)
          }}
        >
          {t.viewEdit}
        </Button>
      </Group>
      {facts}
      <Modal
        opened={opened}
        onClose={() => {
          setOpened(false)
        }}
        size="lg"
        title={t.authorization}
      >
        <Stack>
          {facts}
          {mayRenew && <Renew />}
        </Stack>
      </Modal>
    </Paper>
  )
}

function Renew() {
  const renew = useAct(() => api.act('renew-authorization'))
  return (
    <>
      <Divider />
      <Text size="sm">{t.renewAuthorizationHint}</Text>
      <Group>
        <Button
          loading={renew.isPending}
          onClick={() => {
            renew.mutate(undefined)
          }}
        >
          {t.renewAuthorization}
        </Button>
        {renew.isSuccess && (
          <Text size="sm" role="status">
            {t.renewed}
          </Text>
        )}
      </Group>
      <FailureAlert failure={renew.error} />
    </>
  )
}
