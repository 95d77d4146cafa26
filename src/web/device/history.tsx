import { Badge, Button, Group, Paper, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { type Transition, useHistory } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.history
const PAGE_SIZE = 50

const getStateLabel = ({ after }: Transition): string => texts.states[after.state]

/** Lists the event history, newest first. */
export function History() {
  const history = useHistory()
  const [shown, setShown] = useState(PAGE_SIZE)
  return (
    <Stack>
      <Heading title={t.title} intro={t.intro} />
      <Paper withBorder p="md">
        <QueryBoundary query={history}>
          {(data) => {
            const newest = data.history.toReversed()
            return (
              <>
                <DataTable
                  caption={t.title}
                  empty={t.none}
                  rows={newest.slice(0, shown)}
                  getKey={({ id }) => String(id)}
                  columns={[
                    { title: t.when, cell: ({ at }) => <RelativeTime at={at} exactly /> },
                    {
                      title: t.what,
                      cell: ({ inWords }) => inWords.replace(/^./, (first) => first.toUpperCase()),
                    },
                    { title: t.state, cell: (row) => getStateLabel(row) },
                    {
                      title: t.said,
                      cell: ({ notices }) =>
                        notices.map(({ notice, message, severity }) => (
                          <Group key={notice + message} gap="xs" wrap="nowrap" align="baseline">
                            <Badge
                              size="xs"
                              variant="light"
                              color={severity <= 3 ? 'red' : severity === 4 ? 'orange' : 'gray'}
                              style={{ flexShrink: 0 }}
                            >
                              {t.severities[severity] ?? severity}
                            </Badge>
                            <Text size="sm">{message}</Text>
                          </Group>
                        )),
                    },
                  ]}
                />
                {newest.length > shown && (
                  <Group justify="center" mt="md">
                    <Button
                      variant="default"
                      onClick={() => {
                        setShown(shown + PAGE_SIZE)
                      }}
                    >
                      {t.more}
                    </Button>
                  </Group>
                )}
              </>
            )
          }}
        </QueryBoundary>
      </Paper>
    </Stack>
  )
}
