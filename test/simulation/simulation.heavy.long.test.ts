import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runSimulation, invariants, createPlan } from '../../tools/simulator/index.ts'
import { simulate } from './simulate.ts'
import { selectScale } from '../support/scale.ts'

const DAYS = selectScale(8, 183)
const RUNS = selectScale(2, 40)

describe('the simulator', () => {
  it('accepts a repeated registration after its instance was moved to another virtual account', async () => {
    // With this seed, device 1 is moved between its registration and a late duplicate of that request.
    const { violation, lines } = await runSimulation(
      createPlan({ seed: 2_006_455, devices: 2, days: 3, faults: 'heavy' }),
    )
    expect(lines.some((line) => line.includes('device 1 is moved to the other virtual account'))).toBe(true)
    expect(violation).toBeNull()
  })

  it('violates no invariant in a long run with eight devices', async () => {
    const { code, output } = await simulate('--seed', '7', '--devices', '8', '--days', String(DAYS))
    expect(output).toMatch(
      new RegExp(`^seed 7: 8 devices, ${DAYS} days, faults heavy, \\d+ steps: every invariant held`, 'm'),
    )
    expect(code).toBe(0)
  })

  it('violates no invariant in runs with satellites', async () => {
    const options = [
      '--seeds',
      String(RUNS),
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
    expect(output).toMatch(new RegExp(`^${RUNS} runs, \\d+ events, .*: every invariant held\\.$`, 'm'))
    expect(code).toBe(0)
  })

  it('lets satellites authorize devices and synchronize', async () => {
    const { lines, violation } = await runSimulation(
      createPlan({ seed: 3, devices: 4, satellites: 1, days: 60, faults: 'none' }),
    )
    expect(violation).toBeNull()
    expect(lines.some((line) => /device [24]: authorize\.accepted/.test(line))).toBe(true)
    expect(lines.some((line) => line.includes('are moved to satellite 1'))).toBe(true)
  })

  it('produces identical traces for the same seed, and other traces for another seed', async () => {
    const plan = createPlan({ seed: 11, devices: 2, days: 14, faults: 'heavy' })
    const first = await runSimulation(plan)
    const second = await runSimulation(createPlan({ seed: 11, devices: 2, days: 14, faults: 'heavy' }))
    expect(second.lines).toEqual(first.lines)
    expect(first.lines.length).toBeGreaterThan(20)
    const other = await runSimulation(createPlan({ seed: 12, devices: 2, days: 14, faults: 'heavy' }))
    expect(other.lines).not.toEqual(first.lines)
  })

  it('reports no failure when no faults are injected', async () => {
    const { lines, violation } = await runSimulation(
      createPlan({ seed: 3, devices: 3, days: 60, faults: 'none' }),
    )
    expect(violation).toBeNull()
    expect(lines.filter((line) => /unreachable|loses power/.test(line))).toEqual([])
    expect(lines.some((line) => line.includes('authorize.accepted'))).toBe(true)
  })

  it('documents every invariant in docs/simulation.md', () => {
    const guide = readFileSync('docs/simulation.md', 'utf8').replaceAll(/ +\|/g, ' |')
    for (const [name, meaning] of Object.entries(invariants))
      expect(guide).toContain(`| \`${name}\` | ${meaning} |`)
  })

  it('rejects an invalid option value and names the valid range', async () => {
    const { code, output } = await simulate('--devices', 'many')
    expect(output).toContain('Must be a whole number, 1 or greater.')
    expect(code).toBe(1)
  })
})
