import { Button, Divider, Group, Stack, Text } from '@mantine/core'
import { Facts } from '../shared/description-list.tsx'
import { FailureAlert } from '../shared/failure.tsx'
import type { Me } from '../shared/sign-in.tsx'
import { When } from '../shared/relative-time.tsx'
import { Outcome } from './attempt-result.tsx'
import { api, type Status, useAct } from './queries.ts'
import { StatusPanel } from './status-panel.tsx'
import { texts } from './texts.ts'

const t = texts.status

/** How the authorization stands; “View/Edit” renews it. */
export function AuthorizationStatus({ status, me }: { status: Status; me: Me }) {
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
    <StatusPanel title={t.authorization} testId="authorization-status" facts={facts}>
      <Stack>
        {facts}
        {mayRenew && <Renew />}
      </Stack>
    </StatusPanel>
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
