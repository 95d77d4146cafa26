import { Anchor, Button, Group, List, Paper, Stack } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { buildHref } from '../shared/route.ts'
import { RelativeTime } from '../shared/relative-time.tsx'
import { api, useAccount } from './queries.ts'
import { Severity } from './severity.tsx'
import { texts } from './texts.ts'

const t = texts.alerts
const PAGE_SIZE = 50
/** Maximum number of alerts on the page. `smart-authority alert list` lists all of them. */
const MAX_ALERTS = 1000

export const useAlerts = (virtualAccount?: string, limit = 1) => {
  const account = useAccount()
  return useQuery({
    queryKey: ['alerts', account, virtualAccount, limit],
    queryFn: () => api.query('alerts', { account, virtualAccount, limit }),
    placeholderData: keepPreviousData,
  })
}

/** Lists the alerts of the smart account or of one virtual account. */
export function Alerts({ virtualAccount }: { virtualAccount?: string | undefined }) {
  const [limit, setLimit] = useState(PAGE_SIZE)
  const alerts = useAlerts(virtualAccount, limit)
  return (
    <Stack>
      <Heading title={virtualAccount === undefined ? t.title : t.of(virtualAccount)} intro={t.intro} />
      {virtualAccount !== undefined && <Anchor href={buildHref('alerts')}>{t.all}</Anchor>}
      <Paper withBorder p="md">
        <QueryBoundary query={alerts}>
          {(data) => (
            <>
              <DataTable
                caption={t.title}
                empty={t.none}
                rows={data.alerts}
                getKey={({ type, source, message }) => `${type} ${source} ${message}`}
                columns={[
                  { title: t.severity, cell: ({ severity }) => <Severity severity={severity} /> },
                  { title: t.message, cell: ({ message }) => message },
                  { title: t.source, cell: ({ source }) => source },
                  {
                    title: t.due,
                    cell: ({ actionDue }) => (actionDue === null ? t.noDue : <RelativeTime at={actionDue} />),
                  },
                  {
                    title: t.actions,
                    cell: ({ actions }) => (
                      <List size="sm" spacing={2}>
                        {actions.map((action) => (
                          <List.Item key={action}>{action}</List.Item>
                        ))}
                      </List>
                    ),
                  },
                ]}
              />
              {data.total > data.alerts.length && limit < MAX_ALERTS && (
                <Group justify="center" mt="md">
                  <Button
                    variant="default"
                    onClick={() => {
                      setLimit(Math.min(MAX_ALERTS, limit + PAGE_SIZE))
                    }}
                  >
                    {t.more(data.alerts.length, data.total)}
                  </Button>
                </Group>
              )}
            </>
          )}
        </QueryBoundary>
      </Paper>
    </Stack>
  )
}
