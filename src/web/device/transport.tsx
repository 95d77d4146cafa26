import {
  Anchor,
  Badge,
  Button,
  Code,
  Group,
  Modal,
  Paper,
  PasswordInput,
  Radio,
  Stack,
  Text,
  TextInput,
  ThemeIcon,
  Title,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { deviceContract } from '../../console/device/contract.ts'
import { Failure, type Output } from '../shared/api.ts'
import { DescriptionList } from '../shared/description-list.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { FileDrop } from '../shared/file-drop.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { texts as shared } from '../shared/texts.ts'
import { RelativeTime } from '../shared/relative-time.tsx'
import { api, type Status, useApiMutation } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.transport
const KINDS = ['direct', 'gateway', 'proxy'] as const
type Kind = (typeof KINDS)[number]
type ConnectionTestReport = Output<typeof deviceContract, 'transport-test'>

/** Shows the transport settings and the connection status. */
export function Transport({ status, me }: { status: Status; me: CurrentUser }) {
  const [opened, setOpened] = useState(false)
  const { transport } = status
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {t.title}
        </Title>
        {me.role === 'administrator' && (
          <Anchor
            component="button"
            type="button"
            size="sm"
            ta="left"
            onClick={() => {
              setOpened(true)
            }}
          >
            {t.edit}
          </Anchor>
        )}
      </Group>
      {transport.kind === null ? (
        <Text size="sm">{t.none}</Text>
      ) : (
        <DescriptionList
          rows={[
            [t.deployment, t.kinds[transport.kind]],
            [t.url, transport.url],
            transport.via === null ? null : [t.via, transport.via],
            transport.username === null ? null : [t.username, transport.username],
            [t.linkTitle, t.link[transport.link]],
          ]}
        />
      )}
      {transport.link === 'down' && transport.lastFailure && (
        <Stack mt="sm" gap={4}>
          <FailureAlert failure={new Failure(transport.lastFailure)} title={t.link.down} />
          <Text size="xs" c="dimmed">
            <RelativeTime at={transport.lastFailure.at} />
          </Text>
        </Stack>
      )}
      <Modal
        opened={opened}
        onClose={() => {
          setOpened(false)
        }}
        size="lg"
        title={t.modal}
      >
        <Settings status={status} />
      </Modal>
    </Paper>
  )
}

function Settings({ status }: { status: Status }) {
  const { transport } = status
  const [kind, setKind] = useState<Kind>(transport.kind ?? 'direct')
  const [url, setUrl] = useState(transport.url ?? '')
  const [via, setVia] = useState(transport.via ?? '')
  const [username, setUsername] = useState(transport.username ?? '')
  const [password, setPassword] = useState('')
  const settings =
    kind === 'proxy'
      ? {
          kind,
          url,
          via,
          ...(username !== '' && { username }),
          ...(password !== '' && { password }),
        }
      : { kind, url }
  const save = useApiMutation(() => api.mutate('transport-set', settings))
  const test = useApiMutation(() => api.mutate('transport-test', { settings }))
  const wrong = save.error ?? test.error
  return (
    <Stack>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          test.reset()
          save.mutate(undefined)
        }}
      >
        <Stack>
          <Radio.Group
            label={t.deployment}
            value={kind}
            onChange={(value) => {
              setKind(KINDS.find((kind) => kind === value) ?? 'direct')
            }}
          >
            <Stack gap="xs" mt="xs">
              {KINDS.map((kind) => (
                <Radio key={kind} value={kind} label={t.kinds[kind]} description={t.kindHints[kind]} />
              ))}
            </Stack>
          </Radio.Group>
          <TextInput
            label={t.url}
            description={t.urlHints[kind]}
            required
            inputMode="url"
            placeholder="https://"
            value={url}
            error={
              getFieldError(wrong, 'url') ??
              getFieldError(wrong, 'settings.url') ??
              getErrorMessage(wrong, 'TRANSPORT_URL_INVALID')
            }
            onChange={(event) => {
              setUrl(event.currentTarget.value)
            }}
          />
          {kind === 'proxy' && (
            <>
              <TextInput
                label={t.via}
                description={t.viaHint}
                required
                inputMode="url"
                placeholder="http://proxy.example.com:3128"
                value={via}
                error={getErrorMessage(wrong, 'PROXY_URL_INVALID')}
                onChange={(event) => {
                  setVia(event.currentTarget.value)
                }}
              />
              <TextInput
                label={t.username}
                autoComplete="off"
                value={username}
                error={getErrorMessage(wrong, 'PROXY_CREDENTIALS_INVALID')}
                onChange={(event) => {
                  setUsername(event.currentTarget.value)
                }}
              />
              <PasswordInput
                label={t.password}
                description={t.passwordHint}
                autoComplete="new-password"
                value={password}
                onChange={(event) => {
                  setPassword(event.currentTarget.value)
                }}
              />
            </>
          )}
          <FailureAlert failure={wrong} fields={['settings.url', 'url']} />
          <Group>
            <Button type="submit" loading={save.isPending}>
              {shared.save}
            </Button>
            <Button
              variant="default"
              loading={test.isPending}
              onClick={() => {
                save.reset()
                test.mutate(undefined)
              }}
            >
              {t.test}
            </Button>
            {save.isSuccess && (
              <Text size="sm" role="status">
                {t.saved}
              </Text>
            )}
          </Group>
        </Stack>
      </form>
      {test.data && <ConnectionTestResult report={test.data} />}
      <Trust />
    </Stack>
  )
}

const getErrorMessage = (wrong: unknown, code: string): string | undefined =>
  wrong instanceof Failure && wrong.code === code ? wrong.message : undefined

const COLORS = { ok: 'green', failed: 'red', 'not-tried': 'gray', 'not-needed': 'gray' } as const
const OUTCOME_SYMBOLS = { ok: '✓', failed: '✕', 'not-tried': '·', 'not-needed': '–' } as const

/** Shows the steps of a connection test, with the failure and its remedy. */
function ConnectionTestResult({ report }: { report: ConnectionTestReport }) {
  return (
    <Paper withBorder p="md" role="status" aria-label={t.tested}>
      <Text fw={600} mb="sm">
        {report.ok ? t.good : t.broken}
      </Text>
      <Stack gap="xs" component="ol" m={0} p={0} style={{ listStyle: 'none' }}>
        {report.steps.map(({ step, outcome, found, failure }) => (
          <Group key={step} component="li" gap="sm" wrap="nowrap" align="flex-start">
            <ThemeIcon size="sm" radius="xl" color={COLORS[outcome]} variant="light" aria-hidden>
              {OUTCOME_SYMBOLS[outcome]}
            </ThemeIcon>
            <div>
              <Group gap="xs">
                <Text size="sm" fw={outcome === 'failed' ? 700 : 400}>
                  {t.steps[step]}
                </Text>
                <Badge size="xs" color={COLORS[outcome]} variant="light">
                  {t.outcomes[outcome]}
                </Badge>
              </Group>
              {found !== null && (
                <Text size="xs" c="dimmed">
                  {found}
                </Text>
              )}
              {failure && (
                <>
                  <Text size="sm">{failure.message}</Text>
                  <Text size="sm" fw={500}>
                    {failure.remedy}
                  </Text>
                  <Code>{failure.code}</Code>
                </>
              )}
            </div>
          </Group>
        ))}
      </Stack>
    </Paper>
  )
}

/** Shows and installs the root certificate that the device trusts. */
function Trust() {
  const trust = useQuery({ queryKey: ['trust'], queryFn: () => api.query('trust') })
  const [opened, setOpened] = useState(false)
  const install = useApiMutation(
    (pem: string) => api.mutate('trust-install', { pem }),
    () => {
      setOpened(false)
    },
  )
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        {t.trust}
      </Title>
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {trust.data?.fingerprint ?? t.trustNone}
      </Text>
      <Group>
        <Button
          variant="subtle"
          size="xs"
          aria-expanded={opened}
          onClick={() => {
            setOpened(!opened)
          }}
        >
          {t.trustInstall}
        </Button>
      </Group>
      {opened && (
        <FileDrop
          label={t.trustChoose}
          onText={(text) => {
            install.mutate(text)
          }}
        />
      )}
      <FailureAlert failure={install.error} />
    </Stack>
  )
}
