import { Text, Title } from '@mantine/core'

/** Shows the heading of a page section with its description. */
export function Heading({ title, intro }: { title: string; intro?: string }) {
  return (
    <div style={{ maxWidth: '70ch' }}>
      <Title order={1} size="h2">
        {title}
      </Title>
      {intro !== undefined && (
        <Text c="dimmed" size="sm">
          {intro}
        </Text>
      )}
    </div>
  )
}
