import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { defineProfile } from '../../src/core/profile.ts'
import { createPlan, type Plan, runSimulation } from '../../tools/simulator/index.ts'
import { simulate } from './simulate.ts'

const router = defineProfile({
  name: 'router',
  tags: [{ tag: 'GBIT' }, { tag: 'TUNNEL' }, { tag: 'PORT' }],
  periods: { evaluationSeconds: 30 * 86_400 },
  policies: {
    deniedActions: {
      'out-of-compliance': { actions: ['tunnel-open'], reason: 'More is used than was bought.' },
    },
  },
})
const TAGS = ['GBIT', 'TUNNEL', 'PORT']

const listPlannedTags = ({ steps }: Plan, kind: string): Set<string> =>
  new Set(steps.flatMap(({ action }) => (action.kind === kind && 'tag' in action ? [action.tag] : [])))

describe('a simulation of a product with three tags of its own (R-EMB-2)', () => {
  it('plans with all tags of the profile, and with no other', () => {
    const plan = createPlan({
      seed: 1,
      devices: 20,
      satellites: 1,
      days: 365,
      faults: 'none',
      profile: router,
    })
    for (const kind of ['use', 'order', 'transfer-licenses', 'give-licenses'])
      expect([kind, listPlannedTags(plan, kind)]).toEqual([kind, new Set(TAGS)])
    for (const kind of ['reserve', 'reservation-update'])
      expect(listPlannedTags(plan, kind)).toEqual(new Set(['GBIT']))
  })

  it('violates no invariant, and licenses the tags', async () => {
    const plan = createPlan({ seed: 5, devices: 3, days: 20, faults: 'light', profile: router })
    const { lines, violation } = await runSimulation(plan)
    expect(violation).toBeNull()
    expect(lines.some((line) => line.includes('authorize.accepted'))).toBe(true)
    expect(lines.join('\n')).not.toContain('UNKNOWN_TAG')
  })

  it('is the same for the same seed and profile, and another one for another profile', async () => {
    const run = async (profile = router) =>
      (await runSimulation(createPlan({ seed: 2, devices: 2, days: 10, faults: 'heavy', profile }))).lines
    const first = await run()
    expect(await run()).toEqual(first)
    expect(await run(defineProfile({ ...router, tags: [{ tag: 'PORT' }] }))).not.toEqual(first)
  })
})

it('`npm run simulate -- --profile FILE` simulates the product of the file, and refuses one that is no profile', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sla-'))
  try {
    const file = join(directory, 'router.json')
    writeFileSync(file, JSON.stringify(router))
    const run = () => simulate('--profile', file, '--seed', '3', '--days', '3', '--story')
    const { code, output } = await run()
    expect(output).toMatch(
      /^seed 3: 2 devices, 3 days, faults heavy, product router, \d+ steps: every invariant held/m,
    )
    expect(output).toMatch(/ uses \d of (GBIT|TUNNEL|PORT)$/m)
    expect(output).not.toContain('HOST')
    expect(code).toBe(0)
    writeFileSync(file, '{"name":"router","tags":[]}')
    const refused = await run()
    expect(refused.code).toBe(1)
    expect(refused.output).toContain('--profile')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
