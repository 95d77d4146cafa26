import { HistoryBand } from './history-band.tsx'
import { changeLocation } from './inspector-location.ts'
import { useStateChanges } from './source-context.tsx'
import { texts } from './texts.ts'

const t = texts.strip

/** Strip below the chart: the license states since the installation. A click opens time travel there. */
export function HistoryStrip({ isCompact = false }: { isCompact?: boolean }) {
  const { data } = useStateChanges()
  const show = (at: number) => {
    const change = data?.changes.findLast((row) => Date.parse(row.at) <= at)
    changeLocation({ view: 'time-travel', at: change?.id ?? null })
  }
  return (
    <section className="ins-strip" aria-label={t.title}>
      {!isCompact && (
        <div className="ins-strip-head">
          <strong>{t.title}</strong>
          {data && <span className="ins-dim">{t.counts(data.changes.length, data.events)}</span>}
          <button
            type="button"
            className="ins-link"
            onClick={() => {
              changeLocation({ view: 'time-travel' })
            }}
          >
            {t.open}
          </button>
        </div>
      )}
      <HistoryBand onSelect={show} />
    </section>
  )
}
