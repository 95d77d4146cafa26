import { Alert, Group, Paper, Stack, Text, Timeline, Title } from '@mantine/core'
import { RelativeTime } from '../shared/relative-time.tsx'
import { useExplanation, type Status } from './queries.ts'
import { StateBadge } from './state-badge.tsx'
import { texts } from './texts.ts'

const t = texts.summary
const DAY = 86_400

function formatEvaluation({ running, expired, remainingSeconds }: Status['evaluation']): string {
  if (expired) return t.evaluationOver
  const days = Math.ceil(remainingSeconds / DAY)
  return running ? t.evaluation(days) : t.evaluationStopped(days)
}

const capitalize = (words: string): string => words.replace(/^./, (first) => first.toUpperCase())

/** Shows the license state, the functionality and the next automatic actions. */
export function StatusSummary({ status }: { status: Status }) {
  const { data } = useExplanation()
  return (
    <Paper withBorder p="lg">
      <Group align="flex-start" gap="xl" grow preventGrowOverflow={false} wrap="wrap">
        <Stack gap="xs" miw={260} flex="1 1 320px">
          <Group gap="sm">
            <StateBadge state={status.state} size="xl" />
          </Group>
          <Text fw={600}>{status.functionality === 'full' ? t.full : t.limited}</Text>
          {status.functionalityReason !== null && <Text size="sm">{status.functionalityReason}</Text>}
          <Text size="sm" c="dimmed">
            {formatEvaluation(status.evaluation)}
          </Text>
          {data?.cause && (
            <Text size="sm" c="dimmed">
              {data.cause.fact ?? data.cause.label} (<RelativeTime at={data.cause.at} />)
            </Text>
          )}
        </Stack>
        <div style={{ flex: '1 1 320px', minWidth: 260 }}>
          <Title order={2} size="h5" mb="sm">
            {t.next}
          </Title>
          {data?.next.length === 0 && (
            <Text size="sm" c="dimmed">
              {t.nothingNext}
            </Text>
          )}
          {(data?.next.length ?? 0) > 0 && (
            <Timeline bulletSize={14} lineWidth={2} active={-1}>
              {data?.next.map(({ at, what }) => (
                <Timeline.Item
                  key={`${at} ${what}`}
                  title={capitalize(what)}
                  fz="sm"
                  lh={1.4}
                  styles={{ itemTitle: { lineHeight: 1.35 } }}
                >
                  <Text size="xs" c="dimmed">
                    <RelativeTime at={at} /> · <RelativeTime at={at} exactly />
                  </Text>
                </Timeline.Item>
              ))}
            </Timeline>
          )}
        </div>
      </Group>
      {data && data.problems.length > 0 && (
        <Stack mt="md" gap="xs">
          {data.problems.map(({ code, message, remedy }) => (
            <Alert key={code} color="orange" title={t.trouble} data-code={code}>
              <Text size="sm">{message}</Text>
              <Text size="sm" fw={500}>
                {remedy}
              </Text>
            </Alert>
          ))}
        </Stack>
      )}
    </Paper>
  )
}
