import { Button, Group, NativeSelect, Paper, Title } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { DataTable } from '../shared/data-table.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { downloadText } from '../shared/download-text.ts'
import { FailureAlert } from '../shared/failure.tsx'
import { api, useAccount, useApiMutation } from './queries.ts'
import { Severity } from './severity.tsx'
import { texts } from './texts.ts'

const t = texts.events
const PAGE_SIZE = 100
const SEVERITIES = ['major', 'minor', 'info'] as const

/** Lists the events of a virtual account or of one instance, newest first. */
export function EventLog(props: { virtualAccount?: string; instanceId?: string }) {
  const account = useAccount()
  const [limit, setLimit] = useState(PAGE_SIZE)
  const [severity, setSeverity] = useState<(typeof SEVERITIES)[number] | undefined>(undefined)
  const events = useQuery({
    queryKey: ['events', account, props, limit, severity],
    queryFn: () => api.query('events', { account, ...props, limit, severity }),
    placeholderData: keepPreviousData,
  })
  const csv = useApiMutation(
    () => api.query('events-csv', { account, ...props, severity }),
    (made) => {
      downloadText('events.csv', made.csv, 'text/csv')
    },
  )
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {t.title}
        </Title>
        <Group>
          <NativeSelect
            aria-label={t.filter}
            value={severity ?? ''}
            data={[
              { value: '', label: t.all },
              ...SEVERITIES.map((option) => ({ value: option, label: texts.severities[option] })),
            ]}
            onChange={(event) => {
              setSeverity(SEVERITIES.find((option) => option === event.currentTarget.value))
            }}
          />
          <Button
            variant="default"
            loading={csv.isPending}
            onClick={() => {
              csv.mutate(undefined)
            }}
          >
            {t.csv}
          </Button>
        </Group>
      </Group>
      <FailureAlert failure={csv.error} />
      <QueryBoundary query={events}>
        {(data) => (
          <>
            <DataTable
              caption={t.title}
              empty={t.none}
              rows={data.events.toReversed()}
              getKey={({ id }) => String(id)}
              columns={[
                { title: t.when, cell: ({ at }) => <RelativeTime at={at} exactly /> },
                { title: t.severity, cell: (event) => <Severity severity={event.severity} /> },
                { title: t.message, cell: ({ message }) => message },
                { title: t.user, cell: ({ who }) => who ?? '–' },
              ]}
            />
            {data.events.length === limit && limit < 1000 && (
              <Group justify="center" mt="md">
                <Button
                  variant="default"
                  onClick={() => {
                    setLimit(Math.min(1000, limit + PAGE_SIZE))
                  }}
                >
                  {t.older}
                </Button>
              </Group>
            )}
          </>
        )}
      </QueryBoundary>
    </Paper>
  )
}
