import { Alert, Button, Code, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { Failure } from '../shared/api.ts'
import { downloadText } from '../shared/download-text.ts'
import { DescriptionList } from '../shared/description-list.tsx'
import { FailureAlert } from '../shared/failure.tsx'
import { FileDrop } from '../shared/file-drop.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { api, useApiMutation } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.sync
const MAX_FILE_BYTES = 64 * 1024 * 1024

/** Shows the synchronization status of a satellite, and runs exchanges online or by files. */
export function Synchronization({ me }: { me: CurrentUser }) {
  const sync = useQuery({ queryKey: ['sync'], queryFn: () => api.query('sync') })
  const now = useApiMutation(() => api.mutate('sync-now'))
  const may = me.role === 'administrator'
  return (
    <Stack>
      <Heading title={t.title} intro={t.intro} />
      <QueryBoundary query={sync}>
        {(data) => (
          <>
            {data.inDoubt && <Alert color="orange">{t.doubt}</Alert>}
            <Paper withBorder p="lg">
              <DescriptionList
                rows={[
                  [t.standing, t.standings[data.status] ?? data.status],
                  [t.last, <RelativeTime key="last" at={data.lastSyncAt} />],
                  data.nextSyncAt === null
                    ? null
                    : [t.next, <RelativeTime key="next" at={data.nextSyncAt} />],
                  data.overdueAt === null
                    ? null
                    : [t.overdue, <RelativeTime key="over" at={data.overdueAt} exactly />],
                  data.restrictedAt === null
                    ? null
                    : [t.restricted, <RelativeTime key="end" at={data.restrictedAt} exactly />],
                  data.automaticUntil === null
                    ? null
                    : [t.automatic, <RelativeTime key="auto" at={data.automaticUntil} exactly />],
                  [t.manager, data.manager?.url ?? t.byHand],
                  [t.fingerprint, <Code key="key">{data.fingerprint}</Code>],
                ]}
              />
              {data.lastAttempt?.reason && (
                <FailureAlert failure={new Failure(data.lastAttempt.reason)} title={t.failed} />
              )}
              {may && data.manager !== null && (
                <Group mt="md">
                  <Button
                    loading={now.isPending}
                    onClick={() => {
                      now.mutate(undefined)
                    }}
                  >
                    {t.now}
                  </Button>
                </Group>
              )}
              <FailureAlert failure={now.error} />
            </Paper>
            {may && <FileExchange waiting={data.carried?.exchange ?? null} />}
          </>
        )}
      </QueryBoundary>
    </Stack>
  )
}

function FileExchange({ waiting }: { waiting: number | null }) {
  const [file, setFile] = useState<string | null>(null)
  const write = useApiMutation(
    () => api.mutate('sync-export', {}),
    (exported) => {
      downloadText(`synchronization-${exported.exchange}.txt`, exported.file)
    },
  )
  const root = useApiMutation((text: string) => api.mutate('sync-root', { file: text }))
  const importAnswer = useApiMutation(
    ({ text, fingerprint }: { text: string; fingerprint: string | null }) =>
      api.mutate('sync-import', { file: text, ...(fingerprint !== null && { fingerprint }) }),
    () => {
      root.reset()
    },
  )
  const begin = (text: string) => {
    importAnswer.reset()
    root.mutate(text, {
      // A known root certificate needs no confirmation.
      onSuccess: ({ fingerprint }) => {
        if (fingerprint === null) importAnswer.mutate({ text, fingerprint })
      },
    })
  }
  const fingerprint = root.data?.fingerprint ?? null
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb="xs">
        {t.byFile}
      </Title>
      <Stack>
        <Text size="sm">{t.step1}</Text>
        <Group>
          <Button
            variant="default"
            loading={write.isPending}
            onClick={() => {
              write.mutate(undefined)
            }}
          >
            {t.export}
          </Button>
          {write.data && (
            <Text size="sm" role="status">
              {t.exported(write.data.exchange)}
            </Text>
          )}
        </Group>
        <FailureAlert failure={write.error} />
        {waiting !== null && (
          <Text size="sm" c="dimmed">
            {t.waiting(waiting)}
          </Text>
        )}
        <Text size="sm">{t.step2}</Text>
        <FileDrop label={t.answer} maxBytes={MAX_FILE_BYTES} onText={setFile} />
        <FailureAlert failure={root.error ?? importAnswer.error} />
        {fingerprint !== null && file !== null && (
          <Alert color="blue">
            <Stack gap="xs" align="flex-start">
              <Text size="sm">{t.root}</Text>
              <Code>{fingerprint}</Code>
              <Button
                size="xs"
                loading={importAnswer.isPending}
                onClick={() => {
                  importAnswer.mutate({ text: file, fingerprint })
                }}
              >
                {t.rootRight}
              </Button>
            </Stack>
          </Alert>
        )}
        <Group>
          <Button
            disabled={file === null}
            loading={root.isPending || importAnswer.isPending}
            onClick={() => {
              if (file !== null) begin(file)
            }}
          >
            {t.import}
          </Button>
        </Group>
        {importAnswer.data && (
          <Alert
            color={importAnswer.data.failure ? 'orange' : 'green'}
            title={t.imported(importAnswer.data.exchange)}
            role="status"
          >
            {importAnswer.data.failure && <Text size="sm">{importAnswer.data.failure.message}</Text>}
            {importAnswer.data.notices.map((notice) => (
              <Text key={notice} size="sm">
                {notice}
              </Text>
            ))}
          </Alert>
        )}
      </Stack>
    </Paper>
  )
}
