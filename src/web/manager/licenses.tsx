import { Button, Group, Menu, Modal, Paper, Progress, Stack, Text, Title, Tooltip } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { RowActions } from '../shared/row-actions.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { api, type License, useAccount, useLicenses, type VirtualAccountView } from './queries.ts'
import { Reserve } from './reserve.tsx'
import { Compliance } from './severity.tsx'
import { texts } from './texts.ts'
import { TransferLicenses } from './transfer.tsx'

const t = texts.licenses

/** Lists the license pools of a virtual account with owned, used and missing licenses. */
export function Licenses(props: {
  virtual: VirtualAccountView
  all: readonly VirtualAccountView[]
  me: CurrentUser
}) {
  const { virtual, all, me } = props
  const licenses = useLicenses(virtual.name)
  const [reserving, setReserving] = useState(false)
  const [moving, setMoving] = useState<License | null>(null)
  const [looking, setLooking] = useState<License | null>(null)
  const may = me.role !== 'viewer'
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {t.title}
        </Title>
        {may && virtual.satellite === null && (
          <Button
            onClick={() => {
              setReserving(true)
            }}
          >
            {t.reservation}
          </Button>
        )}
      </Group>
      <QueryBoundary query={licenses}>
        {(data) => (
          <DataTable
            caption={t.title}
            empty={t.none}
            rows={data.licenses}
            getKey={({ tag }) => tag}
            columns={[
              {
                title: t.license,
                cell: ({ name, tag }) => (
                  <>
                    <Text inherit fw={500}>
                      {name}
                    </Text>
                    <Text size="xs" c="dimmed">
                      {tag}
                    </Text>
                  </>
                ),
              },
              { title: t.purchased, numeric: true, cell: ({ quantity }) => quantity },
              {
                title: t.inUse,
                numeric: true,
                cell: (license) => (
                  <Stack gap={2} align="stretch">
                    {license.inUse}
                    <UsageBar license={license} />
                  </Stack>
                ),
              },
              { title: t.reserved, numeric: true, cell: ({ reserved }) => reserved },
              {
                title: t.balance,
                numeric: true,
                cell: ({ balance }) => (
                  <Text inherit fw={600} c={balance < 0 ? 'red.8' : 'inherit'}>
                    {balance < 0 ? t.shortage(-balance) : t.surplus(balance)}
                  </Text>
                ),
              },
              { title: t.status, cell: ({ status }) => <Compliance status={status} /> },
              {
                title: t.actions,
                cell: (license) => (
                  <RowActions label={t.actions} of={license.tag}>
                    <Menu.Item
                      onClick={() => {
                        setLooking(license)
                      }}
                    >
                      {t.showTransactions}
                    </Menu.Item>
                    {may && (
                      <Menu.Item
                        onClick={() => {
                          setMoving(license)
                        }}
                      >
                        {t.transfer}
                      </Menu.Item>
                    )}
                  </RowActions>
                ),
              },
            ]}
          />
        )}
      </QueryBoundary>
      {reserving && (
        <Reserve
          virtual={virtual}
          licenses={licenses.data?.licenses ?? []}
          me={me}
          onClose={() => {
            setReserving(false)
          }}
        />
      )}
      {moving && (
        <TransferLicenses
          license={moving}
          from={virtual}
          all={all}
          onClose={() => {
            setMoving(null)
          }}
        />
      )}
      {looking && (
        <Transactions
          license={looking}
          virtual={virtual}
          onClose={() => {
            setLooking(null)
          }}
        />
      )}
    </Paper>
  )
}

/** Shows the used and reserved share of a pool. */
export function UsageBar({ license }: { license: Pick<License, 'quantity' | 'inUse' | 'reserved'> }) {
  const { quantity, inUse, reserved } = license
  const most = Math.max(quantity, inUse + reserved, 1)
  const words = t.bar(inUse, reserved, quantity)
  return (
    <Tooltip label={words}>
      <Progress.Root size="sm" w="100%" miw={80} role="img" aria-label={words}>
        <Progress.Section
          value={(inUse / most) * 100}
          color={inUse + reserved > quantity ? 'orange' : 'blue'}
          aria-hidden
        />
        <Progress.Section value={(reserved / most) * 100} color="teal" aria-hidden />
      </Progress.Root>
    </Tooltip>
  )
}

function Transactions(props: { license: License; virtual: VirtualAccountView; onClose: () => void }) {
  const { license, virtual, onClose } = props
  const account = useAccount()
  const transactions = useQuery({
    queryKey: ['transactions', account, virtual.name, license.tag],
    queryFn: () =>
      api.query('license-transactions', { account, virtualAccount: virtual.name, tag: license.tag }),
  })
  return (
    <Modal opened onClose={onClose} size="xl" title={`${t.transactions}: ${license.name}`}>
      <QueryBoundary query={transactions}>
        {(data) => (
          <DataTable
            caption={t.transactions}
            rows={data.transactions}
            getKey={(_, index) => String(index)}
            columns={[
              { title: t.quantity, numeric: true, cell: ({ quantity }) => quantity },
              { title: t.type, cell: ({ type }) => t.types[type] },
              { title: t.starts, cell: ({ startsAt }) => <RelativeTime at={startsAt} exactly /> },
              {
                title: t.ends,
                cell: ({ endsAt }) => (endsAt === null ? t.noEnd : <RelativeTime at={endsAt} exactly />),
              },
              { title: t.source, cell: ({ source }) => source },
              { title: t.status, cell: ({ status }) => t.states[status] },
            ]}
          />
        )}
      </QueryBoundary>
    </Modal>
  )
}
