import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { satelliteSyncMachine, agentMachine, REGIONS } from '../../machines/index.ts'
import type { HistoryRow } from '../../src/index.ts'
import {
  findActiveNodes,
  type ChartLayout,
  toActiveStates,
  findTraversedEdges,
  includeAncestors,
} from '../../src/diagrams/chart-layout.ts'
import { agentChartLayout } from '../../src/diagrams/agent-chart.ts'
import { renderChartSvg } from '../../src/diagrams/chart-svg.ts'
import { renderChartText } from '../../src/diagrams/chart-text.ts'
import { layoutChart } from '../../src/diagrams/layout.ts'
import { createTestEnvironment, advance, type TestEnvironment } from '../support/test-environment.ts'

const DAY = 86_400_000

interface State {
  path: string[]
  states: Record<string, State>
  transitions: Map<string, { target?: State[]; guard?: unknown }[]>
  always?: { target?: State[]; guard?: unknown }[]
}
const all = (state: State): State[] => [state, ...Object.values(state.states).flatMap(all)]
const statesOf = (machine: { root: unknown }) =>
  all(machine.root as State).filter(({ path }) => path.length > 0)
const idOf = ({ path }: State) => path.join('.')

interface Box {
  x: number
  y: number
  width: number
  height: number
}
const overlap = (a: Box, b: Box) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
const within = (a: Box, b: Box) =>
  a.x >= b.x && a.y >= b.y && a.x + a.width <= b.x + b.width && a.y + a.height <= b.y + b.height
const pairs = <T>(list: readonly T[]): [T, T][] =>
  list.flatMap((a, i) => list.slice(i + 1).map((b): [T, T] => [a, b]))

describe.each([
  ['the agent', agentMachine],
  ['the synchronization of a satellite', satelliteSyncMachine],
] as const)('R-UI-4: the layout of %s', (_, machine) => {
  let layout: ChartLayout
  const node = (id: string) => layout.nodes.find((one) => one.id === id)!
  beforeAll(async () => {
    layout = await layoutChart(machine)
  })

  it('has exactly the states of the machine definition', () => {
    expect(layout.nodes.map(({ id }) => id).sort()).toEqual(statesOf(machine).map(idOf).sort())
  })

  it('has every transition with event and guard, at its state or an ancestor', () => {
    const missing = statesOf(machine).flatMap((state) =>
      [...state.transitions, ['always', state.always ?? []] as const].flatMap(([event, taken]) =>
        taken
          .filter(({ target, guard: named }) => {
            const guard = typeof named === 'string' ? named : null
            const [to] = target ?? []
            const from = includeAncestors(idOf(state))
            const same = (cause: { event: string; guard: string | null }) =>
              cause.event === event && cause.guard === guard
            return to
              ? !layout.edges.some((e) => from.includes(e.from) && e.to === idOf(to) && e.causes.some(same))
              : !from.some((id) => node(id).inside.some(same))
          })
          .map(({ guard }) => `${idOf(state)} ${event} ${String(guard)}`),
      ),
    )
    expect(missing).toEqual([])
  })

  it('has no transition that the definition does not have', () => {
    const moves = new Set(
      statesOf(machine).flatMap((state) =>
        [...state.transitions, ['always', state.always ?? []] as const].flatMap(([event, taken]) =>
          taken.flatMap(({ target, guard }) =>
            (target ?? []).flatMap((to) =>
              includeAncestors(idOf(state)).map((from) =>
                JSON.stringify([from, idOf(to), event, guard ?? null]),
              ),
            ),
          ),
        ),
      ),
    )
    const drawn = layout.edges.flatMap(({ from, to, causes }) =>
      causes.map(({ event, guard }) => JSON.stringify([from, to, event, guard])),
    )
    expect(drawn.filter((one) => !moves.has(one))).toEqual([])
    expect(layout.edges.length).toBeGreaterThan(20)
  })

  it('has states inside their parents, without overlap', () => {
    for (const one of layout.nodes)
      if (one.parent !== null) expect(within(one, node(one.parent)), one.id).toBe(true)
    const siblings = pairs(layout.nodes).filter(([a, b]) => a.parent === b.parent && overlap(a, b))
    expect(siblings.map(([a, b]) => [a.id, b.id])).toEqual([])
    expect(layout.nodes.filter((one) => !within(one, { x: 0, y: 0, ...layout }))).toEqual([])
  })

  it('has labels that overlap no atomic state and no other label', () => {
    const states = layout.nodes.filter(({ kind }) => kind === 'atomic')
    const hidden = layout.edges.flatMap(({ id, label }) =>
      states.filter((state) => overlap(label, state)).map((state) => [id, state.id]),
    )
    expect(hidden).toEqual([])
    const labels = pairs(layout.edges).filter(([a, b]) => overlap(a.label, b.label))
    expect(labels.map(([a, b]) => [a.id, b.id])).toEqual([])
  })

  it('starts and ends each arrow at the edge of its boxes', () => {
    const touches = ({ x, y }: { x: number; y: number }, box: Box) =>
      within(
        { x, y, width: 0, height: 0 },
        { x: box.x - 1, y: box.y - 1, width: box.width + 2, height: box.height + 2 },
      )
    for (const { id, from, to, points } of layout.edges) {
      expect([touches(points[0]!, node(from)), touches(points.at(-1)!, node(to))], id).toEqual([true, true])
    }
  })

  it('has a dot for each initial state', () => {
    const entered = layout.nodes.filter(({ initial }) => initial)
    expect(layout.starts.map(({ to }) => to)).toEqual(entered.map(({ id }) => id))
    expect(new Set(layout.starts.map(({ parent }) => parent)).size).toBe(layout.starts.length)
  })

  it('is deterministic plain JSON with whole numbers', async () => {
    expect(JSON.parse(JSON.stringify(layout))).toEqual(layout)
    expect(JSON.stringify(layout)).not.toMatch(/\d\.\d/)
    expect(JSON.stringify(await layoutChart(machine))).toBe(JSON.stringify(layout))
  })
})

it('R-UI-4: the stored layout is that of the machine', async () => {
  expect(agentChartLayout).toEqual(JSON.parse(JSON.stringify(await layoutChart(agentMachine))))
})

describe('R-UI-4: the diagram of a device’s state', () => {
  let layout: ChartLayout
  let world: TestEnvironment
  let rows: HistoryRow[]
  beforeAll(async () => {
    layout = await layoutChart(agentMachine)
    world = await createTestEnvironment()
    const agent = await world.open()
    await agent.register(await world.token())
    await agent.idle()
    agent.setUsage('HOST', 3)
    await advance(world, agent, 31 * DAY)
    world.network.down = true
    for (let i = 0; i < 100; i++) await advance(world, agent, DAY)
    world.network.down = false
    await advance(world, agent, DAY)
    await agent.deregister()
    rows = agent.history(10_000)
  })
  afterAll(() => world.close())
  const read = (json: string) => JSON.parse(json) as Record<string, string>

  it('highlights the state of each region with its ancestors, for each history row', () => {
    for (const { after } of rows) {
      const states = read(after)
      const expected = REGIONS.map((region) => `${region}.${states[region]}`).flatMap(includeAncestors)
      expect(findActiveNodes(read(after), layout).sort()).toEqual(expected.sort())
    }
    expect(new Set(rows.map(({ after }) => read(after).state)).size).toBeGreaterThan(3)
  })

  it('highlights an arrow in each region that changed, for each history row', () => {
    const moved = rows.filter(({ before, after }) => before !== after)
    expect(moved.length).toBeGreaterThan(8)
    for (const row of moved) {
      const [before, after] = [read(row.before), read(row.after)]
      const taken = findTraversedEdges({ event: row.event, before, after }, layout)
      const regions = REGIONS.filter((region) => before[region] !== after[region])
      const lit = new Set(taken.map((id) => /^[a-z]+/.exec(id)?.[0]))
      expect(
        regions.filter((region) => !lit.has(region)),
        `${row.event} ${row.before} ${row.after}`,
      ).toEqual([])
      for (const id of taken) {
        const edge = layout.edges.find((one) => one.id === id)!
        const causes = edge.causes.map(({ event }) => event)
        expect(causes.includes(row.event) || causes.includes('registration.ended')).toBe(true)
      }
    }
  })

  it('also follows eventless transitions', () => {
    const before = { license: 'evaluation' }
    expect(
      findTraversedEdges(
        { event: 'reservation.install', before, after: { license: 'reserved.not-authorized' } },
        layout,
      ),
    ).toEqual([
      'license.evaluation->license.reserved',
      'license.reserved.authorized->license.reserved.not-authorized',
    ])
  })

  it('ignores unknown paths and other members', () => {
    expect(
      findActiveNodes({ state: 'x', registration: 'nowhere.at.all', connection: 7, other: null }, layout),
    ).toEqual(['registration'])
    expect(findTraversedEdges({ event: 'NOTHING', before: {}, after: { connection: 'up' } }, layout)).toEqual(
      [],
    )
  })

  it('reads the state value of any machine', async () => {
    const sync = await layoutChart(satelliteSyncMachine)
    const value = { status: 'current', exchange: 'requesting', credential: 'valid' }
    expect(findActiveNodes(toActiveStates(value), sync).length).toBe(6)
    expect(toActiveStates({ license: { authorized: 'requesting' } })).toEqual({
      license: 'authorized.requesting',
    })
  })

  it('is rendered with highlights beyond color, and with a text description', () => {
    const svg = renderChartSvg(layout, {
      active: findActiveNodes({ license: 'authorized.current' }, layout),
      traversed: ['license.registered->license.authorized.current'],
      standalone: true,
    })
    expect(svg).toContain('class="state atomic active" data-id="license.authorized.current"')
    expect(svg).toContain('● current')
    expect(svg).toContain('class="edge taken"')
    expect(svg).toMatch(/role="img"[^]*<desc[^>]*>[^<]*Current states: license\.authorized\.current\./)
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(svg).not.toMatch(/https?:\/\/(?!www\.w3\.org\/2000\/svg)/)
    expect(renderChartSvg(layout, { standalone: false })).not.toContain('<style')
  })

  it('is rendered with escaped text', () => {
    const [first] = layout.nodes
    const hostile = { ...first!, key: `<script>&"'`, description: '</title><script>' }
    const svg = renderChartSvg({ ...layout, nodes: [hostile] }, { standalone: true })
    expect(svg).not.toContain('<script')
    expect(svg).toContain('&lt;script&gt;&amp;&quot;&#39;')
  })

  it('is rendered for a terminal with active states expanded and others folded', () => {
    const text = renderChartText(layout, {
      active: findActiveNodes(
        { registration: 'registered.current', license: 'authorized.requesting', connection: 'up' },
        layout,
      ),
    })
    expect(text).toMatch(/^license$/m)
    expect(text).toMatch(/^ {2}● authorized/m)
    expect(text).toMatch(/^ {4}● requesting/m)
    expect(text).toMatch(/^ {2}○ auth-expired {2}\(3 states\)$/m)
    expect(text.split('\n').length).toBeLessThanOrEqual(40)
    expect(text).not.toContain('\u001b')
    expect(renderChartText(layout, { active: ['connection.up'], bold: true })).toContain(
      '\u001b[1m● up\u001b[22m',
    )
  })
})
