import { Paper, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { BarChart } from '../shared/bar-chart.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { api } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.usage

/** Shows the daily usage of each entitlement tag. */
export function UsageHistory() {
  const usage = useQuery({
    queryKey: ['usage'],
    queryFn: () => api.query('usage', { by: 'day', last: '30' }),
  })
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb="xs">
        {t.chart}
      </Title>
      <QueryBoundary query={usage}>
        {({ usage: rows }) => {
          const tags = [...new Set(rows.map(({ tag }) => tag))]
          return tags.length === 0 ? (
            <Text size="sm" c="dimmed">
              {t.noHistory}
            </Text>
          ) : (
            tags.map((tag) => (
              <BarChart
                key={tag}
                title={tag}
                valueTitle={t.peak}
                labelTitle={t.day}
                bars={rows
                  .filter((row) => row.tag === tag)
                  .map(({ from, peak }) => ({ label: from.slice(0, 10), value: peak }))}
              />
            ))
          )
        }}
      </QueryBoundary>
    </Paper>
  )
}
