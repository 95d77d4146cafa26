import { findChangeAt } from './fold-changes.ts'
import { BandLegend, HistoryBand } from '../history-band.tsx'
import { useSource } from '../source-context.tsx'
import { timeTexts } from '../time-texts.ts'
import { ChangeDetail } from './change-detail.tsx'
import { ChangeList } from './change-list.tsx'
import { EventList } from './event-list.tsx'
import '../views.css'
import './time-travel.css'
import { TimeSlider } from './time-slider.tsx'
import { TravelControls } from './travel-controls.tsx'
import { useTravelKeys } from './use-keys.ts'
import { usePlayer } from './use-player.ts'
import { usePosition } from './use-position.ts'

/** Shows the device at any point of its history, and how it came there. */
export function TimeTravel() {
  const position = usePosition()
  const player = usePlayer(position)
  const { kind } = useSource()
  useTravelKeys(position.move, player.toggle)
  const selectAt = (at: number) => {
    const change = findChangeAt(position.changes, at)
    if (change) position.select(change.id)
  }
  return (
    <div className="ins-travel">
      <div className="ins-travel-head">
        <TravelControls position={position} player={player} />
        <HistoryBand size="large" onSelect={selectAt}>
          {(band) => <TimeSlider band={band} position={position} onSelect={selectAt} />}
        </HistoryBand>
        <BandLegend />
      </div>
      <div className="ins-travel-body">
        {position.mode === 'changes' ? <ChangeList position={position} /> : <EventList position={position} />}
        {position.id === 0 ? (
          <p className="ins-travel-empty">{timeTexts.travel.none}</p>
        ) : (
          <ChangeDetail key={kind} id={position.id} changes={position.changes} />
        )}
      </div>
    </div>
  )
}
