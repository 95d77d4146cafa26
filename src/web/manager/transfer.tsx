import { Alert, Button, Group, Modal, NativeSelect, NumberInput, Stack, Text } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { toFailure } from '../shared/api.ts'
import { DataTable } from '../shared/data-table.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import {
  api,
  type Instance,
  type License,
  type Transfer,
  useAccount,
  useApiMutation,
  type VirtualAccountView,
} from './queries.ts'
import { Compliance } from './severity.tsx'
import { texts } from './texts.ts'

const t = texts.transfer

interface TransferMode {
  readonly preview: boolean
  readonly confirmed: boolean
}

/** Transfers licenses to another virtual account, and shows the effect on compliance first (R-ACC-3). */
export function TransferLicenses(props: {
  license: License
  from: VirtualAccountView
  all: readonly VirtualAccountView[]
  onClose: () => void
}) {
  const { license, from, all, onClose } = props
  const account = useAccount()
  const [quantity, setQuantity] = useState<number | string>('')
  return (
    <TransferDialog
      title={t.licenses(license.name)}
      from={from.name}
      all={all}
      onClose={onClose}
      send={(to, meant) =>
        api.mutate('license-transfer', {
          account,
          tag: license.tag,
          quantity: typeof quantity === 'number' ? quantity : Number.NaN,
          from: from.name,
          to,
          ...meant,
        })
      }
    >
      {(failure) => (
        <NumberInput
          label={t.quantity}
          required
          min={1}
          clampBehavior="none"
          allowDecimal={false}
          hideControls
          value={quantity}
          onChange={setQuantity}
          error={getFieldError(failure, 'quantity')}
        />
      )}
    </TransferDialog>
  )
}

export function TransferInstance(props: {
  instance: Instance
  all: readonly VirtualAccountView[]
  onClose: () => void
}) {
  const { instance, all, onClose } = props
  const account = useAccount()
  return (
    <TransferDialog
      title={t.instance(instance.hostname ?? instance.udi.serial)}
      from={instance.virtualAccount}
      all={all.filter(({ satellite }) => satellite === null)}
      onClose={onClose}
      send={(to, meant) => api.mutate('instance-transfer', { account, id: instance.id, to, ...meant })}
    />
  )
}

function TransferDialog(props: {
  title: string
  from: string
  all: readonly VirtualAccountView[]
  send: (to: string, meant: TransferMode) => Promise<Transfer>
  onClose: () => void
  children?: (failure: unknown) => ReactNode
}) {
  const { title, from, all, send, onClose, children } = props
  const others = all.filter(({ name }) => name !== from)
  const [to, setTo] = useState(others[0]?.name ?? '')
  const preview = useApiMutation(() => send(to, { preview: true, confirmed: false }))
  const transfer = useApiMutation((confirmed: boolean) => send(to, { preview: false, confirmed }), onClose)
  const worse = transfer.error !== null && toFailure(transfer.error).code === 'TRANSFER_UNCONFIRMED'
  const failure = transfer.error ?? preview.error
  return (
    <Modal opened onClose={onClose} size="lg" title={title}>
      {others.length === 0 ? (
        <Text size="sm">{t.none}</Text>
      ) : (
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault()
            transfer.mutate(worse)
          }}
        >
          <Stack>
            <NativeSelect
              label={t.to}
              value={to}
              data={others.map(({ name }) => name)}
              onChange={(event) => {
                setTo(event.currentTarget.value)
                preview.reset()
                transfer.reset()
              }}
            />
            {children?.(failure)}
            {preview.data && <TransferEffects transfer={preview.data} />}
            {worse ? (
              <Alert color="orange">{t.worse}</Alert>
            ) : (
              <FailureAlert failure={failure} fields={['quantity']} />
            )}
            <Group justify="flex-end">
              <Button
                variant="default"
                loading={preview.isPending}
                onClick={() => {
                  transfer.reset()
                  preview.mutate(undefined)
                }}
              >
                {t.preview}
              </Button>
              <Button type="submit" loading={transfer.isPending} color={worse ? 'orange.9' : 'blue'}>
                {worse ? t.anyway : t.button}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  )
}

function TransferEffects({ transfer }: { transfer: Transfer }) {
  return (
    <div role="status">
      <DataTable
        caption={t.effects}
        minWidth={420}
        rows={transfer.effects}
        getKey={({ virtualAccount, tag }) => `${virtualAccount} ${tag}`}
        columns={[
          {
            title: texts.inventory.virtualAccount,
            cell: ({ virtualAccount, tag }) => `${virtualAccount}, ${tag}`,
          },
          {
            title: t.before,
            cell: ({ before }) => (
              <>
                {t.counts(before.quantity, before.inUse)} <Compliance status={before.status} />
              </>
            ),
          },
          {
            title: t.after,
            cell: ({ after }) => (
              <>
                {t.counts(after.quantity, after.inUse)} <Compliance status={after.status} />
              </>
            ),
          },
        ]}
      />
    </div>
  )
}
