import { Button, Group, NativeSelect, Paper, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { downloadText } from '../shared/download-text.ts'
import { type Column, DataTable } from '../shared/data-table.tsx'
import { FailureAlert } from '../shared/failure.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { UsageBar } from './licenses.tsx'
import { api, useAccount, useApiMutation, useLicenses, useVirtualAccounts } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.reports
const KINDS = ['licenses', 'instances', 'usage'] as const
/** Rows in the table. The CSV file has all. */
const MAX_ROWS = 1_000
const ISO_INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

const formatCell = (value: string | number | null) => {
  if (typeof value !== 'string') return value ?? ''
  if (ISO_INSTANT.test(value)) return <RelativeTime at={value} exactly />
  return Object.hasOwn(texts.compliance, value)
    ? texts.compliance[value as keyof typeof texts.compliance]
    : value
}

/** Shows reports as tables, bar charts and CSV downloads (R-ACC-7). */
export function Reports() {
  const account = useAccount()
  const virtuals = useVirtualAccounts()
  const [kind, setKind] = useState<(typeof KINDS)[number]>('licenses')
  const [virtualAccount, setVirtualAccount] = useState('')
  const parameters = { account, kind, ...(virtualAccount !== '' && { virtualAccount }) }
  const report = useQuery({
    queryKey: ['report', parameters],
    queryFn: () => api.query('report', { ...parameters, limit: MAX_ROWS }),
  })
  const csv = useApiMutation(
    () => api.query('report-csv', parameters),
    (made) => {
      downloadText(`${kind}.csv`, made.csv, 'text/csv')
    },
  )
  return (
    <Stack>
      <Heading title={t.title} />
      <Group align="flex-end">
        <NativeSelect
          label={t.kind}
          value={kind}
          data={KINDS.map((kind) => ({ value: kind, label: t.kinds[kind] }))}
          onChange={(event) => {
            setKind(KINDS.find((kind) => kind === event.currentTarget.value) ?? 'licenses')
          }}
        />
        <NativeSelect
          label={t.virtualAccount}
          maw={460}
          value={virtualAccount}
          data={[
            { value: '', label: t.all },
            ...(virtuals.data?.virtualAccounts.map(({ name }) => name) ?? []),
          ]}
          onChange={(event) => {
            setVirtualAccount(event.currentTarget.value)
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
      <FailureAlert failure={csv.error} />
      {kind === 'licenses' && <Pools {...(virtualAccount !== '' && { virtualAccount })} />}
      <Paper withBorder p="md">
        <QueryBoundary query={report}>
          {(data) => (
            <>
              <Text size="xs" c="dimmed" mb="xs">
                {t.generated} <RelativeTime at={data.generatedAt} exactly />
                {data.rows.length === MAX_ROWS && ` ${t.more(MAX_ROWS)}`}
              </Text>
              <DataTable
                caption={t.kinds[kind]}
                empty={t.none}
                minWidth={860}
                rows={data.rows}
                getKey={(_, index) => String(index)}
                columns={data.columns.map(({ key, title }): Column<(typeof data.rows)[number]> => ({
                  title,
                  numeric: data.rows.some((row) => typeof row[key] === 'number'),
                  cell: (row) => formatCell(row[key] ?? null),
                }))}
              />
            </>
          )}
        </QueryBoundary>
      </Paper>
    </Stack>
  )
}

/** Shows each pool as bars: purchased, used and reserved licenses. */
function Pools({ virtualAccount }: { virtualAccount?: string }) {
  const licenses = useLicenses(virtualAccount)
  const pools = licenses.data?.licenses ?? []
  if (pools.length === 0) return null
  return (
    <Paper withBorder p="md">
      <Title order={2} size="h5" mb="sm">
        {t.chart}
      </Title>
      <Stack gap="xs">
        {pools.map((pool) => (
          <div key={`${pool.virtualAccount} ${pool.tag}`}>
            <Group justify="space-between" gap="xs">
              <Text size="sm">
                {pool.virtualAccount}: {pool.name}
              </Text>
              <Text size="xs" c="dimmed">
                {texts.licenses.bar(pool.inUse, pool.reserved, pool.quantity)}
              </Text>
            </Group>
            <UsageBar license={pool} />
          </div>
        ))}
      </Stack>
    </Paper>
  )
}
