import { afterAll, expect } from 'vitest'
import { faultCatalog, type FaultName } from '../../mocks/index.ts'
import { assertLicensing, createTestBed } from '../../mocks/testing.ts'
import { defineProfile } from '../../src/index.ts'
import { createSampledTests } from '../support/scale.ts'

const { it } = createSampledTests(4)
const profile = defineProfile({ name: 'router', tags: [{ tag: 'GBIT' }] })
const names = (Object.keys(faultCatalog) as FaultName[]).filter((name) => faultCatalog[name].code !== null)
const durations: string[] = []

afterAll(() => {
  console.log(`milliseconds until the code, and until the device was well again:\n${durations.join('\n')}`)
})

it.each(names)(
  'R-LAB-3: %s shows its code with the virtual clock, and the device recovers',
  async (fault) => {
    const { layer, code } = faultCatalog[fault]
    const proxy = fault === 'proxy-auth-refused' ? { username: 'device', password: 'right' } : {}
    const bed = await createTestBed({ profile, transport: layer === 'proxy' ? 'proxy' : 'direct', proxy })
    try {
      await bed.register()
      await bed.setFaults(fault)
      const begun = performance.now()
      await bed.agent.renewAuthorization().catch(() => undefined)
      const failed = performance.now()
      assertLicensing(bed).toFailWith(code ?? 'INTERNAL')
      await bed.setFaults()
      await assertLicensing(bed).toRecoverWithin('12h')
      durations.push(`${fault}: ${(failed - begun).toFixed(0)}, ${(performance.now() - failed).toFixed(0)}`)
      expect(bed.agent.status().state).toBe('authorized')
    } finally {
      await bed.close()
    }
  },
)
