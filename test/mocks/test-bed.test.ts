import { afterEach, describe, expect, it } from 'vitest'
import { defineProfile } from '../../src/index.ts'
import {
  createTestBed,
  licensingMatchers,
  type LicensingMatchers,
  type TestBed,
  type TestBedOptions,
} from '../../mocks/testing.ts'

declare module 'vitest' {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- the members are those of the matchers
  interface Matchers<T> extends LicensingMatchers<T> {}
}
expect.extend(licensingMatchers)

const profile = defineProfile({ name: 'router', tags: [{ tag: 'GBIT' }, { tag: 'TUNNEL' }] })

let bed: TestBed
const open = async (options: TestBedOptions = {}) => {
  bed = await createTestBed({ profile, licenses: { GBIT: 2 }, ...options })
  return bed
}
afterEach(() => bed.close())

describe('R-LAB-1: createTestBed', () => {
  it('gives agent, authority, clock and network in one line', async () => {
    await open()
    expect(bed).toBeIn('evaluation')
    bed.agent.setUsage('GBIT', 2)
    await bed.register()
    expect(bed).toBeIn('authorized')
    expect(bed).toHaveReported('GBIT', 2)
    bed.agent.setUsage('TUNNEL', 1)
    await bed.settle()
    expect(bed).toBeIn('out-of-compliance')
    expect(bed.timeline().map(({ text }) => text)).toEqual(
      expect.arrayContaining(['evaluation → registered', 'authorize → 200']),
    )
  })
})
