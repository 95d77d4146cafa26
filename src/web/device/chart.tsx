import {
  Badge,
  Button,
  Group,
  Paper,
  SegmentedControl,
  Slider,
  Stack,
  Switch,
  Text,
  Title,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { REGIONS } from '../../../machines/state-names.ts'
import { Heading } from '../shared/heading.tsx'
import { findActiveNodes, type ChartLayout, findTraversedEdges } from '../../diagrams/chart-layout.ts'
import { createScopedStyles, renderChartSvg } from '../../diagrams/chart-svg.ts'
import { downloadText } from '../shared/copyable-code.tsx'
import { DescriptionList } from '../shared/description-list.tsx'
import { QueryBoundary } from '../shared/query-boundary.tsx'
import { readNonce } from '../shared/nonce.ts'
import { RelativeTime } from '../shared/relative-time.tsx'
import { api, type Transition, useExplanation, useHistory } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.chart

/** Shows the state machine with its current states. A slider replays past transitions. */
export function Chart() {
  const chart = useQuery({ queryKey: ['chart'], queryFn: () => api.query('chart'), staleTime: Infinity })
  const history = useHistory()
  return (
    <Stack>
      <Heading title={t.title} intro={t.intro} />
      <QueryBoundary query={chart}>
        {(layout) => (
          <QueryBoundary query={history}>
            {(data) => <Replay layout={layout} rows={data.history} />}
          </QueryBoundary>
        )}
      </QueryBoundary>
    </Stack>
  )
}

function Replay({ layout, rows }: { layout: ChartLayout; rows: readonly Transition[] }) {
  /** Id of the selected row, or null to follow the newest row. */
  const [chosen, setChosen] = useState<number | null>(null)
  const [region, setRegion] = useState('license')
  const [fit, setFit] = useState(true)
  const at = chosen === null ? -1 : rows.findIndex(({ id }) => id === chosen)
  const index = at === -1 ? rows.length - 1 : at
  const row = rows[index]
  const active = useMemo(() => (row ? findActiveNodes(row.after, layout) : []), [row, layout])
  const taken = useMemo(() => (row ? findTraversedEdges(row, layout) : []), [row, layout])
  const regions = layout.nodes.filter(({ kind }) => kind === 'region').map(({ id }) => id)
  const go = (to: number) => {
    setChosen(to >= rows.length - 1 ? null : (rows[Math.max(0, to)]?.id ?? null))
  }
  return (
    <>
      <Paper withBorder p="lg">
        {row ? (
          <Stack gap="sm">
            <Group justify="space-between">
              <Text size="sm" fw={600}>
                {t.of(index + 1, rows.length)} {chosen === null && <Badge color="green">{t.live}</Badge>}
              </Text>
              <Group gap="xs">
                <Button
                  size="xs"
                  variant="default"
                  disabled={index <= 0}
                  onClick={() => {
                    go(index - 1)
                  }}
                >
                  {t.before}
                </Button>
                <Button
                  size="xs"
                  variant="default"
                  disabled={index >= rows.length - 1}
                  onClick={() => {
                    go(index + 1)
                  }}
                >
                  {t.after}
                </Button>
                <Button
                  size="xs"
                  variant="default"
                  disabled={chosen === null}
                  onClick={() => {
                    setChosen(null)
                  }}
                >
                  {t.now}
                </Button>
              </Group>
            </Group>
            <Slider
              thumbLabel={t.slider}
              min={1}
              max={Math.max(2, rows.length)}
              disabled={rows.length < 2}
              value={index + 1}
              label={null}
              onChange={(value) => {
                go(value - 1)
              }}
            />
            <div role="status">
              <DescriptionList
                rows={[
                  [t.at, <RelativeTime key="at" at={row.at} exactly />],
                  [t.cause, `${row.inWords} (${row.event})`],
                  ...formatMoves(row).map(([name, move]) => [name, move] as const),
                  row.notices.length === 0
                    ? null
                    : [t.said, row.notices.map(({ message }) => message).join(' · ')],
                ]}
              />
            </div>
          </Stack>
        ) : (
          <Text size="sm">{t.none}</Text>
        )}
      </Paper>
      <Paper withBorder p="md">
        <Group justify="space-between" mb="sm">
          <SegmentedControl
            aria-label={t.axis}
            value={region}
            data={[
              ...regions.map((name) => ({ value: name, label: name })),
              { value: '', label: t.everything },
            ]}
            onChange={setRegion}
          />
          <Group>
            <Switch
              label={t.fit}
              checked={fit}
              onChange={(event) => {
                setFit(event.currentTarget.checked)
              }}
            />
            <Button
              size="xs"
              variant="default"
              onClick={() => {
                const svg = renderChartSvg(layout, { active, traversed: taken, standalone: true })
                downloadText('statechart.svg', svg, 'image/svg+xml')
              }}
            >
              {t.save}
            </Button>
          </Group>
        </Group>
        <ChartDrawing layout={layout} active={active} traversed={taken} region={region} fit={fit} />
      </Paper>
      <ActiveStates layout={layout} active={active} live={chosen === null} />
    </>
  )
}

/** Formats the state change of each region. */
function formatMoves({ before, after }: Transition): [string, string][] {
  return REGIONS.map((region) => {
    const [from, to] = [before[region], after[region]]
    return [region, from === to ? to : `${from} → ${to}`]
  })
}

const styles = createScopedStyles("[data-mantine-color-scheme='dark']")

/** Shows the SVG. `renderChartSvg` escapes its labels, which are state names and never user input. */
function ChartDrawing(props: {
  layout: ChartLayout
  active: readonly string[]
  traversed: readonly string[]
  region: string
  fit: boolean
}) {
  const { layout, active, traversed, region, fit } = props
  const svg = useMemo(
    () =>
      renderChartSvg(layout, {
        active,
        traversed,
        standalone: false,
        region: region === '' ? undefined : region,
      }),
    [layout, active, traversed, region],
  )
  const width =
    region === '' ? layout.width : (layout.nodes.find(({ id }) => id === region)?.width ?? layout.width)
  return (
    <>
      <style nonce={readNonce()}>{styles}</style>
      <div className="chart-frame" tabIndex={0} role="region" aria-label={t.picture}>
        <div
          style={fit ? { maxWidth: width } : { width }}
          dangerouslySetInnerHTML={{ __html: svg }}
          data-testid="chart"
        />
      </div>
    </>
  )
}

/** Lists the active states with their descriptions and next transitions. */
function ActiveStates(props: { layout: ChartLayout; active: readonly string[]; live: boolean }) {
  const { layout, active, live } = props
  const { data } = useExplanation()
  const activeStates = layout.nodes.filter(({ id, kind }) => kind !== 'region' && active.includes(id))
  return (
    <Paper withBorder p="lg">
      <Title order={2} size="h4" mb="xs">
        {t.states}
      </Title>
      <DescriptionList rows={activeStates.map(({ id, description }) => [id, description] as const)} />
      {live && data && (
        <>
          <Title order={2} size="h4" mt="md" mb="xs">
            {t.waits}
          </Title>
          <DescriptionList
            rows={[
              ...data.next.map(({ at, what }) => [what, <RelativeTime key={what} at={at} />] as const),
              ...data.wouldChange.map(({ effect, state }) => [effect, texts.states[state]] as const),
            ]}
          />
        </>
      )}
    </Paper>
  )
}
