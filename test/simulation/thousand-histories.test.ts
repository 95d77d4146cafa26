import { expect, it } from 'vitest'
import { simulate } from './simulate.ts'

it(
  'a simulated fleet lives through a thousand histories in which everything fails, and every invariant holds',
  { timeout: 900_000 },
  async () => {
    const { code, output } = await simulate('--seeds', '1000', '--days', '7', '--workers', '2')
    expect(output).toMatch(/^1000 histories, \d+ happenings, .*: every invariant held\.$/m)
    expect(code).toBe(0)
  },
)
