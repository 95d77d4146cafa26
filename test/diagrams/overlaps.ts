import type { Box, Point } from '../../src/diagrams/overview.ts'
import { measureText } from '../../src/diagrams/text-width.ts'

// Finds labels of a drawing that hide something, from its stored coordinates.

export interface Picture {
  readonly boxes: Readonly<Record<string, Box>>
  readonly lines: Readonly<Record<string, readonly Point[]>>
  readonly labels: readonly {
    readonly lines: readonly string[]
    readonly at: Point
    readonly text: readonly string[]
  }[]
}

const FONT_SIZE = 12.5
const LINE_HEIGHT = 16
/** Distance within which a label belongs to its line. */
const NEAR_PX = 26

/** Returns the box of a label, with the weight that it has when it is highlighted. */
function getLabelBox({ at, text }: Picture['labels'][number]): Box {
  const width = Math.max(...text.map((line) => measureText(line, FONT_SIZE, 600)))
  const height = text.length * LINE_HEIGHT
  return { x: at[0] - width / 2, y: at[1] - height / 2, width, height }
}

const doOverlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height

/** Returns the boxes of a line's segments. */
const toSegments = (points: readonly Point[]): Box[] =>
  points.slice(1).map(([x, y], i) => {
    const [px, py] = points[i] ?? [x, y]
    return { x: Math.min(x, px), y: Math.min(y, py), width: Math.abs(x - px), height: Math.abs(y - py) }
  })
const grow = (box: Box, by: number): Box => ({
  x: box.x - by,
  y: box.y - by,
  width: box.width + 2 * by,
  height: box.height + 2 * by,
})
const crosses = (box: Box, points: readonly Point[]): boolean =>
  toSegments(points).some((segment) => doOverlap(box, grow(segment, 0.5)))

/** Returns true if two lines share a segment near a point, such as the trunk of two lines with one cause. */
const sharesTrunk = (a: readonly Point[], b: readonly Point[], box: Box): boolean =>
  toSegments(a).some((one) =>
    toSegments(b).some(
      (other) =>
        doOverlap(grow(one, 0.5), grow(other, 0.5)) &&
        doOverlap(box, grow(one, 0.5)) &&
        doOverlap(box, grow(other, 0.5)) &&
        (one.width === 0) === (other.width === 0),
    ),
  )

/** Lists what the labels hide, and labels that are far from their own line. */
export function findOverlaps({ boxes, lines, labels }: Picture): string[] {
  const drawn = labels.map((label) => ({ ...label, name: label.text.join(' '), box: getLabelBox(label) }))
  return drawn.flatMap(({ name, box, lines: own }, i) => [
    ...drawn
      .slice(i + 1)
      .filter((other) => doOverlap(box, other.box))
      .map((other) => `${name} / ${other.name}`),
    ...Object.entries(boxes)
      .filter(([, state]) => doOverlap(box, state))
      .map(([state]) => `${name} / state ${state}`),
    ...Object.entries(lines)
      .filter(
        ([id, points]) =>
          !own.includes(id) &&
          crosses(box, points) &&
          !own.some((mine) => sharesTrunk(lines[mine] ?? [], points, box)),
      )
      .map(([id]) => `${name} / line ${id}`),
    ...(own.some((id) => crosses(grow(box, NEAR_PX), lines[id] ?? [])) ? [] : [`${name} is off its line`]),
  ])
}
