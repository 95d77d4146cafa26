import { Button } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { IconBug, IconCheck } from '@tabler/icons-react'
import { toTransitionTest } from '../../../inspection/transition-test.ts'
import { useHistory, useSnapshot } from '../source-context.tsx'
import type { Snapshot, Transition } from '../source.ts'
import { timeTexts } from '../time-texts.ts'

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
      leftSection={copied ? <IconCheck size={16} aria-hidden="true" /> : <IconBug size={16} aria-hidden="true" />}
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

/** Writes the test of a row. The history holds neither codes nor the evaluation time that a tick used. */
export function createTest(row: Transition, before: Snapshot, after: Snapshot): string {
  const used =
    before.snapshot.context.evaluation.remainingSeconds - after.snapshot.context.evaluation.remainingSeconds
  const omitted: Readonly<Record<string, object>> = {
    'clock.tick': { used: Math.max(0, used) },
    'reservation.request': { requestCode: '' },
    'reservation.return-code': { returnCode: '' },
  }
  return toTransitionTest({
    snapshot: before.snapshot,
    event: { type: row.event, at: Date.parse(row.at), ...row.payload, ...omitted[row.event] },
    after: row.after,
    notices: row.notices.map(({ notice }) => notice),
  })
}
