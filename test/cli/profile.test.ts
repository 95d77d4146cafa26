import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type ProfileInput, SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { createPrograms, parseError, type Programs } from '../support/programs.ts'

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

it('programs license, show and replace a product profile from a file (R-EMB-2, R-UI-3)', async () => {
  const { agent, authority, good } = programs
  const file = join(directory, 'router.json')
  const write = (profile: ProfileInput) => {
    writeFileSync(file, JSON.stringify(profile))
  }
  write({
    ...router,
    skus: [{ sku: 'RT-10', description: 'Ten tunnels', grants: { kind: 'licenses', tag: 'TUNNEL' } }],
  })
  await programs.initAuthority('--profile', file)
  await good(authority(['order', '--sku', 'RT-10', '--quantity', '2', '--json']))
  expect(await good(authority(['profile', 'show', '--json']))).toMatchObject({
    profile: { name: 'router', version: 1, tags: [{ tag: 'TUNNEL' }], skus: [{ sku: 'RT-10' }] },
  })
  const { url } = await programs.serveAuthority()
  const init = ['init', '--pid', 'RT-9', '--serial', 'R1', '--profile', file, '--json']
  const root = join(directory, 'root.pem')
  writeFileSync(root, (await authority(['trust', 'export'])).stdout)
  await good(agent([...init, '--trust', root]))
  await good(agent(['transport', 'direct', url, '--json']))
  await good(agent(['usage', 'set', 'TUNNEL', '3', '--json']))
  await good(agent(['register', await programs.token(), '--json']))
  expect(await programs.status()).toMatchObject({
    state: 'out-of-compliance',
    entitlements: [{ tag: 'TUNNEL', count: 3 }],
  })

  write({ ...router, version: 2, tags: [...router.tags, { tag: 'PORT' }] })
  const preview = await authority(['profile', 'preview', file])
  expect(preview.stdout).toBe(
    'Product profile: router, version 1 → router, version 2\n  tags added: PORT\n  SKUs removed: RT-10\n',
  )
  await good(authority(['profile', 'replace', file, '--json']))
  // The serving process follows the replacement.
  await good(agent(['renew', 'authorization', '--json']))
  expect((await agent(['why'])).stdout).toContain('the authority has router, version 2')
  const refused = await agent(['profile', 'replace', file, '--json'])
  expect(parseError(refused).code).toBe('PROFILE_IN_USE')
  await good(agent(['deregister', '--yes', '--json']))
  await good(agent(['usage', 'set', 'TUNNEL', '0', '--json']))
  await good(agent(['profile', 'replace', file, '--json']))
  expect(await good(agent(['profile', 'show', '--json']))).toMatchObject({
    profile: { version: 2, tags: [{ tag: 'TUNNEL' }, { tag: 'PORT' }] },
  })
  write({ name: 'router', tags: [] })
  expect(parseError(await authority(['profile', 'replace', file, '--json']))).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: 'The product profile cannot be used: tags: a product must have at least one entitlement tag.',
  })
})

it('an authority for development is created with licenses of each tag, a root and a token by one command (R-EMB-2)', async () => {
  const file = join(directory, 'router.json')
  writeFileSync(file, JSON.stringify(router))
  const serve = () =>
    programs.serve('smart-authority', [
      ...['--data-dir', programs.dataDir('authority'), '--json'],
      ...['serve', '--listen', '127.0.0.1:0', '--development', '--profile', file],
    ])
  const files = (line: string) =>
    JSON.parse(line) as { listening: string; trustFile: string; tokenFile: string }
  const first = await serve()
  const { listening, trustFile, tokenFile } = files(first.line)
  expect(statSync(tokenFile).mode & 0o777).toBe(0o600)
  const product = await SmartAgent.open({
    dataDir: join(directory, 'product'),
    product: { pid: 'RT-9', serial: 'R1', version: '1.0' },
    profile: router,
    trust: readFileSync(trustFile, 'utf8'),
    transport: { kind: 'direct', url: listening },
  })
  product.setUsage('TUNNEL', 40)
  await product.register(readFileSync(tokenFile, 'utf8').trim())
  expect(product.status().state).toBe('authorized')
  await product.close()
  await first.stop()
  // A changed profile replaces the stored one, and the files stay.
  writeFileSync(file, JSON.stringify({ ...router, version: 2, tags: [...router.tags, { tag: 'PORT' }] }))
  const second = await serve()
  expect(files(second.line)).toMatchObject({ trustFile, tokenFile })
  const { licenses } = await programs.good<{ licenses: unknown[] }>(
    programs.authority(['license', 'list', '--json']),
  )
  expect(licenses).toMatchObject([
    { tag: 'PORT', quantity: 100 },
    { tag: 'TUNNEL', quantity: 100, inUse: 40 },
  ])
})
