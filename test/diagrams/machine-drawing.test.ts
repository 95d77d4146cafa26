import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { agentMachine } from '../../machines/index.ts'
import { FOLDED_REGIONS } from '../../src/diagrams/folded-regions.ts'
import { drawMachine, hashMachine } from '../../src/diagrams/inside-layout.ts'
import type { MachineDrawing } from '../../src/diagrams/inside-layout.types.ts'
import { findOverlaps } from './overlaps.ts'

const stored = JSON.parse(
  readFileSync(new URL('../../src/inspection/machine-drawing.json', import.meta.url), 'utf8'),
) as MachineDrawing
const MAX_LABEL_LENGTH = 34

describe('the stored drawing of the machine', () => {
  it('belongs to the present machine; `npm run docs` writes it again (R-INS-1)', () => {
    expect(stored.machine).toBe(hashMachine(agentMachine))
  })

  it('is what the layout computes', async () => {
    const { events, notices, ...drawing } = await drawMachine(agentMachine, stored)
    expect(drawing).toEqual({ ...stored, events: undefined, notices: undefined })
    expect(Object.keys(events).sort()).toEqual([...agentMachine.events].sort())
    expect(notices).toHaveProperty('AUTHORIZATION_EXPIRED')
  })

  it('changes its hash with the machine', () => {
    const changed = { ...agentMachine.config, description: 'changed' }
    expect(hashMachine({ config: changed, root: null })).not.toBe(stored.machine)
  })

  it('names the cause of each move between license states (R-INS-2)', () => {
    expect(stored.moves.filter(({ causes }) => causes.length === 0)).toEqual([])
    expect(stored.regionMoves.filter(({ causes }) => causes.length === 0)).toEqual([])
  })

  it('has a label for people at each transition that is drawn, of at most 34 characters', () => {
    const causes = [
      ...stored.moves.flatMap((move) => move.causes),
      ...stored.regionMoves.flatMap((move) => move.causes),
      ...Object.values(stored.insides).flatMap(({ edges }) => edges.flatMap((edge) => edge.causes)),
    ]
    expect(causes.filter(({ label }) => label === '' || label.length > MAX_LABEL_LENGTH)).toEqual([])
  })

  it.each(Object.keys(stored.insides))(
    'has no label on another label, a state or a foreign line: %s',
    (id) => {
      const inside = stored.insides[id]
      expect(
        findOverlaps({
          boxes: Object.fromEntries(
            (inside?.nodes ?? []).filter(({ isFrame }) => !isFrame).map((node) => [node.id, node]),
          ),
          lines: Object.fromEntries((inside?.edges ?? []).map((edge) => [edge.id, edge.points])),
          labels: (inside?.edges ?? []).map((edge) => ({ ...edge.label, lines: [edge.id] })),
        }),
      ).toEqual([])
    },
  )

  it.each(Object.entries(FOLDED_REGIONS))('has no overlap in the column %s', (_, folded) => {
    expect(
      findOverlaps({
        boxes: folded.states,
        lines: Object.fromEntries(folded.lines.map(({ id, points }) => [id, points])),
        labels: folded.labels,
      }),
    ).toEqual([])
  })
})
