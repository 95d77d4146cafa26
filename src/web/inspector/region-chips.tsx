import { REGIONS, type Region } from './chart/inside-drawing.ts'
import { changeLocation } from './inspector-location.ts'
import { toLicenseState } from './state-style.tsx'
import { texts } from './texts.ts'
import { type Position, usePosition } from './use-position.ts'

/** Meaning of a state of another region by color. */
const TONES: Record<string, string> = {
  'registration.registered': 'ok',
  'registration.registering': 'info',
  'registration.deregistering': 'info',
  'reservation.requested': 'info',
  'reservation.installed': 'reserved',
  'reservation.returning': 'reserved',
  'connection.up': 'ok',
  'connection.down': 'error',
}
const ORDER: readonly Region[] = ['registration', 'license', 'reservation', 'connection']

/** Returns the name of a region's active top state, and its color. */
export function describeRegion(region: Region, position: Position): { name: string; tone: string } {
  const [top = ''] = position.paths[region].split('.')
  const license = region === 'license' ? toLicenseState(top) : null
  if (license) return { name: texts.states[license], tone: 'license' }
  const names: Record<string, string> = region === 'license' ? {} : texts.regionStates[region]
  return { name: names[top] ?? top, tone: TONES[`${region}.${top}`] ?? 'mute' }
}

/** Shows the active state of each region. A click opens the region in the chart. */
export function RegionChips({ regions = ORDER }: { regions?: readonly Region[] }) {
  const position = usePosition()
  if (!position) return null
  return (
    <ul className="ins-chips" aria-label={texts.chipsName}>
      {regions.map((region) => {
        const { name, tone } = describeRegion(region, position)
        return (
          <li key={region}>
            <button
              type="button"
              className="ins-chip"
              data-tone={tone}
              data-license-state={region === 'license' ? position.state : undefined}
              title={texts.openRegion(texts.regions[region])}
              onClick={() => {
                changeLocation({
                  view: 'chart',
                  open: region === 'license' ? `license.${position.state}` : region,
                  line: null,
                  state: null,
                })
              }}
            >
              <span className="ins-dot" />
              <span className="ins-chip-region">{texts.regions[region]}</span>
              <strong>{name}</strong>
            </button>
          </li>
        )
      })}
    </ul>
  )
}

/** Regions other than the license, in the order of the chips. */
export const OTHER_REGIONS = REGIONS.filter((region) => region !== 'license')
