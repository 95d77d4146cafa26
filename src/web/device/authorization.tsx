import { Button, Divider, Group, Stack, Text } from '@mantine/core'
import { DescriptionList } from '../shared/description-list.tsx'
import { FailureAlert } from '../shared/failure.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { AttemptResult } from './attempt-result.tsx'
import { api, type Status, useApiMutation } from './queries.ts'
import { StatusPanel } from './status-panel.tsx'
import { texts } from './texts.ts'

const t = texts.status

/** Shows the authorization status. “View/Edit” offers to renew it. */
export function AuthorizationStatus({ status, me }: { status: Status; me: CurrentUser }) {
  const { authorization: a } = status
  const facts = (
    <DescriptionList
      rows={[
        [t.authorization, texts.authorizationStates[a.status]],
        [t.since, <RelativeTime key="since" at={a.since} exactly />],
        a.lastAttempt === null ? null : [t.lastContact, <AttemptResult key="last" outcome={a.lastAttempt} />],
        a.nextAttemptAt === null
          ? null
          : [t.nextContact, <RelativeTime key="next" at={a.nextAttemptAt} exactly />],
        a.deadlineAt === null ? null : [t.deadline, <RelativeTime key="end" at={a.deadlineAt} exactly />],
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
  const renew = useApiMutation(() => api.mutate('renew-authorization'))
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
