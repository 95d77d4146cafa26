import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { LicenseDocument } from '../../src/authority/inventory/accounts.ts'
import type { InstanceDocument } from '../../src/authority/index.ts'
import type { SyncStatus } from '../../src/authority/satellite-sync/sync-status.ts'
import { createProxies, type Proxies } from '../support/proxies.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { createSampledTests, itInRelease } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

let programs: Programs
let proxies: Proxies
beforeEach(() => {
  programs = createPrograms()
  proxies = createProxies()
})
afterEach(async () => {
  await proxies.close()
  await programs.close()
})

const path = (name: string) => join(programs.directory, name)
const satellite = (words: readonly string[], time?: string) =>
  programs.run('smart-authority', ['--data-dir', path('satellite'), ...words], { time })
const onSatellite = <T>(words: readonly string[], time?: string) =>
  programs.good<T>(satellite([...words, '--json'], time))
const onManager = <T>(words: readonly string[], time?: string) =>
  programs.good<T>(programs.authority([...words, '--json'], { time }))

const serveSatellite = async (time?: string) => {
  const server = await programs.serve(
    'smart-authority',
    ['--data-dir', path('satellite'), 'serve', '--listen', '127.0.0.1:0'],
    { time },
  )
  return { ...server, url: server.line.replace('listening on ', '') }
}

/** Creates a satellite and registers it by offline exchange. */
async function registerOffline(): Promise<void> {
  await onManager(['satellite', 'add', 'branch', '--virtual-account', 'Branch'])
  await onSatellite([
    'init',
    '--role',
    'satellite',
    '--account',
    'acme.example',
    '--name',
    'branch',
    '--accept-agreement',
  ])
  await exchangeOffline()
}

async function exchangeOffline(time?: string): Promise<void> {
  await onSatellite(['sync', 'export', path('request.txt')], time)
  await onManager(['sync', 'respond', path('request.txt'), '--out', path('answer.txt')], time)
  await onSatellite(['sync', 'import', path('answer.txt'), '--yes'], time)
}

const token = async () =>
  (await onSatellite<{ token: string }>(['token', 'create', '--virtual-account', 'Default', '--days', '30']))
    .token

itInRelease(
  'four devices of one smart account are authorized by each transport and by reservation (R-NET-5, R-SAT-1)',
  async () => {
    await programs.initAuthority()
    await onManager(['order', '--tag', 'HOST', '--quantity', '20', '--virtual-account', 'Default'])
    const server = await programs.serveAuthority()
    await registerOffline()
    const satelliteServer = await serveSatellite()
    const squid = await proxies.squid()

    /** Returns the owned, used and reserved licenses of the whole account at the manager. */
    const sum = async () => {
      const { licenses } = await onManager<{ licenses: LicenseDocument[] }>(['license', 'list'])
      const of = (key: 'quantity' | 'inUse' | 'reserved') =>
        licenses.reduce((total, license) => total + license[key], 0)
      return [of('quantity'), of('inUse'), of('reserved')]
    }
    const use = async (device: string, count: number) => {
      await programs.good(programs.agent(['usage', 'set', 'HOST', String(count), '--json'], { device }))
      await programs.good(programs.agent(['renew', 'authorization', '--json'], { device }))
    }
    expect(await sum()).toEqual([20, 0, 0])

    await programs.initDevice(server.url, 'direct')
    await programs.good(programs.agent(['register', await programs.token(), '--json'], { device: 'direct' }))
    await use('direct', 3)
    expect(await sum()).toEqual([20, 3, 0])

    await programs.initDevice(server.url, 'proxied')
    await programs.good(
      programs.agent(['transport', 'proxy', server.url, '--via', squid.via, '--json'], {
        device: 'proxied',
      }),
    )
    await programs.good(programs.agent(['register', await programs.token(), '--json'], { device: 'proxied' }))
    await use('proxied', 4)
    expect(await sum()).toEqual([20, 7, 0])

    // Move part of the purchase to the satellite.
    await onManager([
      'license',
      'transfer',
      '--tag',
      'HOST',
      '--quantity',
      '8',
      '--from',
      'Default',
      '--to',
      'Branch',
    ])
    await exchangeOffline()
    expect(await sum()).toEqual([20, 7, 0])
    await programs.initDevice(satelliteServer.url, 'below')
    await programs.good(
      programs.agent(['transport', 'gateway', satelliteServer.url, '--json'], { device: 'below' }),
    )
    await programs.good(programs.agent(['register', await token(), '--json'], { device: 'below' }))
    await use('below', 5)
    // The manager learns of the usage at the next exchange.
    expect(await sum()).toEqual([20, 7, 0])
    await exchangeOffline()
    expect(await sum()).toEqual([20, 12, 0])

    await onManager(['reservation', 'enable'])
    await programs.initDevice(server.url, 'sealed')
    const { requestCode } = await programs.good<{ requestCode: string }>(
      programs.agent(['reservation', 'request', '--json'], { device: 'sealed' }),
    )
    await onManager([
      'reservation',
      'reserve',
      '--request',
      requestCode,
      '--license',
      'HOST=2',
      '--virtual-account',
      'Default',
      '--out',
      path('file.txt'),
    ])
    await programs.good(
      programs.agent(['reservation', 'install', path('file.txt'), '--json'], { device: 'sealed' }),
    )
    await programs.good(programs.agent(['usage', 'set', 'HOST', '2', '--json'], { device: 'sealed' }))
    expect(await sum()).toEqual([20, 12, 2])

    const states = []
    for (const device of ['direct', 'proxied', 'below', 'sealed'])
      states.push((await programs.status({ device })).authorization.status)
    expect(states).toEqual(['authorized', 'authorized', 'authorized', 'reserved'])
    const { instances } = await onManager<{ instances: InstanceDocument[] }>(['instance', 'list'])
    expect(
      instances.map(({ udi, satellite: at, virtualAccount }) => [udi.serial, at, virtualAccount]).sort(),
    ).toEqual([
      ['BELOW', 'branch', 'Branch'],
      ['DIRECT', null, 'Default'],
      ['PROXIED', null, 'Default'],
      ['SEALED', null, 'Default'],
    ])
    // Nine exceed the eight licenses of the satellite, so its device alone is out of compliance.
    await use('below', 9)
    expect((await programs.status({ device: 'below' })).state).toBe('out-of-compliance')
    await exchangeOffline()
    expect(await sum()).toEqual([20, 16, 2])
    expect((await programs.status({ device: 'direct' })).state).toBe('authorized')
    await use('below', 8)
    expect((await programs.status({ device: 'below' })).state).toBe('authorized')
    await satelliteServer.stop()
    await server.stop()
  },
)

describe('online synchronization between two programs (R-SAT-2)', () => {
  it('works over TLS and a proxy with the one-time code and the root', async () => {
    await programs.initAuthority()
    const server = await programs.serveAuthority()
    const { code } = await onManager<{ code: string }>([
      'satellite',
      'add',
      'branch',
      '--virtual-account',
      'Branch',
    ])
    const { trust } = await onManager<{ trust: string }>(['trust', 'export'])
    writeFileSync(path('root.pem'), trust)
    writeFileSync(path('code'), code)
    const initCommand = [
      'init',
      '--role',
      'satellite',
      '--account',
      'acme.example',
      '--name',
      'branch',
      '--accept-agreement',
    ]
    const squid = await proxies.squid()
    await onSatellite([
      ...initCommand,
      '--manager',
      server.url,
      '--trust',
      path('root.pem'),
      '--code-file',
      path('code'),
      '--via',
      squid.via,
    ])
    expect(await onSatellite(['sync', 'run'])).toMatchObject({ outcome: 'accepted', registered: true })
    expect(squid.log()).toContain('CONNECT')
    expect(await onSatellite<SyncStatus>(['sync', 'status'])).toMatchObject({
      status: 'current',
      credential: 'valid',
      manager: { url: server.url, via: squid.via },
    })
    // The manager is down. The satellite reports the failure and schedules a retry.
    await server.stop()
    const failed = await satellite(['sync', 'run', '--json'])
    expect(failed.code).toBe(1)
    expect(parseError(failed).code).toMatch(/^(PROXY_|CONNECTION_|TUNNEL_)/)
    expect(await onSatellite<SyncStatus>(['sync', 'status'])).toMatchObject({ exchange: 'retrying' })
  })

  it('recovers after kills at any time, and both sides agree', async () => {
    await programs.initAuthority()
    await onManager(['satellite', 'add', 'branch', '--virtual-account', 'Branch'])
    const server = await programs.serveAuthority()
    const { trust } = await onManager<{ trust: string }>(['trust', 'export'])
    writeFileSync(path('root.pem'), trust)
    const { code } = await onManager<{ code: string }>(['satellite', 'enrollment-code', 'branch'])
    writeFileSync(path('code'), code)
    await onSatellite([
      'init',
      '--role',
      'satellite',
      '--account',
      'acme.example',
      '--name',
      'branch',
      '--accept-agreement',
      '--manager',
      server.url,
      '--trust',
      path('root.pem'),
      '--code-file',
      path('code'),
    ])
    let ordered = 0
    for (let delay = 250; delay <= 850; delay += 100) {
      await onManager(['order', '--tag', 'HOST', '--quantity', '1', '--virtual-account', 'Branch'])
      ordered++
      const child = programs.start('smart-authority', [
        '--data-dir',
        path('satellite'),
        'sync',
        'run',
        '--json',
      ])
      await new Promise((resolve) => setTimeout(resolve, delay))
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
      await new Promise((resolve) =>
        child.exitCode === null && child.signalCode === null ? child.once('close', resolve) : resolve(null),
      )
    }
    expect(await onSatellite(['sync', 'run'])).toMatchObject({ outcome: 'accepted' })
    const { licenses } = await onSatellite<{ licenses: LicenseDocument[] }>(['license', 'list'])
    expect(licenses).toMatchObject([{ virtualAccount: 'Default', quantity: ordered }])
    const { events } = await onManager<{ events: { type: string }[] }>(['events'])
    expect(events.filter(({ type }) => type === 'SATELLITE_DIVERGED')).toEqual([])
    await server.stop()
  })
})

describe('the programs over months (R-SAT-4, R-AUTH-5)', () => {
  it('show on both sides that synchronization is overdue, restricted and recovered offline', async () => {
    await programs.initAuthority()
    await registerOffline()
    const read = async (time: string) => ({
      satellite: (await onSatellite<SyncStatus>(['sync', 'status'], time)).status,
      manager: (await onManager<{ satellites: { status: string }[] }>(['satellite', 'list'], time))
        .satellites[0]?.status,
    })
    expect(await read('+0d')).toEqual({ satellite: 'current', manager: 'current' })
    expect(await read('+31d')).toEqual({ satellite: 'overdue', manager: 'overdue' })
    expect(await read('+91d')).toEqual({ satellite: 'restricted', manager: 'expired' })
    const { stdout } = await satellite(['sync', 'status'], '+91d')
    expect(stdout).toMatch(/RESTRICTED: no licenses are granted until the next synchronization/)
    const refused = await satellite(['token', 'create', '--days', '30', '--json'], '+91d')
    expect([refused.code, parseError(refused).code]).toEqual([1, 'SATELLITE_OUT_OF_TOUCH'])
    await exchangeOffline('+91d')
    expect(await read('+91d')).toEqual({ satellite: 'current', manager: 'current' })
  })
})
