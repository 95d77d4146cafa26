import { changeLocation, useInspectorLocation } from '../inspector-location.ts'
import { formatExact } from '../format-time.ts'
import { toLicenseState } from '../state-style.tsx'
import { texts } from '../texts.ts'
import { type Position, usePosition } from '../use-position.ts'
import { LinePanel, useLine } from './line-panel.tsx'
import { InnerStatePanel, LicenseStatePanel } from './state-panel.tsx'

const t = texts.panel

/** Details of the selection: a transition, a state, or the active state. */
export function Panel() {
  const position = usePosition()
  return (
    <aside className="ins-panel" aria-label={t.name}>
      {position && <PanelContent position={position} />}
    </aside>
  )
}

/** Note that the inspector shows a past position. */
function PastNote({ at }: { at: string }) {
  return (
    <p className="ins-past">
      {t.past(formatExact(at))}
      <button
        type="button"
        className="ins-link"
        onClick={() => {
          changeLocation({ at: null })
        }}
      >
        {t.backToNow}
      </button>
    </p>
  )
}

function PanelContent({ position }: { position: Position }) {
  const { line: selectedLine, state, open } = useInspectorLocation()
  const line = useLine(selectedLine)
  // An opened region has no details of its own: its active state has.
  const shown =
    state ?? (open?.startsWith('registration') ? `registration.${position.paths.registration}` : open)
  const [region, name = '', ...inner] = (shown ?? '').split('.')
  const licenseState = region === 'license' && inner.length === 0 ? toLicenseState(name) : null
  return (
    <>
      {!position.isNow && <PastNote at={position.at} />}
      {line ? (
        <LinePanel line={line} position={position} />
      ) : shown !== null && licenseState === null ? (
        <InnerStatePanel id={shown} position={position} />
      ) : (
        <LicenseStatePanel state={licenseState ?? position.state} position={position} />
      )}
    </>
  )
}
