import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { exchangeByFile } from '../support/satellite.ts'

let directory: string
let manager: Authority
let satellite: Authority
let agent: SmartAgent
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sla-another-'))
  const init = { account: 'acme.example', acceptAgreement: true }
  await Authority.init({ dataDir: join(directory, 'manager'), ...init })
  manager = await Authority.open({ dataDir: join(directory, 'manager') })
  await manager.satellites.add('branch', { virtualAccount: 'Branch' })
  await Authority.init({ dataDir: join(directory, 'satellite'), ...init, satellite: { name: 'branch' } })
  satellite = await Authority.open({ dataDir: join(directory, 'satellite') })
  await exchangeByFile(manager, satellite)
})
afterEach(async () => {
  await agent.close()
  await satellite.close()
  await manager.close()
  rmSync(directory, { recursive: true, force: true })
})

it('a registered device sends no request to another authority until it is registered there', async () => {
  const [atManager, atSatellite] = await Promise.all(
    [manager, satellite].map((authority) => authority.listen({ host: '127.0.0.1', port: 0 })),
  )
  agent = await SmartAgent.open({
    dataDir: join(directory, 'device'),
    product: { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' },
    trust: manager.trustAnchor(),
    transport: { kind: 'direct', url: atManager ?? '' },
    heartbeat: false,
  })
  await agent.register((await manager.tokens.create({ days: 30 })).token)
  const failure = async () => {
    await agent.renewAuthorization().catch(() => undefined)
    await agent.idle()
    return agent.status().authorization.lastAttempt?.reason?.code ?? null
  }
  expect(await failure()).toBeNull()

  agent.transport.set({ kind: 'gateway', url: atSatellite ?? '' })
  expect(await failure()).toBe('TLS_WRONG_AUTHORITY')
  expect((await satellite.instances.list()).length).toBe(0)
  await agent.register((await satellite.tokens.create({ days: 30 })).token, { force: true })
  expect(agent.status().registration.status).toBe('registered')
  expect(await failure()).toBeNull()

  agent.transport.set({ kind: 'direct', url: atManager ?? '' })
  expect(await failure()).toBe('TLS_WRONG_AUTHORITY')
})
