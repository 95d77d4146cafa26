import { RelativeTime } from '../shared/relative-time.tsx'
import type { Status } from './queries.ts'
import { texts } from './texts.ts'

/** Shows the outcome and the time of an attempt. */
export function AttemptResult({ outcome }: { outcome: NonNullable<Status['registration']['lastRenewal']> }) {
  return (
    <>
      {outcome.outcome === 'succeeded' ? texts.status.succeeded : texts.status.failed},{' '}
      <RelativeTime at={outcome.at} />
      {outcome.reason === null ? '' : `: ${outcome.reason.message}`}
    </>
  )
}
