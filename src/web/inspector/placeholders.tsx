import { Text } from '@mantine/core'
import { texts } from './texts.ts'

/** Stands in for a view that is not built yet. */
export function Placeholder() {
  return (
    <Text p="md" size="sm">
      {texts.soon}
    </Text>
  )
}
