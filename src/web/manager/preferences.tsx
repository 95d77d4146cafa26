import {
  Button,
  Code,
  Group,
  Paper,
  PasswordInput,
  SegmentedControl,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { texts as shared } from '../shared/texts.ts'
import { Notifications } from './notifications.tsx'
import { api, useAccount, useApiMutation, useOverview } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.preferences

/** Shows notifications, outgoing e-mail settings and other settings. */
export function Preferences({ me }: { me: CurrentUser }) {
  return (
    <Stack>
      <Heading title={t.title} />
      <Notifications me={me} />
      {me.role === 'administrator' && <Administration me={me} />}
    </Stack>
  )
}

function Administration({ me }: { me: CurrentUser }) {
  const account = useAccount()
  const overview = useOverview()
  const everything = me.account === null
  const mail = useQuery({ queryKey: ['mail'], queryFn: () => api.query('mail'), enabled: everything })
  const enable = useApiMutation(() => api.mutate('reservation-enable', { account }))
  return (
    <>
      {everything && (
        <Paper withBorder p="lg">
          <Title order={2} size="h4">
            {t.mail}
          </Title>
          <Text size="sm" c="dimmed" mb="sm">
            {t.mailHint}
          </Text>
          <QueryBoundary query={mail}>{(data) => <MailForm mail={data} />}</QueryBoundary>
        </Paper>
      )}
      <Paper withBorder p="lg">
        <Title order={2} size="h4">
          {t.reservation}
        </Title>
        <Text size="sm" c="dimmed" mb="sm">
          {t.reservationHint}
        </Text>
        <Group>
          <Button
            variant="default"
            loading={enable.isPending}
            onClick={() => {
              enable.mutate(undefined)
            }}
          >
            {t.enable}
          </Button>
          {enable.isSuccess && (
            <Text size="sm" role="status">
              {t.enabled}
            </Text>
          )}
        </Group>
        <FailureAlert failure={enable.error} />
      </Paper>
      <Paper withBorder p="lg">
        <Title order={2} size="h4">
          {t.trust}
        </Title>
        <Text size="sm" c="dimmed" mb="sm">
          {t.trustHint}
        </Text>
        <Code style={{ overflowWrap: 'anywhere' }}>{overview.data?.fingerprint ?? t.noTrust}</Code>
      </Paper>
    </>
  )
}

type MailSettings = Awaited<ReturnType<typeof api.query<'mail'>>>

function MailForm({ mail }: { mail: MailSettings }) {
  const { settings } = mail
  const [kind, setKind] = useState<'smtp' | 'folder'>(settings?.kind ?? 'smtp')
  const [from, setFrom] = useState(settings?.from ?? '')
  const [url, setUrl] = useState(settings?.kind === 'smtp' ? settings.url : '')
  const [username, setUsername] = useState(settings?.kind === 'smtp' ? (settings.username ?? '') : '')
  const [password, setPassword] = useState('')
  const [folder, setFolder] = useState(settings?.kind === 'folder' ? settings.folder : '')
  const save = useApiMutation(() =>
    api.mutate(
      'mail-set',
      kind === 'folder'
        ? { kind, from, folder }
        : { kind, from, url, ...(username !== '' && { username }), ...(password !== '' && { password }) },
    ),
  )
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        save.mutate(undefined)
      }}
    >
      <Stack maw={520}>
        <SegmentedControl
          aria-label={t.kind}
          value={kind}
          onChange={(value) => {
            setKind(value === 'folder' ? 'folder' : 'smtp')
          }}
          data={[
            { value: 'smtp', label: t.kinds.smtp },
            { value: 'folder', label: t.kinds.folder },
          ]}
        />
        <TextInput
          label={t.from}
          type="email"
          required
          value={from}
          error={getFieldError(save.error, 'from')}
          onChange={(event) => {
            setFrom(event.currentTarget.value)
          }}
        />
        {kind === 'smtp' ? (
          <>
            <TextInput
              label={t.url}
              description={t.urlHint}
              required
              value={url}
              error={getFieldError(save.error, 'url')}
              onChange={(event) => {
                setUrl(event.currentTarget.value)
              }}
            />
            <TextInput
              label={t.username}
              autoComplete="off"
              value={username}
              onChange={(event) => {
                setUsername(event.currentTarget.value)
              }}
            />
            <PasswordInput
              label={t.password}
              autoComplete="new-password"
              value={password}
              onChange={(event) => {
                setPassword(event.currentTarget.value)
              }}
            />
          </>
        ) : (
          <TextInput
            label={t.folder}
            required
            value={folder}
            error={getFieldError(save.error, 'folder')}
            onChange={(event) => {
              setFolder(event.currentTarget.value)
            }}
          />
        )}
        <FailureAlert failure={save.error} fields={['folder', 'from', 'url']} />
        <Group>
          <Button type="submit" loading={save.isPending}>
            {shared.save}
          </Button>
          {save.isSuccess && (
            <Text size="sm" role="status">
              {t.saved}
            </Text>
          )}
          <Text size="sm" c="dimmed">
            {t.waiting(mail.waiting)}
            {mail.failure === null ? '' : `: ${mail.failure}`}
          </Text>
        </Group>
      </Stack>
    </form>
  )
}
