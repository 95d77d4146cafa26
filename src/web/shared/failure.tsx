import { Alert, Code, Group, Text } from '@mantine/core'
import { toFailure } from './api.ts'
import { texts } from './texts.ts'

/** Scrolls an error into view, because it may be outside a small screen. */
const scrollIntoView = (alert: HTMLElement | null): void => {
  alert?.scrollIntoView({ block: 'nearest' })
}

/**
 * Shows an error with its remedy as an alert, which screen readers announce. Errors of the given fields are shown at the field
 * instead.
 */
export function FailureAlert(props: { failure: unknown; title?: string; fields?: readonly string[] }) {
  const { failure, title, fields = [] } = props
  if (failure === null || failure === undefined) return null
  const { code, message, remedy, field } = toFailure(failure)
  if (field !== null && fields.includes(field)) return null
  return (
    <Alert ref={scrollIntoView} color="red" title={title ?? texts.failed} role="alert" variant="light">
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

/** Returns the error message of a field. */
export const getFieldError = (failure: unknown, field: string): string | undefined => {
  if (failure === null || failure === undefined) return undefined
  const known = toFailure(failure)
  if (known.field !== field) return undefined
  const words = known.message.startsWith(`${field}: `) ? known.message.slice(field.length + 2) : known.message
  return words.replace(/^./, (first) => first.toUpperCase())
}
