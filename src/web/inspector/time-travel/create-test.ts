import { toTransitionTest } from '../../../inspection/transition-test.ts'
import type { Snapshot, Transition } from '../source.ts'

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
