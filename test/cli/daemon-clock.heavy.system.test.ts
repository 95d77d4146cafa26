import { afterEach, beforeEach, expect } from 'vitest'
import type { Status } from '../../src/index.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { until } from '../support/until.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(2)

let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
})
afterEach(async () => {
  await programs.close()
})

describe('the daemon', () => {
  it('renews the authorization automatically when started a month later (R-AUTH-1)', async () => {
    const { agent, good, token } = programs
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
    const before = await good<Status>(agent(['register', await token(), '--json']))
    await programs.daemon({ time: '+31d' })
    const after = await until(
      () => programs.status(),
      ({ authorization }) => authorization.lastAttempt?.at !== before.authorization.lastAttempt?.at,
    )
    expect(after).toMatchObject({
      state: 'authorized',
      authorization: { lastAttempt: { outcome: 'succeeded' } },
    })
  })

  it('answers on its socket while a clock 200,000 times too fast ends the evaluation (R-EVAL-1)', async () => {
    await programs.initDevice('https://localhost:1')
    await programs.daemon({ time: '+0 x200000' })
    const spent = await until(
      () => programs.status(),
      ({ evaluation }) => evaluation.expired,
    )
    expect(spent).toMatchObject({ state: 'unregistered', functionality: 'license-management-only' })
  })
})
