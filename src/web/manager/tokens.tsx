import {
  Alert,
  Badge,
  Button,
  Checkbox,
  Group,
  Menu,
  Modal,
  NumberInput,
  Paper,
  Stack,
  Text,
  TextInput,
  Title,
  UnstyledButton,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { RowActions } from '../shared/row-actions.tsx'
import { CopyableCode } from '../shared/copyable-code.tsx'
import { Confirm } from '../shared/confirm.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { texts as shared } from '../shared/texts.ts'
import { RelativeTime } from '../shared/relative-time.tsx'
import { api, type Token, useAccount, useApiMutation, type VirtualAccountView } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.tokens
const COLORS = {
  valid: 'green',
  expired: 'gray',
  revoked: 'red',
  exhausted: 'orange',
  'in-doubt': 'red',
} as const

/** Lists and creates the registration tokens of a virtual account (R-TOK-1…3). */
export function Tokens({ virtual, me }: { virtual: VirtualAccountView; me: CurrentUser }) {
  const account = useAccount()
  const [creating, setCreating] = useState(false)
  const [made, setMade] = useState<string | null>(null)
  const [shown, setShown] = useState<Token | null>(null)
  const [revoking, setRevoking] = useState<string | null>(null)
  const tokens = useQuery({
    queryKey: ['tokens', account, virtual.name],
    queryFn: () => api.query('tokens', { account, virtualAccount: virtual.name }),
  })
  const revoke = useApiMutation(
    (id: string) => api.mutate('token-revoke', { account, id }),
    () => {
      setRevoking(null)
    },
  )
  const may = me.role !== 'viewer'
  if (virtual.satellite !== null) return <Alert color="blue">{t.ofSatellite}</Alert>
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" align="flex-start" mb="sm">
        <div style={{ maxWidth: '60ch' }}>
          <Title order={2} size="h4">
            {t.title}
          </Title>
          <Text size="sm" c="dimmed">
            {t.intro}
          </Text>
        </div>
        {may && (
          <Button
            onClick={() => {
              setCreating(true)
            }}
          >
            {t.new}
          </Button>
        )}
      </Group>
      {made !== null && (
        <Alert color="green" role="status" mb="sm">
          {t.made(made.slice(0, 8))}
        </Alert>
      )}
      <QueryBoundary query={tokens}>
        {(data) => (
          <DataTable
            caption={t.table}
            empty={t.none}
            rows={data.tokens.toReversed()}
            getKey={({ id }) => id}
            columns={[
              {
                title: t.token,
                cell: (token) =>
                  token.token === null ? (
                    `${token.id.slice(0, 8)}…`
                  ) : (
                    <UnstyledButton
                      c="var(--mantine-color-anchor)"
                      fz="sm"
                      ff="monospace"
                      aria-label={`${t.show} ${token.id.slice(0, 8)}`}
                      onClick={() => {
                        setShown(token)
                      }}
                    >
                      {token.id.slice(0, 8)}…
                    </UnstyledButton>
                  ),
              },
              { title: t.description, cell: ({ description }) => description },
              { title: t.expires, cell: ({ expiresAt }) => <RelativeTime at={expiresAt} /> },
              { title: t.uses, cell: ({ uses, maxUses }) => t.usesOf(uses, maxUses) },
              {
                title: t.export,
                cell: ({ exportControlled }) => (exportControlled ? t.allowed : t.notAllowed),
              },
              { title: t.createdBy, cell: ({ createdBy }) => createdBy ?? '–' },
              {
                title: t.status,
                cell: ({ status }) => (
                  <Badge variant="light" color={COLORS[status]}>
                    {t.statuses[status]}
                  </Badge>
                ),
              },
              {
                title: t.actions,
                cell: ({ id, status }) =>
                  may && status !== 'revoked' ? (
                    <RowActions label={t.actions} of={id.slice(0, 8)}>
                      <Menu.Item
                        color="red"
                        onClick={() => {
                          setRevoking(id)
                        }}
                      >
                        {t.revoke}
                      </Menu.Item>
                    </RowActions>
                  ) : null,
              },
            ]}
          />
        )}
      </QueryBoundary>
      <CreateToken
        opened={creating}
        virtual={virtual}
        onClose={() => {
          setCreating(false)
        }}
        onCreated={setMade}
      />
      <Modal
        opened={shown !== null}
        onClose={() => {
          setShown(null)
        }}
        title={t.copyTitle}
        size="lg"
      >
        <Stack>
          <Text size="sm">{t.copyHint}</Text>
          <CopyableCode label={t.copyTitle} code={shown?.token ?? ''} fileName="registration-token.txt" />
        </Stack>
      </Modal>
      <Confirm
        opened={revoking !== null}
        title={t.revokeTitle}
        text={t.revokeText}
        yes={t.revoke}
        no={shared.cancel}
        pending={revoke.isPending}
        failure={revoke.error}
        onYes={() => {
          if (revoking !== null) revoke.mutate(revoking)
        }}
        onNo={() => {
          setRevoking(null)
          revoke.reset()
        }}
      />
    </Paper>
  )
}

const toNumber = (value: number | string): number => (typeof value === 'number' ? value : Number.NaN)

function CreateToken(props: {
  opened: boolean
  virtual: VirtualAccountView
  onClose: () => void
  onCreated: (id: string) => void
}) {
  const { opened, virtual, onClose, onCreated } = props
  const account = useAccount()
  const [description, setDescription] = useState('')
  const [days, setDays] = useState<number | string>(30)
  const [uses, setUses] = useState<number | string>('')
  const [exportControlled, setExport] = useState(true)
  const [agreement, setAgreement] = useState(false)
  const create = useApiMutation(
    () =>
      api.mutate('token-create', {
        account,
        virtualAccount: virtual.name,
        description,
        days: toNumber(days),
        ...(uses !== '' && { maxUses: toNumber(uses) }),
        exportControlled,
        // The server refuses an unaccepted agreement, and the error appears at the checkbox.
        agreement: agreement as true,
      }),
    ({ id }) => {
      setDescription('')
      setAgreement(false)
      onCreated(id)
      onClose()
    },
  )
  const c = t.create
  return (
    <Modal
      opened={opened}
      onClose={() => {
        create.reset()
        onClose()
      }}
      title={c.title}
      size="lg"
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate(undefined)
        }}
      >
        <Stack>
          <TextInput
            label={c.description}
            description={c.descriptionHint}
            value={description}
            error={getFieldError(create.error, 'description')}
            onChange={(event) => {
              setDescription(event.currentTarget.value)
            }}
          />
          <NumberInput
            label={c.days}
            description={c.daysHint}
            min={1}
            max={365}
            clampBehavior="none"
            allowDecimal={false}
            value={days}
            error={getFieldError(create.error, 'days')}
            onChange={setDays}
            hideControls
          />
          <NumberInput
            label={c.uses}
            description={c.usesHint}
            min={1}
            max={4000}
            clampBehavior="none"
            allowDecimal={false}
            value={uses}
            error={getFieldError(create.error, 'maxUses')}
            onChange={setUses}
            hideControls
          />
          <Checkbox
            label={c.export}
            checked={exportControlled}
            onChange={(event) => {
              setExport(event.currentTarget.checked)
            }}
          />
          <Checkbox
            label={c.agreement}
            checked={agreement}
            error={getFieldError(create.error, 'agreement')}
            onChange={(event) => {
              setAgreement(event.currentTarget.checked)
            }}
          />
          <FailureAlert failure={create.error} fields={['agreement', 'days', 'description', 'maxUses']} />
          <Group justify="flex-end">
            <Button type="submit" loading={create.isPending}>
              {c.button}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
