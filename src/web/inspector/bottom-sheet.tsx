import { type ReactNode, useEffect, useState } from 'react'
import { formatDayTime } from './format-time.ts'
import { useInspectorLocation } from './inspector-location.ts'
import { StateIcon } from './state-style.tsx'
import { texts } from './texts.ts'
import { usePosition } from './use-position.ts'

/** Sheet at the bottom of a phone's chart. Its handle has the active state, and shows or hides the details. */
export function BottomSheet({ children }: { children: ReactNode }) {
  const position = usePosition()
  const { line, state } = useInspectorLocation()
  const [isOpen, setIsOpen] = useState(false)
  useEffect(() => {
    if (line !== null || state !== null) setIsOpen(true)
  }, [line, state])
  if (!position) return null
  return (
    <div className="ins-sheet" data-open={isOpen || undefined}>
      <button
        type="button"
        className="ins-sheet-handle"
        aria-expanded={isOpen}
        onClick={() => {
          setIsOpen(!isOpen)
        }}
      >
        <span className="ins-sheet-grip" />
        <span className="ins-sheet-name" data-license-state={position.state}>
          <StateIcon state={position.state} size={20} />
          <strong>{texts.states[position.state]}</strong>
        </span>
        <span className="ins-dim">{texts.chart.since(formatDayTime(position.since))}</span>
      </button>
      {isOpen && children}
    </div>
  )
}
