import { Group, Table, Text, VisuallyHidden } from '@mantine/core'

const WIDTH = 600
const HEIGHT = 120

/** Shows values as bars, and as a visually hidden table for screen readers. */
export function BarChart(props: {
  title: string
  labelTitle: string
  valueTitle: string
  bars: readonly { label: string; value: number }[]
}) {
  const { title, labelTitle, valueTitle, bars } = props
  const most = Math.max(1, ...bars.map(({ value }) => value))
  const width = WIDTH / Math.max(bars.length, 12)
  return (
    <figure style={{ margin: '0 0 16px' }}>
      <figcaption>
        <Group justify="space-between">
          <Text size="sm" fw={500}>
            {title}
          </Text>
          <Text size="xs" c="dimmed">
            {valueTitle}: {most}
          </Text>
        </Group>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT + 4}`}
        width="100%"
        aria-hidden="true"
        preserveAspectRatio="none"
        height={130}
      >
        {bars.map(({ label, value }, index) => {
          const height = (value / most) * HEIGHT
          return (
            <rect
              key={label}
              x={index * width + 1}
              y={HEIGHT - height}
              width={width - 2}
              height={Math.max(height, 1)}
              fill="var(--mantine-primary-color-filled)"
            >
              <title>{`${label}: ${value}`}</title>
            </rect>
          )
        })}
        <line
          x1={0}
          x2={WIDTH}
          y1={HEIGHT + 1}
          y2={HEIGHT + 1}
          stroke="var(--mantine-color-default-border)"
        />
      </svg>
      <Group justify="space-between" aria-hidden>
        <Text size="xs" c="dimmed">
          {bars[0]?.label}
        </Text>
        <Text size="xs" c="dimmed">
          {bars.length > 1 && bars.at(-1)?.label}
        </Text>
      </Group>
      <VisuallyHidden>
        <Table aria-label={title}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{labelTitle}</Table.Th>
              <Table.Th>{valueTitle}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {bars.map(({ label, value }) => (
              <Table.Tr key={label}>
                <Table.Td>{label}</Table.Td>
                <Table.Td>{value}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </VisuallyHidden>
    </figure>
  )
}
