import { findLines, LINE_IDS, WIDE_MAP } from '../../../diagrams/overview.ts'
import type { LicenseState } from '../source.ts'
import { LICENSE_STATES, StateIcon } from '../state-style.tsx'

const { width, height, states, frames, lines } = WIDE_MAP
const toPercent = (part: number, whole: number): string => `${(part / whole) * 100}%`

/** Small map of the license states without text: where the device came from, and where it is. */
export function MiniMap({ from, to }: { from: LicenseState; to: LicenseState }) {
  const taken = from === to ? [] : findLines(from, to)
  return (
    <div className="ins-mini" aria-hidden="true">
      <svg viewBox={`-4 -4 ${width + 8} ${height + 8}`}>
        {frames.map((frame) => (
          <rect key={frame.title} x={frame.x} y={frame.y} width={frame.width} height={frame.height} rx={16} />
        ))}
        {LINE_IDS.map((id) => (
          <polyline key={id} points={lines[id].map((point) => point.join(',')).join(' ')} />
        ))}
        {taken.map((id) => (
          <polyline
            key={`taken ${id}`}
            data-license-state={to}
            points={lines[id].map((point) => point.join(',')).join(' ')}
          />
        ))}
      </svg>
      {LICENSE_STATES.map((state) => {
        const box = states[state]
        return (
          <span
            key={state}
            data-license-state={state}
            data-role={state === to ? 'to' : state === from ? 'from' : undefined}
            style={{
              left: toPercent(box.x + 4, width + 8),
              top: toPercent(box.y + 4, height + 8),
              width: toPercent(box.width, width + 8),
              height: toPercent(box.height, height + 8),
            }}
          >
            <StateIcon state={state} size={10} />
          </span>
        )
      })}
    </div>
  )
}
