import { useStatus } from './source-context.tsx'
import { StateBadge } from './state-style.tsx'
import { texts } from './texts.ts'

/** Shows the real state beside a view in which nothing is real. */
export function RealState() {
  const status = useStatus().data
  if (!status) return null
  return (
    <p className="ins-chips">
      <span className="ins-dim">{texts.realState}</span>
      <StateBadge state={status.state} />
    </p>
  )
}
