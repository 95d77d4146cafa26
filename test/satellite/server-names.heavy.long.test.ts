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

const listed = async (name: string) =>
  (await manager.satellites.list()).find((satellite) => satellite.name === name)
const readCertifiedNames = async (name = 'branch') => (await listed(name))?.certifiedNames

/** Reads the CA certificate of the satellite from the database of the manager. */
async function readIssuingCa(): Promise<string> {
  const stored = await openStored(world.managerDir)
  const [row] = await stored.run('select issuing_ca from satellites')
  await stored.close()
  return String(row?.issuing_ca).trim()
}

/** Serves a satellite under names. Returns the names in its certificate and the fields of its logged errors. */
async function serve(name: string, names: readonly string[]) {
  const loggedErrors: object[] = []
  const logger = {
    info: () => undefined,
    error: (_message: string, fields?: object) => {
      loggedErrors.push(fields ?? {})
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
    return { presented, loggedErrors }
  } finally {
    await served.close()
  }
}

describe('the TLS names of a satellite', () => {
  it('are those configured at its manager, whatever the satellite requests', async () => {
    const satellite = await world.addSatellite('branch')
    const tlsNames = ['Licenses.Branch.Example.', '[2001:db8::7]', 'localhost']
    expect((await manager.satellites.configure('branch', { tlsNames })).tlsNames).toEqual([
      '2001:db8::7',
      'licenses.branch.example',
    ])
    await serve('branch', ['elsewhere.example'])
    const { responded } = await exchangeByFile(manager, satellite)
    expect(responded.certifiedNames).toEqual(['2001:db8::7', 'licenses.branch.example'])
    const { presented, loggedErrors } = await serve('branch', [
      'licenses.branch.example',
      'elsewhere.example',
    ])
    expect(presented).toContain('DNS:licenses.branch.example')
    expect(presented).not.toContain('elsewhere.example')
    expect(loggedErrors).toContainEqual({ names: expect.arrayContaining(['elsewhere.example']) as string[] })
  })

  it('are those that the satellite requests when none are configured, except names without a dot', async () => {
    const satellite = await world.addSatellite('branch')
    await serve('branch', ['licenses.branch.example', 'host7', '192.0.2.7'])
    const { responded, imported } = await exchangeByFile(manager, satellite)
    expect(responded.certifiedNames).toEqual(['192.0.2.7', 'licenses.branch.example'])
    expect(imported.notices.join()).toContain('The certificates of the satellite exclude host7')
    expect((await listed('branch'))?.tlsNames).toBeNull()
  })

  it('are certified again by the next exchange only when they change', async () => {
    const satellite = await world.addSatellite('branch')
    const first = await exchangeByFile(manager, satellite)
    expect(first.responded.certifiedNames).toEqual([])
    const before = await readIssuingCa()
    await exchangeByFile(manager, satellite)
    expect(await readIssuingCa()).toBe(before)
    await manager.satellites.configure('branch', { tlsNames: ['licenses.branch.example'] })
    expect(await readCertifiedNames()).toEqual([])
    await exchangeByFile(manager, satellite)
    expect(await readIssuingCa()).not.toBe(before)
    expect(await readCertifiedNames()).toEqual(['licenses.branch.example'])
    expect((await serve('branch', ['licenses.branch.example'])).presented).toContain(
      'licenses.branch.example',
    )
    // Without configured names the server gets a certificate without them.
    await manager.satellites.configure('branch', { tlsNames: [] })
    await exchangeByFile(manager, satellite)
    const { presented, loggedErrors } = await serve('branch', ['licenses.branch.example'])
    expect(presented).not.toContain('licenses.branch.example')
    expect(loggedErrors).toHaveLength(1)
    await manager.satellites.configure('branch', { tlsNames: null })
    expect((await exchangeByFile(manager, satellite)).responded.certifiedNames).toEqual([
      'licenses.branch.example',
    ])
  })

  it('stay unchanged, with a notice, while the root key is absent', async () => {
    const satellite = await world.addSatellite('branch')
    await exchangeByFile(manager, satellite)
    await manager.security.trust.exportRootKey('correct horse', () => Promise.resolve())
    await manager.satellites.configure('branch', { tlsNames: ['licenses.branch.example'] })
    const { responded } = await exchangeByFile(manager, satellite)
    expect(responded.certifiedNames).toEqual([])
    expect(responded.notices.join()).toContain('are unchanged')
  })

  it('are kept when the root is replaced', async () => {
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
    ['an address of the manager', '192.0.2.1'],
    ['a parent domain of the manager', 'vendor.example'],
    ['the top-level domain of the manager', 'example'],
  ])('can be neither configured nor requested to be %s', async (_, name) => {
    const satellite = await world.addSatellite('branch')
    expect(await getErrorCode(manager.satellites.configure('branch', { tlsNames: [name] }))).toBe(
      'TLS_NAME_OF_MANAGER',
    )
    const other = { virtualAccount: 'Other', tlsNames: [name] }
    expect(await getErrorCode(manager.satellites.add('other', other))).toBe('TLS_NAME_OF_MANAGER')
    await serve('branch', [name])
    expect(await getErrorCode(exchangeByFile(manager, satellite))).toBe('TLS_NAME_OF_MANAGER')
    // The refused request changed nothing.
    expect((await listed('branch'))?.fingerprint).toBeNull()
    // The satellite recovers with a certificate without the name.
    await manager.satellites.configure('branch', { tlsNames: [] })
    expect((await exchangeByFile(manager, satellite)).responded.certifiedNames).toEqual([])
    await satellite.security.trust.rotate(['tls'])
    await manager.satellites.configure('branch', { tlsNames: null })
    expect((await exchangeByFile(manager, satellite)).responded.outcome).toBe('accepted')
  })

  it('may be subdomains of a name of the manager', async () => {
    const satellite = await world.addSatellite('branch')
    await manager.satellites.configure('branch', { tlsNames: [`branch.${MANAGER}`] })
    await exchangeByFile(manager, satellite)
    expect((await serve('branch', [`branch.${MANAGER}`])).presented).toContain(`branch.${MANAGER}`)
  })

  it('are reported and no longer certified once the manager uses them', async () => {
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

  it('are refused when they are invalid or too many', async () => {
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

  it('of the manager are excluded by the name constraints of the CA', async () => {
    const satellite = await world.addSatellite('branch')
    await exchangeByFile(manager, satellite)
    const constraints = readNameConstraints(new X509Certificate(await readIssuingCa()))
    expect(constraints?.excluded).toEqual(expect.arrayContaining([MANAGER, '192.0.2.1']))
  })
})
