import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type ProfileInput, SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { createPrograms, type Programs } from '../support/programs.ts'

const router: ProfileInput = {
  name: 'router',
  tags: [{ tag: 'TUNNEL', name: 'Tunnel', description: 'One encrypted tunnel' }],
}

let programs: Programs
let directory: string
beforeEach(() => {
  programs = createPrograms()
  directory = mkdtempSync(join(tmpdir(), 'sla-'))
})
afterEach(async () => {
  await programs.close()
  rmSync(directory, { recursive: true, force: true })
})

it('commands on the directory of an embedding product keep its reported usage (R-EMB-1, R-UI-3, R-AUTH-2)', async () => {
  const dataDir = join(directory, 'authority')
  await Authority.init({ dataDir, account: 'net.example', acceptAgreement: true, profile: router })
  const authority = await Authority.open({ dataDir })
  const url = await authority.listen({ host: '127.0.0.1', port: 0 })
  try {
    await authority.orders.create({ tag: 'TUNNEL', quantity: 2 })
    const product = await SmartAgent.open({
      dataDir: programs.dataDir(),
      product: { pid: 'RT-9', serial: 'R1', version: '1.0' },
      profile: router,
      trust: authority.trustAnchor(),
      transport: { kind: 'direct', url },
    })
    product.setUsage('TUNNEL', 5)
    await product.register((await authority.tokens.create({ days: 30 })).token)
    expect(product.status().state).toBe('out-of-compliance')
    await product.close()
    const inUse = async () => (await authority.instances.list()).map(({ entitlements }) => entitlements)
    const before = await inUse()
    expect(before).toMatchObject([[{ tag: 'TUNNEL', count: 5 }]])
    for (const words of [
      ['status'],
      ['why'],
      ['show', 'all'],
      ['renew', 'authorization'],
      ['renew', 'registration'],
      ['transport', 'test'],
      ['usage', 'set', 'TUNNEL', '5'],
    ]) {
      expect(await programs.agent(words), words.join(' ')).toMatchObject({ code: 0 })
      expect(await programs.status()).toMatchObject({
        state: 'out-of-compliance',
        entitlements: [{ tag: 'TUNNEL', count: 5 }],
      })
      expect(await inUse()).toEqual(before)
    }
    expect((await programs.agent(['usage', 'set', 'HOST', '1'])).code).toBe(1)
    await programs.good(programs.agent(['usage', 'set', 'TUNNEL', '2', '--json']))
    expect((await programs.status()).state).toBe('authorized')
  } finally {
    await authority.close()
  }
})

it('order accepts only the tags of the authority’s profile (R-UI-3)', async () => {
  const dataDir = join(directory, 'authority')
  await Authority.init({ dataDir, account: 'net.example', acceptAgreement: true, profile: router })
  const order = (tag: string) =>
    programs.run('smart-authority', ['--data-dir', dataDir, 'order', '--tag', tag, '--quantity', '2'])
  expect((await order('TUNNEL')).code).toBe(0)
  const refused = await order('HOST')
  expect(refused.code).not.toBe(0)
  expect(refused.stderr).toContain('TUNNEL')
})
