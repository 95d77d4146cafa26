import type { Viewport } from '@xyflow/react'
import type { Box, Point } from '../../../diagrams/overview.ts'

export interface Size {
  readonly width: number
  readonly height: number
}

/** Zoom below which the first view does not go, so that no text is smaller than 12 px. */
export const MIN_FIRST_ZOOM = 0.96
/** Zoom below which labels and second lines are hidden. */
export const MIN_LABEL_ZOOM = 0.8
export const MIN_ZOOM = 0.3
export const MAX_ZOOM = 2.5
const MAX_FIT_ZOOM = 1.6
const MAX_WIDTH_ZOOM = 1.1
const MARGIN = 10

/** Returns an offset along one axis: centered if the picture fits, else the wanted one, as far as its ends allow. */
function computeOffset(available: number, length: number, wanted: number): number {
  if (length + 2 * MARGIN <= available) return (available - length) / 2
  return Math.min(MARGIN, Math.max(available - length - MARGIN, wanted))
}

/**
 * Returns the viewport that shows a whole picture. A picture that would need a zoom below `minZoom` is shown in part,
 * from its left, with `focus` in the middle of the height. `bottom` is the height that other elements cover.
 */
export function fitPicture(
  picture: Size,
  canvas: Size,
  { minZoom, focus, bottom = 0 }: { minZoom: number; focus: Box | undefined; bottom?: number },
): Viewport {
  const fitWidth = (canvas.width - 2 * MARGIN) / picture.width
  const fit = Math.min(fitWidth, (canvas.height - bottom - 2 * MARGIN) / picture.height)
  // A picture that is too high still uses the whole width.
  const zoom =
    fit < minZoom ? Math.min(MAX_WIDTH_ZOOM, Math.max(minZoom, fitWidth)) : Math.min(MAX_FIT_ZOOM, fit)
  const { x = 0, y = 0, width = 0, height = 0 } = focus ?? {}
  const free = canvas.height - bottom
  return {
    zoom,
    x: computeOffset(canvas.width, picture.width * zoom, canvas.width - MARGIN - (x + width) * zoom),
    y: computeOffset(free, picture.height * zoom, free / 2 - (y + height / 2) * zoom),
  }
}

/** Returns the viewport, moved as little as needed to show a box. Null if the box is visible already. */
export function revealBox(box: Box, viewport: Viewport, canvas: Size): Viewport | null {
  const move = (offset: number, from: number, length: number, available: number): number => {
    const start = offset + from * viewport.zoom
    const end = start + length * viewport.zoom
    if (start < MARGIN) return offset + MARGIN - start
    return end > available - MARGIN ? offset - (end - available + MARGIN) : offset
  }
  const x = move(viewport.x, box.x, box.width, canvas.width)
  const y = move(viewport.y, box.y, box.height, canvas.height)
  return x === viewport.x && y === viewport.y ? null : { ...viewport, x, y }
}

const DIRECTIONS: Readonly<Record<string, Point>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

/** Returns the state that is nearest in a direction. Null if there is none. */
export function findNearest<T extends Box>(from: Box, boxes: readonly T[], key: string): T | null {
  const [dx, dy] = DIRECTIONS[key] ?? [0, 0]
  const rate = (box: Box): number => {
    const x = box.x + box.width / 2 - from.x - from.width / 2
    const y = box.y + box.height / 2 - from.y - from.height / 2
    const along = x * dx + y * dy
    const across = Math.abs(x * dy) + Math.abs(y * dx)
    return along <= 4 ? Infinity : along + 2 * across
  }
  const rated = boxes.map((box) => ({ box, rating: rate(box) })).filter(({ rating }) => rating < Infinity)
  return rated.toSorted((a, b) => a.rating - b.rating)[0]?.box ?? null
}
