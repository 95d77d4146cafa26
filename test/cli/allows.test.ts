import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { edgeRouter } from '../../examples/edge-router/tunnels.ts'
import { Authority } from '../../src/authority/index.ts'
import { SmartAgent } from '../../src/index.ts'
import { createPrograms, parseError, type Programs } from '../support/programs.ts'

let programs: Programs
beforeEach(() => {
  programs = createPrograms()
})
afterEach(() => programs.close())

const { module: _, ...router } = edgeRouter

const ask = async (...words: string[]) => {
  const { code, stdout, stderr } = await programs.agent(['allows', ...words])
  expect(stderr).toBe('')
  return [code, stdout.trim()]
}

it('`allows` tells whether a product may act, from the agent that runs or from the directory (R-EMB-3, R-UI-3)', async () => {
  const dataDir = join(programs.directory, 'authority')
  await Authority.init({ dataDir, account: 'net.example', acceptAgreement: true, profile: router })
  const authority = await Authority.open({ dataDir })
  const url = await authority.listen({ host: '127.0.0.1', port: 0 })
  const agent = await SmartAgent.open({
    dataDir: programs.dataDir(),
    product: { pid: 'EDGE-9', serial: 'R1', version: '1.0' },
    profile: router,
    trust: authority.trustAnchor(),
    transport: { kind: 'direct', url },
  })
  try {
    await agent.serve({ control: true })
    expect(await ask('tunnel-open')).toEqual([0, 'allowed'])
    agent.setUsage('EDGE-TUNNEL', 3)
    await agent.register((await authority.tokens.create({ days: 30 })).token)
    expect(agent.status().state).toBe('out-of-compliance')
    const reason = 'No tunnel can be opened while more tunnels are open than licensed.'
    const check = async () => {
      expect(await ask('tunnel-open')).toEqual([1, reason])
      const [code, json] = await ask('tunnel-open', '--json')
      expect([code, JSON.parse(String(json))]).toEqual([1, { allowed: false, reason }])
      const [good, document] = await ask('tunnel-close', '--json')
      expect([good, JSON.parse(String(document))]).toEqual([0, { allowed: true, reason: null }])
    }
    await check()
    await agent.close()
    expect(existsSync(join(programs.dataDir(), 'agent.sock'))).toBe(false)
    // The command reads the directory, and makes no connection.
    await authority.close()
    await check()
  } finally {
    await agent.close()
    await authority.close()
  }
})

it('`allows` without an action, or with an empty one, is wrong usage', async () => {
  await programs.good(programs.agent(['init', '--pid', 'CWMS-K9', '--serial', 'SN1', '--json']))
  const missing = await programs.agent(['allows', '--json'])
  expect([missing.code, parseError(missing).code]).toEqual([2, 'USAGE'])
  const empty = await programs.agent(['allows', '', '--json'])
  expect([empty.code, parseError(empty).code]).toEqual([2, 'INVALID_ARGUMENT'])
})
