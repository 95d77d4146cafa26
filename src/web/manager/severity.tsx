import { Badge } from '@mantine/core'
import { texts } from './texts.ts'

const COLORS = { major: 'red', minor: 'orange', informational: 'blue', info: 'gray' } as const

export function Severity({ severity }: { severity: keyof typeof COLORS }) {
  return (
    <Badge color={COLORS[severity]} variant={severity === 'major' ? 'filled' : 'light'} autoContrast>
      {texts.severities[severity]}
    </Badge>
  )
}

const COMPLIANCE = { 'in-compliance': 'green', 'out-of-compliance': 'orange', reserved: 'teal' } as const

export function Compliance({ status }: { status: keyof typeof COMPLIANCE }) {
  return (
    <Badge
      color={COMPLIANCE[status]}
      variant={status === 'out-of-compliance' ? 'filled' : 'light'}
      autoContrast
    >
      {texts.compliance[status]}
    </Badge>
  )
}
