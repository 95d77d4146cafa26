import { Button, Group, NativeSelect, Paper, Title } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { DataTable } from '../shared/data-table.tsx'
import { Loaded } from '../shared/query-boundary.tsx'
import { When } from '../shared/relative-time.tsx'
import { saveText } from '../shared/copyable-code.tsx'
import { FailureAlert } from '../shared/failure.tsx'
import { api, useAccount, useAct } from './queries.ts'
import { Severity } from './severity.tsx'
import { texts } from './texts.ts'

const t = texts.events
const PAGE = 100
const SEVERITIES = ['major', 'minor', 'info'] as const

/** What happened in a virtual account, or to one instance: the newest first. */
export function EventLog(props: { virtualAccount?: string; instanceId?: string }) {
  const account = useAccount()
  const [limit, setLimit] = useState(PAGE)
  const [severity, setSeverity] = useState<(typeof SEVERITIES)[number] | undefined>(undefined)
  const events = useQuery({
    queryKey: ['events', account, props, limit, severity],
    queryFn: () => api.read('events', { account, ...props, limit, severity }),
    placeholderData: keepPreviousData,
  })
  const csv = useAct(
    () => api.read('events-csv', { account, ...props, severity }),
    (made) => {
      saveText('events.csv', made.csv, 'text/csv')
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
              ...SEVERITIES.map((one) => ({ value: one, label: texts.severities[one] })),
            ]}
            onChange={(event) => {
              setSeverity(SEVERITIES.find((one) => one === event.currentTarget.value))
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
      <Loaded query={events}>
        {(data) => (
          <>
            <DataTable
              caption={t.title}
              empty={t.none}
              rows={data.events.toReversed()}
              keyOf={({ id }) => String(id)}
              columns={[
                { title: t.when, cell: ({ at }) => <When at={at} exactly /> },
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
                    setLimit(Math.min(1000, limit + PAGE))
                  }}
                >
                  {t.older}
                </Button>
              </Group>
            )}
          </>
        )}
      </Loaded>
    </Paper>
  )
}
