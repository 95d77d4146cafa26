import { Alert, Button, Code, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { Failure } from '../shared/api.ts'
import { saveText } from '../shared/copyable-code.tsx'
import { Facts } from '../shared/description-list.tsx'
import { FailureAlert } from '../shared/failure.tsx'
import { FileDrop } from '../shared/file-drop.tsx'
import { Loaded } from '../shared/query-boundary.tsx'
import type { Me } from '../shared/sign-in.tsx'
import { When } from '../shared/relative-time.tsx'
import { api, useAct } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.sync
const LARGEST = 64 * 1024 * 1024

/** How a satellite stands with its manager, and an exchange with it: by wire, or by files that are carried. */
export function Synchronization({ me }: { me: Me }) {
  const sync = useQuery({ queryKey: ['sync'], queryFn: () => api.read('sync') })
  const now = useAct(() => api.act('sync-now'))
  const may = me.role === 'administrator'
  return (
    <Stack>
      <Heading title={t.title} intro={t.intro} />
      <Loaded query={sync}>
        {(data) => (
          <>
            {data.inDoubt && <Alert color="orange">{t.doubt}</Alert>}
            <Paper withBorder p="lg">
              <Facts
                rows={[
                  [t.standing, t.standings[data.standing] ?? data.standing],
                  [t.last, <When key="last" at={data.lastSyncAt} />],
                  data.nextSyncAt === null ? null : [t.next, <When key="next" at={data.nextSyncAt} />],
                  data.overdueAt === null
                    ? null
                    : [t.overdue, <When key="over" at={data.overdueAt} exactly />],
                  data.restrictedAt === null
                    ? null
                    : [t.restricted, <When key="end" at={data.restrictedAt} exactly />],
                  data.automaticUntil === null
                    ? null
                    : [t.automatic, <When key="auto" at={data.automaticUntil} exactly />],
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
            {may && <ByFile waiting={data.carried?.exchange ?? null} />}
          </>
        )}
      </Loaded>
    </Stack>
  )
}

function ByFile({ waiting }: { waiting: number | null }) {
  const [file, setFile] = useState<string | null>(null)
  const write = useAct(
    () => api.act('sync-export', {}),
    (exported) => {
      saveText(`synchronization-${exported.exchange}.txt`, exported.file)
    },
  )
  const root = useAct((text: string) => api.act('sync-root', { file: text }))
  const take = useAct(
    ({ text, fingerprint }: { text: string; fingerprint: string | null }) =>
      api.act('sync-import', { file: text, ...(fingerprint !== null && { fingerprint }) }),
    () => {
      root.reset()
    },
  )
  const begin = (text: string) => {
    take.reset()
    root.mutate(text, {
      // A root that is known already is not asked about.
      onSuccess: ({ fingerprint }) => {
        if (fingerprint === null) take.mutate({ text, fingerprint })
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
        <FileDrop label={t.answer} largest={LARGEST} onText={setFile} />
        <FailureAlert failure={root.error ?? take.error} />
        {fingerprint !== null && file !== null && (
          <Alert color="blue">
            <Stack gap="xs" align="flex-start">
              <Text size="sm">{t.root}</Text>
              <Code>{fingerprint}</Code>
              <Button
                size="xs"
                loading={take.isPending}
                onClick={() => {
                  take.mutate({ text: file, fingerprint })
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
            loading={root.isPending || take.isPending}
            onClick={() => {
              if (file !== null) begin(file)
            }}
          >
            {t.import}
          </Button>
        </Group>
        {take.data && (
          <Alert
            color={take.data.failure ? 'orange' : 'green'}
            title={t.imported(take.data.exchange)}
            role="status"
          >
            {take.data.failure && <Text size="sm">{take.data.failure.message}</Text>}
            {take.data.notices.map((notice) => (
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
