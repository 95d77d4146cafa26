import { REGIONS, type Region } from './chart/inside-parts.ts'
import { changeLocation } from './inspector-location.ts'
import { getTopName } from './names.ts'
import { texts } from './texts.ts'
import { getTone } from './tones.ts'
import { type Position, usePosition } from './use-position.ts'

const ORDER: readonly Region[] = ['registration', 'license', 'reservation', 'connection']

/** Returns the name of a region's active top state, and its color. */
export function describeRegion(region: Region, position: Position): { name: string; tone: string } {
  const [top = ''] = position.paths[region].split('.')
  const name = getTopName(region, top)
  return { name, tone: region === 'license' ? 'license' : getTone(region, top) }
}

/** Returns the place that shows a region: its inside, or its column beside the inside of the license state. */
function findPlace(region: Region, { paths, state }: Position) {
  const top = `${region}.${paths[region].split('.')[0] ?? ''}`
  return region === 'license' || region === 'registration'
    ? { open: top, state: null }
    : { open: `license.${state}`, state: top }
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
                changeLocation({ view: 'chart', line: null, ...findPlace(region, position) })
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
