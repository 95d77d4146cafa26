import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runSimulation, invariants, createPlan } from '../../tools/simulator/index.ts'
import { simulate } from './simulate.ts'
import { selectScale } from '../support/scale.ts'

const DAYS = selectScale(14, 183)
const HISTORIES = selectScale(2, 40)

describe('a simulated fleet', () => {
  it('a registration that comes again is told where people have moved its instance', async () => {
    // A long hunt found this history: box 1 is moved between its registration and a copy of it that comes late.
    const { violation, lines } = await runSimulation(
      createPlan({ seed: 2_006_455, boxes: 2, days: 3, faults: 'heavy' }),
    )
    expect(lines.some((line) => line.includes('box 1 is moved to the other virtual account'))).toBe(true)
    expect(violation).toBeNull()
  })

  it('lives on with more boxes', async () => {
    const { code, output } = await simulate('--seed', '7', '--devices', '8', '--days', String(DAYS))
    expect(output).toMatch(
      new RegExp(`^seed 7: 8 boxes, ${DAYS} days, faults heavy, \\d+ steps: every invariant held`, 'm'),
    )
    expect(code).toBe(0)
  })

  it('lives through histories with satellites', async () => {
    const options = [
      '--seeds',
      String(HISTORIES),
      '--days',
      '20',
      '--devices',
      '3',
      '--satellites',
      '2',
      '--workers',
      '1',
    ]
    const { code, output } = await simulate(...options)
    expect(output).toMatch(
      new RegExp(`^${HISTORIES} histories, \\d+ happenings, .*: every invariant held\\.$`, 'm'),
    )
    expect(code).toBe(0)
  })

  it('boxes are licensed by satellites, which synchronize', async () => {
    const { lines, violation } = await runSimulation(
      createPlan({ seed: 3, boxes: 4, satellites: 1, days: 60, faults: 'none' }),
    )
    expect(violation).toBeNull()
    expect(lines.some((line) => /box [24]: authorize\.accepted/.test(line))).toBe(true)
    expect(lines.some((line) => line.includes('are moved to satellite 1'))).toBe(true)
  })

  it('is the same for the same seed, to the letter, and another one for another', async () => {
    const plan = createPlan({ seed: 11, boxes: 2, days: 14, faults: 'heavy' })
    const first = await runSimulation(plan)
    const second = await runSimulation(createPlan({ seed: 11, boxes: 2, days: 14, faults: 'heavy' }))
    expect(second.lines).toEqual(first.lines)
    expect(first.lines.length).toBeGreaterThan(20)
    const other = await runSimulation(createPlan({ seed: 12, boxes: 2, days: 14, faults: 'heavy' }))
    expect(other.lines).not.toEqual(first.lines)
  })

  it('where nothing fails, nothing fails', async () => {
    const { lines, violation } = await runSimulation(
      createPlan({ seed: 3, boxes: 3, days: 60, faults: 'none' }),
    )
    expect(violation).toBeNull()
    expect(lines.filter((line) => /unreachable|loses power/.test(line))).toEqual([])
    expect(lines.some((line) => line.includes('authorize.accepted'))).toBe(true)
  })

  it('every invariant is explained', () => {
    const guide = readFileSync('docs/simulation.md', 'utf8').replaceAll(/ +\|/g, ' |')
    for (const [name, meaning] of Object.entries(invariants))
      expect(guide).toContain(`| \`${name}\` | ${meaning} |`)
  })

  it('an option that is none is refused with what it must be', async () => {
    const { code, output } = await simulate('--devices', 'many')
    expect(output).toContain('It is a whole number from 1 on.')
    expect(code).toBe(1)
  })
})
