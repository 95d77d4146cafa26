import type { Point } from '../../../diagrams/overview.ts'

const RADIUS = 9
const ARROW_LENGTH = 9.5
const ARROW_WIDTH = 8

const getDistance = ([ax, ay]: Point, [bx, by]: Point): number => Math.hypot(bx - ax, by - ay)

/** Returns the point at a distance from `from` towards `to`. */
function moveTowards(from: Point, to: Point, distance: number): Point {
  const length = getDistance(from, to)
  if (length === 0) return from
  const share = distance / length
  return [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share]
}

const formatPoint = ([x, y]: Point): string => `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`

/** Formats a polyline as an SVG path with round bends. An arrow shortens its end. */
export function formatPath(points: readonly Point[], hasArrow: boolean): string {
  const [first] = points
  const last = points.at(-1)
  const beforeLast = points.at(-2)
  if (!first || !last || !beforeLast) return ''
  const end = hasArrow ? moveTowards(last, beforeLast, ARROW_LENGTH - 2) : last
  const bends = points.slice(1, -1).map((bend, i) => {
    const previous = points[i] ?? bend
    const next = i + 2 === points.length - 1 ? end : (points[i + 2] ?? bend)
    const radius = Math.min(RADIUS, getDistance(previous, bend) / 2, getDistance(bend, next) / 2)
    return `L${formatPoint(moveTowards(bend, previous, radius))}Q${formatPoint(bend)} ${formatPoint(moveTowards(bend, next, radius))}`
  })
  return `M${formatPoint(first)}${bends.join('')}L${formatPoint(end)}`
}

/** Formats the arrow head at the end of a polyline as SVG points. */
export function formatArrow(points: readonly Point[], scale = 1): string {
  const tip = points.at(-1)
  const before = points.at(-2)
  if (!tip || !before) return ''
  const base = moveTowards(tip, before, ARROW_LENGTH * scale)
  const length = getDistance(base, tip) || 1
  const [dx, dy] = [(tip[0] - base[0]) / length, (tip[1] - base[1]) / length]
  const half = (ARROW_WIDTH * scale) / 2
  return [tip, [base[0] - dy * half, base[1] + dx * half], [base[0] + dy * half, base[1] - dx * half]]
    .map(([x = 0, y = 0]) => formatPoint([x, y]))
    .join(',')
}
