import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authorityContract } from '../../src/console/authority/contract.ts'
import { deviceContract } from '../../src/console/device/contract.ts'
import type { Contract } from '../../src/http/procedures.ts'
import { accessContract, signInContract } from '../../src/http/sign-in-contract.ts'
import { send, servePages, signInFirst, type Visitor } from '../support/pages.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let pages: Awaited<ReturnType<typeof servePages>>
let device: Visitor
let manager: Visitor
const directory = mkdtempSync(join(tmpdir(), 'sla-api-'))

beforeAll(async () => {
  world = await createTestEnvironment()
  pages = await servePages(world)
  device = await signInFirst(pages.device.url, pages.device.firstPasswordFile)
  manager = await signInFirst(pages.manager.url, pages.manager.firstPasswordFile)
})
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true })
  await pages.close()
  await world.close()
})

const ofDevice: Contract = { ...signInContract, ...accessContract, ...deviceContract }
const ofAuthority: Contract = { ...signInContract, ...accessContract, ...authorityContract }

interface Described {
  readonly openapi: string
  readonly paths: Record<string, Record<string, object>>
}

describe.each([
  ['Smart Licenses', () => pages.device.url, ofDevice],
  ['Software Manager', () => pages.manager.url, ofAuthority],
] as const)('the API of %s (R-UI-3)', (name, url, contract: Contract) => {
  const described = async (): Promise<Described> =>
    JSON.parse((await send(url(), '/api/v1/openapi.json')).body) as Described

  it('is described completely by its OpenAPI document', async () => {
    const { openapi, paths } = await described()
    expect(openapi).toBe('3.1.0')
    const calls = Object.entries(contract).map(([call, { method }]) => `${method.toLowerCase()} /${call}`)
    const written = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    expect(written.sort()).toEqual([...calls, 'get /live'].sort())
  })

  it('has an OpenAPI document that passes the Redocly linter', async () => {
    const file = join(directory, `${name.replace(' ', '-')}.json`)
    writeFileSync(file, JSON.stringify(await described()))
    const { status, stdout, stderr } = spawnSync(
      resolve('node_modules/.bin/redocly'),
      ['lint', '--extends=recommended', file],
      {
        encoding: 'utf8',
        env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
      },
    )
    expect([status, stdout + (status === 0 ? '' : stderr)]).toEqual([0, ''])
  })

  it('requires a session for every call except signing in', async () => {
    for (const [call, { method, access }] of Object.entries(contract)) {
      if (access === 'open') continue
      const answer = await send(url(), `/api/v1/${call}`, method === 'POST' ? { body: {} } : {})
      expect([call, answer.status, answer.code]).toEqual([call, 401, 'SIGN_IN_REQUIRED'])
    }
  })
})

describe('all GET calls answer as declared (R-UI-3)', () => {
  const reads = (contract: Contract): string[] =>
    Object.entries(contract).flatMap(([call, { method, access }]) =>
      method === 'GET' && access !== 'open' ? [call] : [],
    )

  it('on a device in evaluation, registered and reserved', async () => {
    const every = async (): Promise<void> => {
      for (const call of reads(ofDevice))
        expect([call, (await device.query(call)).status]).toEqual([call, 200])
    }
    await every()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
    await pages.agent.register(await world.token())
    await pages.agent.module.hosts.assign('ann')
    await every()
    await pages.agent.deregister()
    await world.authority.reservations.enable()
    const { file } = await world.authority.reservations.reserve({
      request: await pages.agent.reservation.request(),
      licenses: { HOST: 2 },
    })
    await pages.agent.reservation.install(file)
    await every()
  })

  it('on a manager with a satellite, instances, tokens and a reservation', async () => {
    await world.authority.satellites.add('site', { virtualAccount: 'Site' })
    const [instance] = await world.authority.instances.list()
    const inputs: Record<string, string> = {
      instance: `?id=${instance?.id ?? ''}`,
      report: '?kind=instances',
      'report-csv': '?kind=usage',
    }
    for (const call of reads(ofAuthority)) {
      const answer = await manager.query(`${call}${inputs[call] ?? ''}`)
      // A manager does not synchronize with another manager.
      expect([call, answer.status]).toEqual([call, call === 'sync' ? 409 : 200])
    }
  })
})
