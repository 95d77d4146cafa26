import { Table, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { texts } from './texts.ts'

export interface Column<T> {
  readonly title: string
  readonly cell: (row: T) => ReactNode
  /** True for right-aligned numbers. */
  readonly numeric?: boolean
}

/** Table that scrolls horizontally when it is wider than its container. */
export function DataTable<T>(props: {
  caption: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  getKey: (row: T, index: number) => string
  empty?: string
  minWidth?: number
}) {
  const { caption, columns, rows, getKey, empty = texts.empty, minWidth = 600 } = props
  if (rows.length === 0)
    return (
      <Text c="dimmed" size="sm" py="md">
        {empty}
      </Text>
    )
  return (
    <Table.ScrollContainer minWidth={minWidth} type="native" tabIndex={0} role="region" aria-label={caption}>
      <Table verticalSpacing="xs" highlightOnHover aria-label={caption}>
        <Table.Thead>
          <Table.Tr>
            {columns.map(({ title, numeric }) => (
              <Table.Th key={title} scope="col" ta={numeric ? 'right' : undefined}>
                {title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row, index) => (
            <Table.Tr key={getKey(row, index)}>
              {columns.map(({ title, cell, numeric }) => (
                <Table.Td
                  key={title}
                  ta={numeric ? 'right' : undefined}
                  style={{ overflowWrap: 'break-word', maxWidth: '28em' }}
                >
                  {cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}
