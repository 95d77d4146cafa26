import { Button } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { IconBug, IconCheck } from '@tabler/icons-react'
import { useHistory, useSnapshot } from '../source-context.tsx'
import { timeTexts } from '../time-texts.ts'
import { createTest } from './create-test.ts'

const t = timeTexts.travel

/** Events whose codes and files the history does not hold. */
const INCOMPLETE = ['reservation.install', 'reservation.update', 'reservation.discard']

/** Copies a test that repeats the selected transition on the machine. */
export function CopyTestButton({ id }: { id: number }) {
  const { copied, copy } = useClipboard({ timeout: 2000 })
  const row = useHistory({ before: id + 1, limit: 1 }, id > 0).data?.history.at(-1)
  const before = useSnapshot(Math.max(id - 1, 0), id > 1).data
  const after = useSnapshot(id, id > 0).data
  const test = row?.id === id && before && after && id > 1 ? createTest(row, before, after) : null
  const isIncomplete = row !== undefined && INCOMPLETE.includes(row.event)
  return (
    <Button
      variant="default"
      h={32}
      px={12}
      leftSection={
        copied ? <IconCheck size={16} aria-hidden="true" /> : <IconBug size={16} aria-hidden="true" />
      }
      disabled={test === null || isIncomplete}
      title={isIncomplete ? t.noCopy : undefined}
      onClick={() => {
        if (test !== null) copy(test)
      }}
    >
      {copied ? t.copied : t.copy}
    </Button>
  )
}
