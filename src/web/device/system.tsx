import {
  Anchor,
  Button,
  Group,
  NativeSelect,
  Paper,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import { useState } from 'react'
import { Heading } from '../shared/heading.tsx'
import { saveText } from '../shared/copyable-code.tsx'
import { DataTable } from '../shared/data-table.tsx'
import { FailureAlert, fieldError } from '../shared/failure.tsx'
import { Facts } from '../shared/description-list.tsx'
import { Loaded } from '../shared/query-boundary.tsx'
import { hrefOf } from '../shared/route.ts'
import type { Me } from '../shared/sign-in.tsx'
import { Glance } from './summary.tsx'
import { api, type Status, useAct, useStatus, useSystem } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.system
const SIZES = ['micro', 'small', 'medium', 'large'] as const satisfies readonly NonNullable<
  Status['product']['size']
>[]

/** The landing page: the box, and its licences at a glance. */
export function System({ me }: { me: Me }) {
  const status = useStatus()
  return (
    <Stack>
      <Heading title={t.title} />
      <Loaded query={status}>
        {(data) => (
          <>
            <section aria-labelledby="licenses">
              <Group justify="space-between" mb="xs">
                <Title order={2} size="h3" id="licenses">
                  {t.licenses}
                </Title>
                <Anchor href={hrefOf('smart-licenses')}>{t.viewMore}</Anchor>
              </Group>
              <Glance status={data} />
            </section>
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Paper withBorder p="lg">
                <Title order={2} size="h4" mb="sm">
                  {t.box}
                </Title>
                <Facts
                  rows={[
                    [t.product, data.product.pid],
                    [t.serial, data.product.serial],
                    [t.version, data.product.version],
                    data.product.size === undefined ? null : [t.size, t.sizes[data.product.size]],
                    data.product.ports === undefined ? null : [t.ports, data.product.ports],
                    data.clock.trusted ? null : [t.clock, data.clock.reason],
                  ]}
                />
              </Paper>
              {me.role === 'administrator' && (
                <Paper withBorder p="lg">
                  <Title order={2} size="h4" mb="sm">
                    {t.support}
                  </Title>
                  <Text size="sm" mb="sm">
                    {t.supportHint}
                  </Text>
                  <SupportButton />
                </Paper>
              )}
            </SimpleGrid>
            {data.product.size !== undefined && <Size me={me} />}
          </>
        )}
      </Loaded>
    </Stack>
  )
}

function SupportButton() {
  const support = useAct(
    () => api.read('support'),
    (bundle) => {
      saveText('smart-licenses-support.json', `${JSON.stringify(bundle, null, 2)}\n`, 'application/json')
    },
  )
  return (
    <>
      <Button
        variant="default"
        loading={support.isPending}
        onClick={() => {
          support.mutate(undefined)
        }}
      >
        {t.supportButton}
      </Button>
      <FailureAlert failure={support.error} />
    </>
  )
}

function Size({ me }: { me: Me }) {
  const system = useSystem()
  const [size, setSize] = useState<NonNullable<Status['product']['size']> | null>(null)
  const [center, setCenter] = useState('')
  const resize = useAct((wanted: NonNullable<Status['product']['size']>) =>
    api.act('system-size', { size: wanted }),
  )
  const extend = useAct(() => api.act('system-extend'))
  const reduce = useAct(() => api.act('system-reduce'))
  const join = useAct(
    (dataCenter: string) => api.act('system-join', { dataCenter }),
    () => {
      setCenter('')
    },
  )
  const leave = useAct((dataCenter: string) => api.act('system-leave', { dataCenter }))
  const may = me.role === 'administrator'
  return (
    <Paper withBorder p="lg">
      <Loaded query={system}>
        {(data) => (
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
            <Stack>
              <Title order={2} size="h4">
                {t.sizeTitle}
              </Title>
              <Text size="sm" c="dimmed">
                {t.sizeHint}
              </Text>
              <Group align="flex-end">
                <NativeSelect
                  label={t.size}
                  disabled={!may}
                  value={size ?? data.size}
                  data={SIZES.map((one) => ({ value: one, label: t.sizes[one] }))}
                  onChange={(event) => {
                    setSize(SIZES.find((one) => one === event.currentTarget.value) ?? null)
                  }}
                />
                {may && (
                  <Button
                    variant="default"
                    loading={resize.isPending}
                    disabled={size === null || size === data.size}
                    onClick={() => {
                      if (size !== null) resize.mutate(size)
                    }}
                  >
                    {t.setSize}
                  </Button>
                )}
              </Group>
              <FailureAlert failure={resize.error} />
              {data.size === 'large' && (
                <>
                  <Text size="sm">{data.extended ? t.extended : t.extendHint}</Text>
                  {may && (
                    <Group>
                      <Button
                        variant="default"
                        loading={extend.isPending || reduce.isPending}
                        onClick={() => {
                          if (data.extended) reduce.mutate(undefined)
                          else extend.mutate(undefined)
                        }}
                      >
                        {data.extended ? t.reduce : t.extend}
                      </Button>
                    </Group>
                  )}
                  <FailureAlert failure={extend.error ?? reduce.error} />
                </>
              )}
            </Stack>
            <Stack>
              <Title order={2} size="h4">
                {t.centers}
              </Title>
              <Text size="sm">
                {data.role === 'single'
                  ? t.single
                  : data.role === 'primary'
                    ? t.primary
                    : t.joined(data.primary ?? '')}
              </Text>
              <Text size="sm" c="dimmed">
                {t.centersHint}
              </Text>
              {data.dataCenters.length > 0 && (
                <DataTable
                  caption={t.centers}
                  minWidth={260}
                  rows={data.dataCenters}
                  keyOf={(name) => name}
                  columns={[
                    { title: t.centers, cell: (name) => name },
                    {
                      title: '',
                      cell: (name) =>
                        may ? (
                          <Button
                            size="xs"
                            variant="default"
                            loading={leave.isPending}
                            onClick={() => {
                              leave.mutate(name)
                            }}
                          >
                            {t.leave}
                          </Button>
                        ) : null,
                    },
                  ]}
                />
              )}
              {may && data.role !== 'joined' && (
                <form
                  onSubmit={(event) => {
                    event.preventDefault()
                    join.mutate(center)
                  }}
                >
                  <Group align="flex-end">
                    <TextInput
                      label={t.centerName}
                      value={center}
                      error={fieldError(join.error, 'dataCenter')}
                      onChange={(event) => {
                        setCenter(event.currentTarget.value)
                      }}
                    />
                    <Button
                      type="submit"
                      variant="default"
                      loading={join.isPending}
                      disabled={center.trim() === ''}
                    >
                      {t.join}
                    </Button>
                  </Group>
                </form>
              )}
              <FailureAlert failure={join.error ?? leave.error} />
            </Stack>
          </SimpleGrid>
        )}
      </Loaded>
    </Paper>
  )
}
