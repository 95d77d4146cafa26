import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { DAY } from '../../src/core/time.ts'
import { readNameConstraints } from '../../src/pki/name-constraints.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { openStored } from '../support/stored.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

const MANAGER = 'licensing.vendor.example'
let world: SatelliteEnvironment
let manager: Authority
beforeEach(async () => {
  world = await createSatelliteEnvironment()
  ;({ manager } = world)
  await manager.listen({ host: '127.0.0.1', port: 0, names: [MANAGER, '192.0.2.1'] })
})
afterEach(() => world.close())

const listed = async (name: string) => (await manager.satellites.list()).find((one) => one.name === name)
const certified = async (name = 'branch') => (await listed(name))?.certifiedNames

/** The certificate of the satellite's CA, as the manager has it. */
async function issuingCa(): Promise<string> {
  const stored = await openStored(world.managerDir)
  const [row] = await stored.run('select issuing_ca from satellites')
  await stored.close()
  return String(row?.issuing_ca).trim()
}

/** Serves a satellite under names, and tells those that its certificate is for, and what its log says. */
async function serve(name: string, names: readonly string[]) {
  const said: object[] = []
  const logger = {
    info: () => undefined,
    error: (_message: string, fields?: object) => {
      said.push(fields ?? {})
    },
  }
  const served = await Authority.open({ dataDir: join(world.directory, name), clock: world.clock, logger })
  try {
    const url = await served.listen({ host: '127.0.0.1', port: 0, names })
    const presented = await new Promise<string>((resolve, reject) => {
      const socket = connect({ port: Number(new URL(url).port), rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.subjectAltName ?? '')
        socket.destroy()
      })
      socket.once('error', reject)
    })
    return { presented, said }
  } finally {
    await served.close()
  }
}

describe('the names of a satellite’s servers', () => {
  it('are those that its manager gave it, whatever it asks for', async () => {
    const satellite = await world.addSatellite('branch')
    const tlsNames = ['Licenses.Branch.Example.', '[2001:db8::7]', 'localhost']
    expect((await manager.satellites.configure('branch', { tlsNames })).tlsNames).toEqual([
      '2001:db8::7',
      'licenses.branch.example',
    ])
    await serve('branch', ['elsewhere.example'])
    const { responded } = await exchangeByFile(manager, satellite)
    expect(responded.certifiedNames).toEqual(['2001:db8::7', 'licenses.branch.example'])
    const { presented, said } = await serve('branch', ['licenses.branch.example', 'elsewhere.example'])
    expect(presented).toContain('DNS:licenses.branch.example')
    expect(presented).not.toContain('elsewhere.example')
    expect(said).toContainEqual({ names: expect.arrayContaining(['elsewhere.example']) as string[] })
  })

  it('are those it asks for where its manager gave it none; one without a dot its manager must give', async () => {
    const satellite = await world.addSatellite('branch')
    await serve('branch', ['licenses.branch.example', 'host7', '192.0.2.7'])
    const { responded, imported } = await exchangeByFile(manager, satellite)
    expect(responded.certifiedNames).toEqual(['192.0.2.7', 'licenses.branch.example'])
    expect(imported.notices.join()).toContain('Certificates exclude host7')
    expect((await listed('branch'))?.tlsNames).toBeNull()
  })

  it('are certified anew by the next exchange when they change, and only then', async () => {
    const satellite = await world.addSatellite('branch')
    const first = await exchangeByFile(manager, satellite)
    expect(first.responded.certifiedNames).toEqual([])
    const before = await issuingCa()
    await exchangeByFile(manager, satellite)
    expect(await issuingCa()).toBe(before)
    await manager.satellites.configure('branch', { tlsNames: ['licenses.branch.example'] })
    expect(await certified()).toEqual([])
    await exchangeByFile(manager, satellite)
    expect(await issuingCa()).not.toBe(before)
    expect(await certified()).toEqual(['licenses.branch.example'])
    expect((await serve('branch', ['licenses.branch.example'])).presented).toContain(
      'licenses.branch.example',
    )
    // And taken away again: the server's certificate is made anew without.
    await manager.satellites.configure('branch', { tlsNames: [] })
    await exchangeByFile(manager, satellite)
    const { presented, said } = await serve('branch', ['licenses.branch.example'])
    expect(presented).not.toContain('licenses.branch.example')
    expect(said).toHaveLength(1)
    await manager.satellites.configure('branch', { tlsNames: null })
    expect((await exchangeByFile(manager, satellite)).responded.certifiedNames).toEqual([
      'licenses.branch.example',
    ])
  })

  it('stay as they are while the key of the root is not at hand, and that is said', async () => {
    const satellite = await world.addSatellite('branch')
    await exchangeByFile(manager, satellite)
    await manager.security.trust.exportRootKey('correct horse', () => Promise.resolve())
    await manager.satellites.configure('branch', { tlsNames: ['licenses.branch.example'] })
    const { responded } = await exchangeByFile(manager, satellite)
    expect(responded.certifiedNames).toEqual([])
    expect(responded.notices.join()).toContain('stay as they are')
  })

  it('stay with its CA when the root is replaced', async () => {
    const satellite = await world.addSatellite('branch')
    await manager.satellites.configure('branch', { tlsNames: ['licenses.branch.example'] })
    await exchangeByFile(manager, satellite)
    await manager.security.trust.rotateRoot({ overlapDays: 10 })
    await exchangeByFile(manager, satellite)
    world.clock.advance(11 * DAY)
    const { responded } = await exchangeByFile(manager, satellite)
    expect(responded.certifiedNames).toEqual(['licenses.branch.example'])
    expect((await serve('branch', ['licenses.branch.example'])).presented).toContain(
      'licenses.branch.example',
    )
  })

  it.each([
    ['a name of the manager', MANAGER],
    ['its address', '192.0.2.1'],
    ['a domain of it', 'vendor.example'],
    ['a country of it', 'example'],
  ])('are never %s: neither given nor asked for', async (_, name) => {
    const satellite = await world.addSatellite('branch')
    expect(await getErrorCode(manager.satellites.configure('branch', { tlsNames: [name] }))).toBe(
      'TLS_NAME_OF_MANAGER',
    )
    const other = { virtualAccount: 'Other', tlsNames: [name] }
    expect(await getErrorCode(manager.satellites.add('other', other))).toBe('TLS_NAME_OF_MANAGER')
    await serve('branch', [name])
    expect(await getErrorCode(exchangeByFile(manager, satellite))).toBe('TLS_NAME_OF_MANAGER')
    // Nothing was changed: it is as if it had never asked.
    expect((await listed('branch'))?.fingerprint).toBeNull()
    // A fresh start without the name is the way out.
    await manager.satellites.configure('branch', { tlsNames: [] })
    expect((await exchangeByFile(manager, satellite)).responded.certifiedNames).toEqual([])
    await satellite.security.trust.rotate(['tls'])
    await manager.satellites.configure('branch', { tlsNames: null })
    expect((await exchangeByFile(manager, satellite)).responded.outcome).toBe('accepted')
  })

  it('may be below a name of the manager', async () => {
    const satellite = await world.addSatellite('branch')
    await manager.satellites.configure('branch', { tlsNames: [`branch.${MANAGER}`] })
    await exchangeByFile(manager, satellite)
    expect((await serve('branch', [`branch.${MANAGER}`])).presented).toContain(`branch.${MANAGER}`)
  })

  it('that have become the manager’s since are told to its people, and certified no more', async () => {
    const satellite = await world.addSatellite('branch')
    await manager.satellites.configure('branch', {
      tlsNames: ['new.vendor.example', 'licenses.branch.example'],
    })
    await exchangeByFile(manager, satellite)
    const again = await Authority.open({ dataDir: world.managerDir, clock: world.clock })
    try {
      await again.listen({ host: '127.0.0.1', port: 0, names: ['new.vendor.example'] })
    } finally {
      await again.close()
    }
    const events = (await manager.operations.events.list()).filter(
      ({ type }) => type === 'TLS_NAME_OF_SATELLITE',
    )
    expect(events.map(({ severity, message }) => [severity, message.split(':')[0]])).toEqual([
      ['major', 'branch'],
    ])
    const { responded } = await exchangeByFile(manager, satellite)
    expect(responded.certifiedNames).toEqual(['licenses.branch.example'])
    expect(responded.notices.join()).toContain('new.vendor.example')
  })

  it('that are none are refused where they are given', async () => {
    await world.addSatellite('branch')
    for (const name of ['*.branch.example', 'a b', '1.2.3'])
      expect(await getErrorCode(manager.satellites.configure('branch', { tlsNames: [name] }))).toBe(
        'INVALID_ARGUMENT',
      )
    const many = Array.from({ length: 100 }, (_, i) => `host-${i}.licenses.branch.example`)
    expect(await getErrorCode(manager.satellites.configure('branch', { tlsNames: many }))).toBe(
      'INVALID_ARGUMENT',
    )
    expect(await getErrorCode(serve('branch', ['a b']))).toBe('INVALID_ARGUMENT')
  })

  it('of the manager are excluded in the CA itself', async () => {
    const satellite = await world.addSatellite('branch')
    await exchangeByFile(manager, satellite)
    const constraints = readNameConstraints(new X509Certificate(await issuingCa()))
    expect(constraints?.excluded).toEqual(expect.arrayContaining([MANAGER, '192.0.2.1']))
  })
})
