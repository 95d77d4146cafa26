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
import { downloadText } from '../shared/download-text.ts'
import { DataTable } from '../shared/data-table.tsx'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { DescriptionList } from '../shared/description-list.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { buildHref } from '../shared/route.ts'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { StatusSummary } from './summary.tsx'
import { api, type Status, useApiMutation, useStatus, useSystem } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.system
const SIZES = ['micro', 'small', 'medium', 'large'] as const satisfies readonly NonNullable<
  Status['product']['size']
>[]

/** Shows the landing page with the device and a summary of its licenses. */
export function System({ me }: { me: CurrentUser }) {
  const status = useStatus()
  return (
    <Stack>
      <Heading title={t.title} />
      <QueryBoundary query={status}>
        {(data) => (
          <>
            <section aria-labelledby="licenses">
              <Group justify="space-between" mb="xs">
                <Title order={2} size="h3" id="licenses">
                  {t.licenses}
                </Title>
                <Anchor href={buildHref('smart-licenses')}>{t.viewMore}</Anchor>
              </Group>
              <StatusSummary status={data} />
            </section>
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Paper withBorder p="lg">
                <Title order={2} size="h4" mb="sm">
                  {t.box}
                </Title>
                <DescriptionList
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
      </QueryBoundary>
    </Stack>
  )
}

function SupportButton() {
  const support = useApiMutation(
    () => api.query('support'),
    (bundle) => {
      downloadText('smart-licenses-support.json', `${JSON.stringify(bundle, null, 2)}\n`, 'application/json')
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

function Size({ me }: { me: CurrentUser }) {
  const system = useSystem()
  const [size, setSize] = useState<NonNullable<Status['product']['size']> | null>(null)
  const [center, setCenter] = useState('')
  const resize = useApiMutation((size: NonNullable<Status['product']['size']>) =>
    api.mutate('system-size', { size }),
  )
  const extend = useApiMutation(() => api.mutate('system-extend'))
  const reduce = useApiMutation(() => api.mutate('system-reduce'))
  const join = useApiMutation(
    (dataCenter: string) => api.mutate('system-join', { dataCenter }),
    () => {
      setCenter('')
    },
  )
  const leave = useApiMutation((dataCenter: string) => api.mutate('system-leave', { dataCenter }))
  const may = me.role === 'administrator'
  return (
    <Paper withBorder p="lg">
      <QueryBoundary query={system}>
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
                  data={SIZES.map((size) => ({ value: size, label: t.sizes[size] }))}
                  onChange={(event) => {
                    setSize(SIZES.find((size) => size === event.currentTarget.value) ?? null)
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
                  getKey={(name) => name}
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
                      error={getFieldError(join.error, 'dataCenter')}
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
      </QueryBoundary>
    </Paper>
  )
}
