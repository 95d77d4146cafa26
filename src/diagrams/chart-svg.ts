import type { ChartEdge, ChartLayout, ChartNode, ChartPoint } from './chart-layout.ts'
import { formatCause } from './format-causes.ts'

export interface ChartSvgOptions {
  /** Ids of the active states to highlight, from `findActiveNodes`. */
  readonly active?: readonly string[]
  /** Ids of the traversed edges to highlight, from `findTraversedEdges`. */
  readonly traversed?: readonly string[]
  /** True to embed the styles, for a file or an `<img>`. */
  readonly standalone: boolean
  /** Region to show. Default: all regions. */
  readonly region?: string | undefined
}

const LIGHT_COLORS = `
  --chart-page: #ffffff; --chart-region: #f6f8fb; --chart-compound: #edf1f6; --chart-box: #ffffff; --chart-line: #8593a6; --chart-text: #16202e;
  --chart-muted: #55637a; --chart-edge: #75839a; --chart-active: #0b6bcb; --chart-active-box: #dcecfd; --chart-active-compound: #eef5fd;
  --chart-taken: #b84a00;
`
const DARK_COLORS = `
  --chart-page: #12161d; --chart-region: #161b24; --chart-compound: #1a212c; --chart-box: #1f2733; --chart-line: #5d6b80; --chart-text: #e8edf4;
  --chart-muted: #a3b0c2; --chart-edge: #7d8ca3; --chart-active: #63b3ff; --chart-active-box: #173a5f; --chart-active-compound: #182636;
  --chart-taken: #ffa057;
`
const SHARED_STYLES = `
.chart .page { fill: var(--chart-page); }
.chart .state rect { fill: var(--chart-box); stroke: var(--chart-line); stroke-width: 1; }
.chart .region rect { fill: var(--chart-region); }
.chart .compound rect { fill: var(--chart-compound); }
.chart .name { fill: var(--chart-text); font-size: 13px; font-weight: 600; }
.chart .region .name { font-size: 15px; }
.chart .meaning { fill: var(--chart-muted); font-size: 11px; }
.chart .state-words { pointer-events: none; --chart-behind: var(--chart-compound); }
.chart .state-words.region { --chart-behind: var(--chart-region); }
.chart .state-words.atomic { --chart-behind: var(--chart-box); }
.chart .state-words.active { --chart-behind: var(--chart-active-compound); }
.chart .state-words.region.active { --chart-behind: var(--chart-region); }
.chart .state-words.atomic.active { --chart-behind: var(--chart-active-box); }
.chart .state-words text { paint-order: stroke; stroke: var(--chart-behind); stroke-width: 4px; stroke-linejoin: round; }
.chart .active rect { stroke: var(--chart-active); stroke-width: 3; fill: var(--chart-active-box); }
.chart .active.compound rect { stroke-width: 2.5; fill: var(--chart-active-compound); }
.chart .active.region rect { stroke-width: 2; fill: var(--chart-region); }
.chart .active .name { fill: var(--chart-active); font-weight: 700; }
.chart .edge path { fill: none; stroke: var(--chart-edge); stroke-width: 1.2; }
.chart .edge .head, .chart .start .head { fill: var(--chart-edge); stroke: none; }
.chart .start path { fill: none; stroke: var(--chart-text); stroke-width: 1.2; }
.chart .start circle, .chart .start .head { fill: var(--chart-text); }
.chart .edge-label { fill: var(--chart-muted); font-size: 10.5px; }
.chart .taken path { stroke: var(--chart-taken); stroke-width: 3; }
.chart .edge.taken .head { fill: var(--chart-taken); }
.chart .taken .edge-label { fill: var(--chart-taken); font-weight: 700; }
.chart .edge:hover path { stroke: var(--chart-active); stroke-width: 2.4; }
.chart .edge:hover .head { fill: var(--chart-active); }
.chart .edge:hover .edge-label { fill: var(--chart-text); }
`

const FONT = `font-family: "Inter", "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif;`

/** Styles of a standalone diagram, which follow the preferred color scheme. */
const STANDALONE_STYLES = `.chart {${LIGHT_COLORS}${FONT}}
@media (prefers-color-scheme: dark) { .chart {${DARK_COLORS}} }${SHARED_STYLES}`

/** Renders a diagram as SVG. Needs neither a DOM nor Node. */
export function renderChartSvg(layout: ChartLayout, options: ChartSvgOptions): string {
  const active = new Set(options.active)
  const traversed = new Set(options.traversed)
  const { name } = layout
  const shown = selectRegion(layout, options.region)
  const { width, height } = shown
  // Draw highlighted edges last, so that no other arrow covers them.
  const edges = [...shown.edges].sort((a, b) => Number(traversed.has(a.id)) - Number(traversed.has(b.id)))
  const size = options.standalone ? ` width="${width}" height="${height}"` : ''
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="${shown.x} ${shown.y} ${width} ${height}"${size} aria-labelledby="${name}-title ${name}-desc">`,
    `<title id="${name}-title">${escapeXml(`State machine ${name}`)}</title>`,
    `<desc id="${name}-desc">${escapeXml(describeChart(layout, active))}</desc>`,
    ...(options.standalone
      ? [
          `<style>${STANDALONE_STYLES}</style>`,
          `<rect class="page" x="${shown.x}" y="${shown.y}" width="${width}" height="${height}"/>`,
        ]
      : []),
    ...shown.nodes.map((node) => renderBox(node, active.has(node.id))),
    ...shown.starts.map(
      ({ x, y, points }) =>
        `<g class="start"><circle cx="${x}" cy="${y}" r="5"/><path d="${formatPath(points)}"/>${renderArrowhead(points)}</g>`,
    ),
    ...edges.map((edge) => renderArrow(edge, traversed.has(edge.id))),
    // Draw text last, so that an arrow into a box passes behind its name.
    ...shown.nodes.map((node) => renderWords(node, active.has(node.id))),
    '</svg>\n',
  ].join('\n')
}

/** Selects the nodes, edges and viewport of a region. */
function selectRegion(layout: ChartLayout, region: string | undefined) {
  const frame = layout.nodes.find(({ id, kind }) => kind === 'region' && id === region)
  if (!frame) return { ...layout, x: 0, y: 0 }
  const isInRegion = (id: string) => id === frame.id || id.startsWith(`${frame.id}.`)
  return {
    x: frame.x - 2,
    y: frame.y - 2,
    width: frame.width + 4,
    height: frame.height + 4,
    nodes: layout.nodes.filter(({ id }) => isInRegion(id)),
    edges: layout.edges.filter(({ from }) => isInRegion(from)),
    starts: layout.starts.filter(({ parent }) => isInRegion(parent)),
  }
}

const describeChart = ({ nodes }: ChartLayout, active: ReadonlySet<string>): string => {
  const states = nodes.filter(({ kind }) => kind !== 'region').length
  const regions = nodes.filter(({ kind }) => kind === 'region').map(({ key }) => key)
  const current = nodes.filter(({ id, kind }) => kind === 'atomic' && active.has(id)).map(({ id }) => id)
  const currentText = current.length === 0 ? '' : ` Current states: ${current.join(', ')}.`
  return `${states} states in ${regions.length} regions: ${regions.join(', ')}.${currentText}`
}

const formatClass = (name: string, { kind }: ChartNode, active: boolean): string =>
  `class="${name} ${kind}${active ? ' active' : ''}"`

function renderBox(node: ChartNode, active: boolean): string {
  const { id, kind, x, y, width, height, inside, description } = node
  const internal = inside.length === 0 ? '' : `\nInternal transitions: ${inside.map(formatCause).join(', ')}`
  return [
    `<g ${formatClass('state', node, active)} data-id="${escapeXml(id)}">`,
    `<title>${escapeXml(`${id}${description === '' ? '' : `: ${description}`}${internal}`)}</title>`,
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${kind === 'region' ? 12 : 8}"/></g>`,
  ].join('')
}

function renderWords(node: ChartNode, active: boolean): string {
  const { key, kind, x, y, lines } = node
  const top = y + (kind === 'region' ? 24 : 20)
  return [
    `<g ${formatClass('state-words', node, active)}>`,
    `<text class="name" x="${x + 12}" y="${top}">${active ? '● ' : ''}${escapeXml(key)}</text>`,
    ...lines.map(
      (line, i) => `<text class="meaning" x="${x + 12}" y="${top + 16 + i * 14}">${escapeXml(line)}</text>`,
    ),
    '</g>',
  ].join('')
}

function renderArrow({ id, from, to, causes, points, label }: ChartEdge, traversed: boolean): string {
  return [
    `<g class="edge${traversed ? ' taken' : ''}" data-id="${escapeXml(id)}">`,
    `<title>${escapeXml(`${from} → ${to}\n${causes.map(formatCause).join('\n')}`)}</title>`,
    `<path d="${formatPath(points)}"/>${renderArrowhead(points)}`,
    `<text class="edge-label">`,
    ...label.lines.map(
      (line, i) => `<tspan x="${label.x + 4}" y="${label.y + 11 + i * 13}">${escapeXml(line)}</tspan>`,
    ),
    '</text></g>',
  ].join('')
}

const formatPath = (points: readonly ChartPoint[]): string => {
  const [first, ...rest] = points
  if (!first) return ''
  const corners = rest.map((corner, i) => {
    const [before, after] = [points[i], rest[i + 1]]
    if (!before || !after) return `L${corner.x} ${corner.y}`
    const [a, b] = [moveTowards(corner, before), moveTowards(corner, after)]
    return `L${a.x} ${a.y}Q${corner.x} ${corner.y} ${b.x} ${b.y}`
  })
  return `M${first.x} ${first.y}${corners.join('')}`
}

/** Returns the point near a corner at which its rounding starts. */
function moveTowards(corner: ChartPoint, to: ChartPoint): ChartPoint {
  const [dx, dy] = [to.x - corner.x, to.y - corner.y]
  const length = Math.abs(dx) + Math.abs(dy)
  const reach = Math.min(6, length / 2)
  return length === 0
    ? corner
    : { x: Math.round(corner.x + (dx / length) * reach), y: Math.round(corner.y + (dy / length) * reach) }
}

/** Renders an arrowhead as a polygon, because not all renderers give an SVG marker the color of its line. */
function renderArrowhead(points: readonly ChartPoint[]): string {
  const [before, tip] = points.slice(-2)
  if (!before || !tip) return ''
  const [dx, dy] = [Math.sign(tip.x - before.x), Math.sign(tip.y - before.y)]
  const [x, y] = [tip.x - dx * 8, tip.y - dy * 8]
  return `<polygon class="head" points="${tip.x},${tip.y} ${x - dy * 4},${y - dx * 4} ${x + dy * 4},${y + dx * 4}"/>`
}

const escapeXml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
