import { Button, Menu } from '@mantine/core'
import type { ReactNode } from 'react'

/** Menu with the actions of one table row. */
export function RowActions({
  label,
  of: rowLabel,
  children,
}: {
  label: string
  of: string
  children: ReactNode
}) {
  return (
    <Menu>
      <Menu.Target>
        <Button size="xs" variant="default" aria-label={`${label}: ${rowLabel}`}>
          {label}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  )
}
