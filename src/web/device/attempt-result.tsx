import { When } from '../shared/relative-time.tsx'
import type { Status } from './queries.ts'
import { texts } from './texts.ts'

/** How an attempt ended, and when. */
export function Outcome({ outcome }: { outcome: NonNullable<Status['registration']['lastRenewal']> }) {
  return (
    <>
      {outcome.outcome === 'succeeded' ? texts.status.succeeded : texts.status.failed},{' '}
      <When at={outcome.at} />
      {outcome.reason === null ? '' : `: ${outcome.reason.message}`}
    </>
  )
}
