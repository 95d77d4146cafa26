import { Skeleton, Stack, VisuallyHidden } from '@mantine/core'
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { FailureAlert } from './failure.tsx'
import { texts } from './texts.ts'

/** Renders the data of a query, a skeleton while it loads, or its error. */
export function QueryBoundary<T>({
  query,
  children,
}: {
  query: UseQueryResult<T>
  children: (data: T) => ReactNode
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>
  if (query.error) return <FailureAlert failure={query.error} />
  return (
    <Stack gap="xs" aria-busy="true">
      <VisuallyHidden role="status">{texts.loading}</VisuallyHidden>
      <Skeleton h={20} w="60%" />
      <Skeleton h={20} />
      <Skeleton h={20} w="80%" />
    </Stack>
  )
}
