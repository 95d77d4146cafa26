import {
  Alert,
  Button,
  Checkbox,
  Group,
  Modal,
  NumberInput,
  Stack,
  Stepper,
  Table,
  Text,
  Textarea,
} from '@mantine/core'
import { useState } from 'react'
import { toFailure } from '../shared/api.ts'
import { downloadText } from '../shared/download-text.ts'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { texts as shared } from '../shared/texts.ts'
import {
  api,
  type Instance,
  type ReservationResult,
  type License,
  useAccount,
  useApiMutation,
  useLicenses,
  type VirtualAccountView,
} from './queries.ts'
import { texts } from './texts.ts'

const t = texts.reserve
type Quantities = Readonly<Record<string, number | string>>

const pickNumbers = (quantities: Quantities): Record<string, number> =>
  Object.fromEntries(
    Object.entries(quantities).flatMap(([tag, value]) => (typeof value === 'number' ? [[tag, value]] : [])),
  )

/** Wizard for “Obtain the Reservation Authorization Code File” of the CWMS planning guide. */
export function Reserve(props: {
  virtual: VirtualAccountView
  licenses: readonly License[]
  me: CurrentUser
  onClose: () => void
}) {
  const { virtual, licenses, me, onClose } = props
  const account = useAccount()
  const [step, setStep] = useState(0)
  const [request, setRequest] = useState('')
  const [specific, setSpecific] = useState(false)
  const [quantities, setQuantities] = useState<Quantities>({})
  const reserve = useApiMutation(
    () =>
      api.mutate('reserve', {
        account,
        virtualAccount: virtual.name,
        request,
        licenses: pickNumbers(quantities),
      }),
    () => {
      setStep(3)
    },
  )
  const hasQuantity = Object.values(pickNumbers(quantities)).some((quantity) => quantity > 0)
  const notEnabled = reserve.error !== null && toFailure(reserve.error).code === 'RESERVATION_NOT_ENABLED'
  return (
    <Modal opened onClose={onClose} size="xl" title={t.title} closeOnClickOutside={false}>
      <Stepper active={step} size="sm" mb="md" allowNextStepsSelect={false}>
        {t.steps.map((label) => (
          <Stepper.Step key={label} label={label} />
        ))}
      </Stepper>
      {step === 0 && (
        <Stack>
          <Textarea
            label={t.code}
            description={t.codeHint}
            required
            rows={4}
            value={request}
            spellCheck={false}
            styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
            onChange={(event) => {
              setRequest(event.currentTarget.value)
            }}
          />
          <Group justify="flex-end">
            <Button
              disabled={request.trim() === ''}
              onClick={() => {
                setStep(1)
              }}
            >
              {shared.next}
            </Button>
          </Group>
        </Stack>
      )}
      {step === 1 && (
        <Stack>
          <Checkbox
            label={t.specific}
            checked={specific}
            onChange={(event) => {
              setSpecific(event.currentTarget.checked)
            }}
          />
          {specific && (
            <QuantityFields
              rows={licenses.map(({ tag, name, available }) => ({ tag, name, available, now: null }))}
              quantities={quantities}
              onChange={setQuantities}
            />
          )}
          <Group justify="space-between">
            <Button
              variant="default"
              onClick={() => {
                setStep(0)
              }}
            >
              {shared.back}
            </Button>
            <Button
              disabled={!specific || !hasQuantity || exceedsAvailable(licenses, quantities)}
              onClick={() => {
                setStep(2)
              }}
            >
              {shared.next}
            </Button>
          </Group>
        </Stack>
      )}
      {step === 2 && (
        <Stack>
          <ReviewStep licenses={licenses} quantities={quantities} />
          {notEnabled ? <EnableReservation me={me} /> : <FailureAlert failure={reserve.error} />}
          <Group justify="space-between">
            <Button
              variant="default"
              onClick={() => {
                reserve.reset()
                setStep(isCodeError(reserve.error) ? 0 : 1)
              }}
            >
              {shared.back}
            </Button>
            <Button
              loading={reserve.isPending}
              onClick={() => {
                reserve.mutate(undefined)
              }}
            >
              {t.generate}
            </Button>
          </Group>
        </Stack>
      )}
      {step === 3 && reserve.data && (
        <AuthorizationFile issued={reserve.data} hint={t.doneHint} button={t.download} onClose={onClose} />
      )}
    </Modal>
  )
}

/** Returns true if the request code is invalid, and not another input. */
const isCodeError = (error: unknown): boolean => {
  const { code, field } = toFailure(error)
  return field === 'request' || code.startsWith('CODE_')
}

const exceedsAvailable = (
  rows: readonly { tag: string; available: number }[],
  quantities: Quantities,
): boolean =>
  rows.some(({ tag, available }) => {
    const quantity = quantities[tag]
    return typeof quantity === 'number' && quantity > available
  })

/** Shows a quantity field for each license, with the available number. */
function QuantityFields(props: {
  rows: readonly { tag: string; name: string; available: number; now: number | null }[]
  quantities: Quantities
  failure?: unknown
  onChange: (quantities: Quantities) => void
}) {
  const { rows, quantities, failure, onChange } = props
  if (rows.length === 0) return <Alert color="blue">{t.noLicenses}</Alert>
  const before = rows.some(({ now }) => now !== null)
  return (
    <Table.ScrollContainer minWidth={420}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{texts.licenses.license}</Table.Th>
            {before && (
              <Table.Th scope="col" ta="right">
                {t.now}
              </Table.Th>
            )}
            <Table.Th scope="col" ta="right">
              {t.available}
            </Table.Th>
            <Table.Th scope="col">{t.quantity}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(({ tag, name, available, now }) => {
            const quantity = quantities[tag] ?? ''
            const over = typeof quantity === 'number' && quantity > available
            return (
              <Table.Tr key={tag}>
                <Table.Td>
                  <Text inherit fw={500}>
                    {name}
                  </Text>
                  <Text size="xs" c="dimmed">
                    {tag}
                  </Text>
                </Table.Td>
                {before && <Table.Td ta="right">{now ?? 0}</Table.Td>}
                <Table.Td ta="right">{available}</Table.Td>
                <Table.Td>
                  <NumberInput
                    aria-label={`${t.quantity}: ${tag}`}
                    min={0}
                    clampBehavior="none"
                    allowDecimal={false}
                    allowNegative={false}
                    hideControls
                    value={quantity}
                    error={over ? t.tooMany(available) : getFieldError(failure, `licenses.${tag}`)}
                    onChange={(value) => {
                      onChange({ ...quantities, [tag]: value })
                    }}
                  />
                </Table.Td>
              </Table.Tr>
            )
          })}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function ReviewStep({
  licenses,
  quantities,
}: {
  licenses: readonly { tag: string; name: string }[]
  quantities: Quantities
}) {
  const chosen = Object.entries(pickNumbers(quantities))
  return (
    <>
      <Text size="sm">{t.review}</Text>
      <Table aria-label={t.review}>
        <Table.Tbody>
          {chosen.map(([tag, quantity]) => (
            <Table.Tr key={tag}>
              <Table.Td>{licenses.find((license) => license.tag === tag)?.name ?? tag}</Table.Td>
              <Table.Td ta="right">{quantity}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  )
}

/** Offers to enable reservations, which a smart account must allow first (R-SLR-1). */
function EnableReservation({ me }: { me: CurrentUser }) {
  const account = useAccount()
  const enable = useApiMutation(() => api.mutate('reservation-enable', { account }))
  return (
    <Alert color="blue">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{t.notEnabled}</Text>
        {me.role === 'administrator' && !enable.isSuccess && (
          <Button
            size="xs"
            loading={enable.isPending}
            onClick={() => {
              enable.mutate(undefined)
            }}
          >
            {t.enable}
          </Button>
        )}
        {enable.isSuccess && (
          <Text size="sm" role="status">
            {texts.preferences.enabled}
          </Text>
        )}
        <FailureAlert failure={enable.error} />
      </Stack>
    </Alert>
  )
}

const getFileName = ({ udi, authorization }: ReservationResult): string =>
  `${udi.pid}-${udi.serial}-${authorization}.txt`

function AuthorizationFile(props: {
  issued: ReservationResult
  hint: string
  button: string
  onClose: () => void
  onConfirm?: () => void
}) {
  const { issued, hint, button, onClose, onConfirm } = props
  return (
    <Stack>
      <Alert color="green" title={t.done} role="status">
        <Text size="sm">
          {issued.udi.pid}, {issued.udi.serial}:{' '}
          {issued.licenses.map(({ tag, count }) => `${count} ${tag}`).join(', ')}
        </Text>
        <Text size="sm">{hint}</Text>
      </Alert>
      {issued.recommendation !== null && <Alert color="blue">{issued.recommendation}</Alert>}
      <Group justify="flex-end">
        <Button
          onClick={() => {
            downloadText(getFileName(issued), issued.file)
          }}
        >
          {button}
        </Button>
        {onConfirm && (
          <Button variant="default" onClick={onConfirm}>
            {t.confirm}
          </Button>
        )}
        <Button variant="default" onClick={onClose}>
          {shared.close}
        </Button>
      </Group>
    </Stack>
  )
}

/** Dialog for “Modify Your Reserved Licenses” of the CWMS planning guide. */
export function UpdateReservation(props: { instance: Instance; onClose: () => void; onConfirm: () => void }) {
  const { instance, onClose, onConfirm } = props
  const account = useAccount()
  const [step, setStep] = useState(0)
  const [specific, setSpecific] = useState(false)
  const now = (tag: string): number =>
    instance.reservation?.licenses
      .filter((license) => license.tag === tag)
      .reduce((sum, { count }) => sum + count, 0) ?? 0
  const [quantities, setQuantities] = useState<Quantities>(
    Object.fromEntries(instance.reservation?.licenses.map(({ tag }) => [tag, now(tag)]) ?? []),
  )
  const licenses = useLicenses(instance.virtualAccount)
  const rows = (licenses.data?.licenses ?? []).map(({ tag, name, available }) => ({
    tag,
    name,
    available: available + now(tag),
    now: now(tag),
  }))
  const update = useApiMutation(
    () => api.mutate('reservation-update', { account, id: instance.id, licenses: pickNumbers(quantities) }),
    () => {
      setStep(2)
    },
  )
  return (
    <Modal opened onClose={onClose} size="xl" title={t.updateTitle} closeOnClickOutside={false}>
      <Stepper active={step} size="sm" mb="md" allowNextStepsSelect={false}>
        {t.updateSteps.map((label) => (
          <Stepper.Step key={label} label={label} />
        ))}
      </Stepper>
      {step === 0 && (
        <Stack>
          <Checkbox
            label={t.updateSpecific}
            checked={specific}
            onChange={(event) => {
              setSpecific(event.currentTarget.checked)
            }}
          />
          {specific && <QuantityFields rows={rows} quantities={quantities} onChange={setQuantities} />}
          <Group justify="flex-end">
            <Button
              disabled={!specific || exceedsAvailable(rows, quantities)}
              onClick={() => {
                setStep(1)
              }}
            >
              {shared.next}
            </Button>
          </Group>
        </Stack>
      )}
      {step === 1 && (
        <Stack>
          <ReviewStep licenses={rows} quantities={quantities} />
          <FailureAlert failure={update.error} />
          <Group justify="space-between">
            <Button
              variant="default"
              onClick={() => {
                update.reset()
                setStep(0)
              }}
            >
              {shared.back}
            </Button>
            <Button
              loading={update.isPending}
              onClick={() => {
                update.mutate(undefined)
              }}
            >
              {t.generate}
            </Button>
          </Group>
        </Stack>
      )}
      {step === 2 && update.data && (
        <AuthorizationFile
          issued={update.data}
          hint={t.updateDone}
          button={t.downloadAs}
          onClose={onClose}
          onConfirm={onConfirm}
        />
      )}
    </Modal>
  )
}

/** Dialog for “Enter the Confirmation Code” of the CWMS planning guide. */
export function ConfirmReservation({ instance, onClose }: { instance: Instance; onClose: () => void }) {
  const account = useAccount()
  const [code, setCode] = useState('')
  const confirm = useApiMutation(
    () => api.mutate('reservation-confirm', { account, id: instance.id, code }),
    onClose,
  )
  return (
    <Modal opened onClose={onClose} title={t.confirm}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          confirm.mutate(undefined)
        }}
      >
        <Stack>
          <Textarea
            label={t.confirmCode}
            description={t.confirmHint}
            required
            rows={2}
            value={code}
            error={getFieldError(confirm.error, 'code')}
            onChange={(event) => {
              setCode(event.currentTarget.value)
            }}
          />
          <FailureAlert failure={confirm.error} fields={['code']} />
          <Group justify="flex-end">
            <Button type="submit" loading={confirm.isPending}>
              {shared.ok}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
