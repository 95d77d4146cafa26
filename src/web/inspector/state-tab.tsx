import { lazy, Suspense } from 'react'
import { describeActive } from './chart/chart.tsx'
import { listExits } from './chart/moves.ts'
import { formatExact } from './format-time.ts'
import { machineDrawing } from './machine-drawing.ts'
import { capitalize, ComesNext, LeadsOut } from './panel/sections.tsx'
import { RegionChips, OTHER_REGIONS } from './region-chips.tsx'
import { useExplanation, useStatus } from './source-context.tsx'
import { StateIcon } from './state-style.tsx'
import { texts } from './texts.ts'
import { usePosition } from './use-position.ts'

const t = texts.panel
const MAX_NEXT = 3
const HistoryStrip = lazy(async () => ({ default: (await import('./history-strip.tsx')).HistoryStrip }))

/** First view on a phone: the state in words, what comes next, and what leads out. */
export function StateTab() {
  const position = usePosition()
  const { data: explanation } = useExplanation()
  const { data: status } = useStatus()
  if (!position) return null
  const { state } = position
  const exits = listExits(machineDrawing, state, explanation ?? null).filter(
    ({ possible }) => possible.length > 0,
  )
  const isFull = explanation?.capabilities.functionality !== 'license-management-only'
  const [, ...details] = describeActive(position, status)
  return (
    <div className="ins-state-tab">
      <header className="ins-state-hero" data-license-state={state}>
        <h2>
          <StateIcon state={state} size={26} /> {texts.states[state]}
        </h2>
        <p>{capitalize(machineDrawing.states[`license.${state}`]?.description ?? '')}.</p>
        <p>
          <strong>
            {texts.chart.since(formatExact(position.since))}
            {details.map((detail) => ` · ${detail}`)}
          </strong>
        </p>
      </header>
      <div className="ins-tiles">
        <RegionChips regions={OTHER_REGIONS} />
        <div className="ins-chip" data-tone={isFull ? 'ok' : 'error'}>
          <span className="ins-dot" />
          <span className="ins-chip-region">{t.productMay}</span>
          <strong>{isFull ? t.everything : t.limitedShort}</strong>
        </div>
      </div>
      <div className="ins-card">
        <ComesNext next={(explanation?.next ?? []).slice(0, MAX_NEXT)} />
      </div>
      <div className="ins-card">
        <LeadsOut exits={exits} isShort />
      </div>
      <div className="ins-card">
        <Suspense fallback={null}>
          <HistoryStrip isCompact />
        </Suspense>
      </div>
    </div>
  )
}
