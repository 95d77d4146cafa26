/** Writes what the chart shows as an SVG image: boxes, lines and texts where the browser has drawn them, in its colors. */

const NAMESPACE = 'http://www.w3.org/2000/svg'
const DRAWN = 'path, polygon, rect, line, circle, text'
const PAINT = [
  'fill',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-linecap',
  'stroke-linejoin',
  'opacity',
]

function createElement(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS(NAMESPACE, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value))
  return element
}

const isTransparent = (color: string): boolean => color === 'transparent' || /,\s*0\)$|\/\s*0\)$/.test(color)

/** Returns true if nothing of the element can be seen, such as words for screen readers. */
function isHidden(element: Element): boolean {
  const { visibility, display, opacity } = getComputedStyle(element)
  const { width, height } = element.getBoundingClientRect()
  return visibility === 'hidden' || display === 'none' || opacity === '0' || width < 2 || height < 2
}

/** Converts the background and border of an HTML element. Null if it has neither. */
function toBox(element: Element, zoom: number, origin: DOMRect): SVGElement | null {
  const style = getComputedStyle(element)
  const { left, top, width, height } = element.getBoundingClientRect()
  const border = style.borderTopStyle === 'none' ? 0 : parseFloat(style.borderTopWidth) * zoom
  const hasBorder = border > 0 && !isTransparent(style.borderTopColor)
  if (!hasBorder && isTransparent(style.backgroundColor)) return null
  return createElement('rect', {
    x: left - origin.left + border / 2,
    y: top - origin.top + border / 2,
    width: Math.max(0, width - border),
    height: Math.max(0, height - border),
    rx: Math.min(parseFloat(style.borderTopLeftRadius) * zoom || 0, height / 2),
    fill: isTransparent(style.backgroundColor) ? 'none' : style.backgroundColor,
    ...(hasBorder && { stroke: style.borderTopColor, 'stroke-width': border }),
    ...(hasBorder && style.borderTopStyle === 'dashed' && { 'stroke-dasharray': `${4 * zoom} ${3 * zoom}` }),
  })
}

/** Converts a text node, one element for each line on which the browser has set it. */
function toTexts(node: Text, zoom: number, origin: DOMRect): SVGElement[] {
  const { parentElement: parent } = node
  if (parent === null || node.data.trim() === '') return []
  const style = getComputedStyle(parent)
  const lines: { text: string; box: DOMRect; right: number }[] = []
  const range = document.createRange()
  for (const { index, 0: word } of node.data.matchAll(/\S+\s*/g)) {
    range.setStart(node, index)
    range.setEnd(node, index + word.trimEnd().length)
    const box = range.getBoundingClientRect()
    const line = lines.at(-1)
    if (line && Math.abs(line.box.top - box.top) < 2)
      Object.assign(line, { text: `${line.text} ${word.trim()}`, right: box.right })
    else lines.push({ text: word.trim(), box, right: box.right })
  }
  const size = parseFloat(style.fontSize) * zoom
  return lines.map(({ text, box, right }) => {
    const element = createElement('text', {
      x: box.left - origin.left,
      y: box.top - origin.top + box.height / 2 + size * 0.35,
      // Another program may not have the font: the line keeps its length.
      textLength: right - box.left,
      lengthAdjust: 'spacingAndGlyphs',
      fill: style.color,
      'font-family': style.fontFamily,
      'font-size': size,
      'font-weight': style.fontWeight,
    })
    element.textContent = text
    return element
  })
}

/** Copies a shape with its colors, and with its place on the screen. */
function toShape(shape: SVGGraphicsElement, origin: DOMRect): SVGElement[] {
  const matrix = shape.getScreenCTM()
  const style = getComputedStyle(shape)
  const isPainted = style.fill !== 'none' || style.stroke !== 'none'
  if (matrix === null || !isPainted || style.visibility === 'hidden' || style.display === 'none') return []
  const copy = shape.cloneNode(true) as SVGElement
  for (const name of [...copy.getAttributeNames()])
    if (name === 'class' || name.startsWith('data-') || name === 'style') copy.removeAttribute(name)
  for (const name of [
    ...PAINT,
    ...(shape.tagName === 'text' ? ['font-family', 'font-size', 'font-weight'] : []),
  ]) {
    const value = style.getPropertyValue(name)
    if (value !== '' && value !== 'normal') copy.setAttribute(name, value)
  }
  const { a, b, c, d, e, f } = matrix
  copy.setAttribute('transform', `matrix(${a} ${b} ${c} ${d} ${e - origin.left} ${f - origin.top})`)
  return [copy]
}

/** Converts an element and everything in it, in the order in which the browser draws it. */
function* convert(element: Element, zoom: number, origin: DOMRect): Generator<SVGElement> {
  if (element instanceof SVGElement) {
    for (const shape of element.querySelectorAll<SVGGraphicsElement>(DRAWN)) yield* toShape(shape, origin)
    return
  }
  const isWrapper = element.classList.contains('react-flow__nodes') || element.clientHeight === 0
  if (!isWrapper && isHidden(element)) return
  const box = isWrapper ? null : toBox(element, zoom, origin)
  if (box) yield box
  for (const child of element.childNodes) {
    if (child instanceof Text) yield* toTexts(child, zoom, origin)
    else if (child instanceof Element) yield* convert(child, zoom, origin)
  }
}

function findBackground(element: Element | null): string {
  if (element === null) return 'white'
  const { backgroundColor } = getComputedStyle(element)
  return isTransparent(backgroundColor) ? findBackground(element.parentElement) : backgroundColor
}

/** Returns the SVG image of the visible part of a chart. @param chart element with class `ins-flow` */
export function toSvgText(chart: HTMLElement): string {
  const origin = chart.getBoundingClientRect()
  const viewport = chart.querySelector('.react-flow__viewport')
  if (viewport === null) throw new Error('The chart is not drawn yet.')
  const zoom = new DOMMatrix(getComputedStyle(viewport).transform).a
  const { width, height } = origin
  const svg = createElement('svg', { width, height, viewBox: `0 0 ${width} ${height}` })
  svg.append(createElement('rect', { width, height, fill: findBackground(chart) }))
  // Frames and lines lie below the states, and labels above them.
  const portal = viewport.querySelector('.react-flow__viewport-portal')
  const [frames, lines, labels] = ['[data-layer=frames]', '.ins-lines', '[data-layer=labels]'].map((name) =>
    portal?.querySelector(name),
  )
  for (const layer of [frames, lines, viewport.querySelector('.react-flow__nodes'), labels])
    if (layer) svg.append(...convert(layer, zoom, origin))
  return new XMLSerializer().serializeToString(svg)
}
