import { Badge, Button, Group, Modal, NativeSelect, NumberInput, Paper, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { RelativeTime } from '../shared/relative-time.tsx'
import { api, type Order, useAccount, useApiMutation, useOverview, useVirtualAccounts } from './queries.ts'
import { formatAccountLabel } from './labels.ts'
import { texts } from './texts.ts'

const t = texts.orders
const COLORS = { fulfilled: 'green', waiting: 'orange', escalated: 'red' } as const

/** Lists the orders of a smart account (R-ACC-6). */
export function Orders({ me }: { me: CurrentUser }) {
  const account = useAccount()
  const overview = useOverview()
  const [placing, setPlacing] = useState(false)
  const [assigning, setAssigning] = useState<Order | null>(null)
  const orders = useQuery({ queryKey: ['orders', account], queryFn: () => api.query('orders', { account }) })
  const may = me.role === 'administrator' && overview.data?.role === 'manager'
  return (
    <Stack>
      <Group justify="space-between">
        <Heading title={t.title} intro={t.intro} />
        {may && (
          <Button
            onClick={() => {
              setPlacing(true)
            }}
          >
            {t.place}
          </Button>
        )}
      </Group>
      <Paper withBorder p="md">
        <QueryBoundary query={orders}>
          {(data) => (
            <DataTable
              caption={t.title}
              empty={t.none}
              rows={data.orders.toReversed()}
              getKey={({ id }) => id}
              columns={[
                { title: t.placed, cell: ({ placedAt }) => <RelativeTime at={placedAt} exactly /> },
                {
                  title: t.what,
                  cell: ({ tag, version, sku }) =>
                    `${tag ?? t.version(version ?? '')}${sku === null ? '' : ` (${sku})`}`,
                },
                { title: t.quantity, numeric: true, cell: ({ quantity }) => quantity },
                {
                  title: t.status,
                  cell: ({ status }) => (
                    <Badge variant="light" color={COLORS[status]}>
                      {t.statuses[status]}
                    </Badge>
                  ),
                },
                {
                  title: t.virtualAccount,
                  cell: (order) =>
                    order.virtualAccount ??
                    (may ? (
                      <Button
                        size="xs"
                        variant="default"
                        onClick={() => {
                          setAssigning(order)
                        }}
                      >
                        {t.assign}
                      </Button>
                    ) : (
                      ''
                    )),
                },
                {
                  title: t.ends,
                  cell: ({ endsAt }) => (endsAt === null ? '' : <RelativeTime at={endsAt} exactly />),
                },
                { title: t.buyer, cell: ({ buyer }) => buyer ?? '' },
              ]}
            />
          )}
        </QueryBoundary>
      </Paper>
      {placing && (
        <PlaceOrder
          onClose={() => {
            setPlacing(false)
          }}
        />
      )}
      {assigning && (
        <AssignOrder
          order={assigning}
          onClose={() => {
            setAssigning(null)
          }}
        />
      )}
    </Stack>
  )
}

function useVirtualAccountOptions(): { value: string; label: string }[] {
  const { data } = useVirtualAccounts()
  // The default virtual account comes first, because orders go there by default.
  return (data?.virtualAccounts ?? [])
    .toSorted((a, b) => Number(b.isDefault) - Number(a.isDefault))
    .map((virtualAccount) => ({ value: virtualAccount.name, label: formatAccountLabel(virtualAccount) }))
}

function PlaceOrder({ onClose }: { onClose: () => void }) {
  const account = useAccount()
  const overview = useOverview()
  const names = useVirtualAccountOptions()
  const [what, setWhat] = useState('')
  const [quantity, setQuantity] = useState<number | string>('')
  const [term, setTerm] = useState<number | string>('')
  const [virtualAccount, setVirtualAccount] = useState('')
  const choices = [
    ...(overview.data?.tags.map(({ tag, name }) => ({ value: `tag ${tag}`, label: `${name} (${tag})` })) ??
      []),
    ...(overview.data?.skus.map(({ sku, description }) => ({
      value: `sku ${sku}`,
      label: `${sku}: ${description}`,
    })) ?? []),
  ]
  const chosen = what === '' ? (choices[0]?.value ?? '') : what
  const [by = '', name = ''] = chosen.split(' ')
  const placeOrder = useApiMutation(
    () =>
      api.mutate('order-place', {
        account,
        virtualAccount: virtualAccount === '' ? names[0]?.value : virtualAccount,
        ...(by === 'sku' ? { sku: name } : { tag: name }),
        quantity: typeof quantity === 'number' ? quantity : Number.NaN,
        ...(term !== '' && { termDays: typeof term === 'number' ? term : Number.NaN }),
      }),
    onClose,
  )
  return (
    <Modal opened onClose={onClose} title={t.place}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          placeOrder.mutate(undefined)
        }}
      >
        <Stack>
          <NativeSelect
            label={t.what}
            value={chosen}
            data={choices}
            onChange={(event) => {
              setWhat(event.currentTarget.value)
            }}
          />
          <NumberInput
            label={t.quantity}
            required
            hideControls
            clampBehavior="none"
            allowDecimal={false}
            value={quantity}
            onChange={setQuantity}
            error={getFieldError(placeOrder.error, 'quantity')}
          />
          <NumberInput
            label={t.term}
            description={t.termHint}
            hideControls
            clampBehavior="none"
            allowDecimal={false}
            value={term}
            onChange={setTerm}
            error={getFieldError(placeOrder.error, 'termDays')}
          />
          <NativeSelect
            label={t.virtualAccount}
            value={virtualAccount}
            data={names}
            onChange={(event) => {
              setVirtualAccount(event.currentTarget.value)
            }}
          />
          <FailureAlert failure={placeOrder.error} fields={['quantity', 'termDays']} />
          <Group justify="flex-end">
            <Button type="submit" loading={placeOrder.isPending}>
              {t.place}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function AssignOrder({ order, onClose }: { order: Order; onClose: () => void }) {
  const account = useAccount()
  const names = useVirtualAccountOptions()
  const [virtualAccount, setVirtualAccount] = useState('')
  const assign = useApiMutation(
    () =>
      api.mutate('order-assign', {
        account,
        id: order.id,
        virtualAccount: virtualAccount === '' ? names[0]?.value : virtualAccount,
      }),
    onClose,
  )
  return (
    <Modal opened onClose={onClose} title={t.assign}>
      <Stack>
        <NativeSelect
          label={t.virtualAccount}
          value={virtualAccount}
          data={names}
          onChange={(event) => {
            setVirtualAccount(event.currentTarget.value)
          }}
        />
        <FailureAlert failure={assign.error} />
        <Group justify="flex-end">
          <Button
            loading={assign.isPending}
            onClick={() => {
              assign.mutate(undefined)
            }}
          >
            {t.assign}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
