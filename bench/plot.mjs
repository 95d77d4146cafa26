// Draws the requests after an outage as an SVG chart, with their mean and the capacity of the authority.
const WIDTH = 900
const HEIGHT = 360
const LEFT = 64
const RIGHT = 24
const TOP = 56
const BOTTOM = 48
const MINUTE = 60

/** Returns the next round number that is not below `number`. */
function roundUp(number) {
  const size = 10 ** Math.floor(Math.log10(number))
  return [1, 2, 2.5, 5, 10].map((step) => step * size).find((round) => round >= number)
}

/**
 * Draws the chart.
 *
 * @param arrivals number of requests in each second
 * @param capacity number of requests that the authority answers per second
 */
export function drawArrivals(arrivals, { title, capacity }) {
  const minutes = Math.ceil(arrivals.length / MINUTE)
  const perMinute = Array.from({ length: minutes }, (_, minute) => {
    const seconds = arrivals.slice(minute * MINUTE, (minute + 1) * MINUTE)
    return seconds.reduce((sum, count) => sum + count, 0) / seconds.length
  })
  const busiest = Array.from({ length: minutes }, (_, minute) =>
    Math.max(...arrivals.slice(minute * MINUTE, (minute + 1) * MINUTE)),
  )
  const mean = arrivals.reduce((sum, count) => sum + count, 0) / arrivals.length
  const max = roundUp(Math.max(...busiest))
  const x = (minute) => LEFT + (minute / minutes) * (WIDTH - LEFT - RIGHT)
  const y = (rate) => HEIGHT - BOTTOM - (rate / max) * (HEIGHT - TOP - BOTTOM)
  const line = (rates) =>
    rates.map((rate, minute) => `${x(minute + 0.5).toFixed(1)},${y(rate).toFixed(1)}`).join(' ')
  const hours = Array.from({ length: Math.floor(minutes / 30) + 1 }, (_, half) => half / 2)
  const steps = [0, 0.25, 0.5, 0.75, 1].map((part) => part * max)
  return `<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" aria-labelledby="plot-title plot-desc">
<title id="plot-title">${title}</title>
<desc id="plot-desc">Requests per second since the authority came back: ${mean.toFixed(1)} on average, ${Math.max(...arrivals)} in the busiest second, none after ${(arrivals.length / 3600).toFixed(2)} hours.</desc>
<style>.plot { --page: #ffffff; --text: #16202e; --quiet: #55637a; --grid: #dde3ea; --line: #0b6bcb; --most: #b9d7f5; --mean: #b84a00;
font-family: "Inter", "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { .plot { --page: #12161d; --text: #e8edf4; --quiet: #a3b0c2; --grid: #2a3442; --line: #63b3ff; --most: #2d5078; --mean: #ffa057; } }
.page { fill: var(--page); } .title { fill: var(--text); font-size: 15px; font-weight: 600; } .label { fill: var(--quiet); font-size: 12px; }
.grid { stroke: var(--grid); } .line { fill: none; stroke: var(--line); stroke-width: 2; } .most { fill: none; stroke: var(--most); stroke-width: 1.5; }
.mean { stroke: var(--mean); stroke-width: 1.5; stroke-dasharray: 6 4; } .of-mean { fill: var(--mean); font-size: 12px; }</style>
<rect class="page" width="${WIDTH}" height="${HEIGHT}"/>
<text class="title" x="${LEFT}" y="24">${title}</text>
<text class="label" x="${LEFT}" y="43">requests per second: mean and busiest second of each minute; capacity of the authority: ${Math.round(capacity)}</text>
${steps.map((rate) => `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(rate)}" y2="${y(rate)}"/><text class="label" x="${LEFT - 8}" y="${y(rate) + 4}" text-anchor="end">${rate}</text>`).join('\n')}
${hours.map((hour) => `<text class="label" x="${x(hour * 60).toFixed(1)}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${hour === 0 ? 'back' : `${hour} h`}</text>`).join('\n')}
<polyline class="most" points="${line(busiest)}"/>
<polyline class="line" points="${line(perMinute)}"/>
<line class="mean" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(mean).toFixed(1)}" y2="${y(mean).toFixed(1)}"/>
<text class="of-mean" x="${WIDTH - RIGHT}" y="${(y(mean) - 6).toFixed(1)}" text-anchor="end">mean ${mean.toFixed(1)}</text>
</svg>
`
}
