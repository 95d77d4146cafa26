import { expect, it } from 'vitest'
import { simulate } from './simulate.ts'
import { selectScale } from '../support/scale.ts'

const RUNS = selectScale(8, 1000)

it(
  'the simulator finds no violated invariant in many runs with heavy faults',
  { timeout: 900_000 },
  async () => {
    const { code, output } = await simulate('--seeds', String(RUNS), '--days', '7', '--workers', '2')
    expect(output).toMatch(new RegExp(`^${RUNS} runs, \\d+ events, .*: every invariant held\\.$`, 'm'))
    expect(code).toBe(0)
  },
)
