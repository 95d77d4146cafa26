import { expect, it } from 'vitest'
import { simulate } from './simulate.ts'
import { selectScale } from '../support/scale.ts'

const HISTORIES = selectScale(20, 1000)

it(
  'a simulated fleet lives through histories in which everything fails, and every invariant holds',
  { timeout: 900_000 },
  async () => {
    const { code, output } = await simulate('--seeds', String(HISTORIES), '--days', '7', '--workers', '2')
    expect(output).toMatch(
      new RegExp(`^${HISTORIES} histories, \\d+ happenings, .*: every invariant held\\.$`, 'm'),
    )
    expect(code).toBe(0)
  },
)
