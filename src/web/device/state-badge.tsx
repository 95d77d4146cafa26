import { Badge } from '@mantine/core'
import type { Status } from './queries.ts'
import { texts } from './texts.ts'

const COLORS: Record<Status['state'], string> = {
  evaluation: 'blue',
  unregistered: 'red',
  registered: 'cyan',
  authorized: 'green',
  'out-of-compliance': 'orange',
  'auth-expired': 'red',
  reserved: 'teal',
}

export function StateBadge({ state, size = 'lg' }: { state: Status['state']; size?: 'md' | 'lg' | 'xl' }) {
  return (
    <Badge color={COLORS[state]} size={size} radius="sm" variant="filled" autoContrast data-state={state}>
      {texts.states[state]}
    </Badge>
  )
}
