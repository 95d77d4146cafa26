import { Alert, Code, Group, Text } from '@mantine/core'
import { failureOf } from './api.ts'
import { texts } from './texts.ts'

/** What went wrong, why, and what to do: heard by a screen reader when it appears. */
export function FailureAlert({ failure, title }: { failure: unknown; title?: string }) {
  if (failure === null || failure === undefined) return null
  const { code, message, remedy } = failureOf(failure)
  return (
    <Alert color="red" title={title ?? texts.failed} role="alert" variant="light">
      <Text size="sm">{message}</Text>
      {remedy !== '' && (
        <Text size="sm" fw={500} mt={4}>
          {remedy}
        </Text>
      )}
      <Group mt={4}>
        <Code>{code}</Code>
      </Group>
    </Alert>
  )
}

/** What is wrong with a field, for beside the field. */
export const fieldError = (failure: unknown, field: string): string | undefined => {
  if (failure === null || failure === undefined) return undefined
  const known = failureOf(failure)
  return known.field === field ? known.message : undefined
}
