import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import type { Authority } from '../../src/authority/index.ts'
import { restoreAuthority } from '../../src/authority/index.ts'
import { DAY } from '../../src/core/time.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'

const { describe, it } = createSampledTests(3)

const PASSPHRASE = 'correct horse battery'
let world: SatelliteEnvironment
let manager: Authority
/** The current satellite. The transport of every device leads to it. */
let satellite: Authority
const devices: Record<string, SmartAgent> = {}

const inDirectory = (name: string) => join(world.directory, name)
const registerDevice = async (name: string, count: number) => {
  const agent = await world.openDevice(() => satellite, name)
  agent.setUsage('HOST', count)
  await agent.register((await satellite.tokens.create({ days: 365 })).token)
  devices[name] = agent
  return agent
}
const settle = async (agent: SmartAgent | undefined, count: number) => {
  agent?.setUsage('HOST', count)
  world.clock.advance(60_000)
  agent?.tick()
  await agent?.idle()
}
const types = async (authority: Authority) =>
  (await authority.operations.events.list()).map(({ type }) => type)
const poolCounts = async (authority: Authority) =>
  (await authority.licenses.list()).map(({ quantity, inUse, reserved }) => [quantity, inUse, reserved])

beforeEach(async () => {
  world = await createSatelliteEnvironment()
  manager = world.manager
  satellite = await world.addSatellite('branch', { online: true })
  await manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'BRANCH' })
  await satellite.sync.run()
  await satellite.reservations.enable()
  await registerDevice('before', 3)
  await satellite.sync.run()
})
afterEach(() => world.close())

/** Replaces the satellite by one restored from a backup in another directory. */
async function restore(backup: Buffer, name = 'restored'): Promise<void> {
  await satellite.close()
  await restoreAuthority({ dataDir: inDirectory(name), backup, passphrase: PASSPHRASE, clock: world.clock })
  satellite = await world.openSatellite(name)
}

describe('backup and restore of a satellite (R-SAT-1)', () => {
  it('writes one encrypted file that is unreadable without its passphrase', async () => {
    const { token } = await satellite.tokens.create({ days: 30, description: 'a description to find' })
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    const text = backup.toString('latin1')
    for (const secret of [token, 'a description to find', 'PRIVATE KEY', 'SQLite format'])
      expect(text).not.toContain(secret)
    const attempt = (passphrase: string, bytes = backup) =>
      getErrorCode(
        restoreAuthority({ dataDir: inDirectory('x'), backup: bytes, passphrase, clock: world.clock }),
      )
    expect(await attempt('another passphrase')).toBe('BACKUP_UNREADABLE')
    for (const at of [0, 40, 60, 80, backup.length - 1]) {
      const damaged = Buffer.from(backup)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      expect(await attempt(PASSPHRASE, damaged)).toBe('BACKUP_UNREADABLE')
    }
    expect(await attempt(PASSPHRASE, backup.subarray(0, 30))).toBe('BACKUP_UNREADABLE')
    expect(await attempt(PASSPHRASE, Buffer.from('hello'))).toBe('BACKUP_UNREADABLE')
    expect(existsSync(inDirectory('x'))).toBe(false)
    expect(await getErrorCode(satellite.operations.backups.create('short'))).toBe('INVALID_ARGUMENT')
    // Neither refused restores nor backups leave temporary files.
    expect(readdirSync(world.directory).filter((name) => name.startsWith('.x'))).toEqual([])
    expect(readdirSync(inDirectory('branch')).filter((name) => name.startsWith('backup'))).toEqual([])
  })

  it('restores into a new directory that only its user can read', async () => {
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    expect(
      await getErrorCode(
        restoreAuthority({ dataDir: inDirectory('branch'), backup, passphrase: PASSPHRASE }),
      ),
    ).toBe('DATA_DIR_EXISTS')
    await restore(backup)
    expect(statSync(inDirectory('restored')).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(inDirectory('restored/keys')))
      expect(statSync(inDirectory(`restored/keys/${name}`)).mode & 0o777).toBe(0o600)
    for (const name of readdirSync(inDirectory('branch/keys')))
      expect(readFileSync(inDirectory(`restored/keys/${name}`), 'utf8')).toBe(
        readFileSync(inDirectory(`branch/keys/${name}`), 'utf8'),
      )
  })

  it('continues in a new epoch, recovers later registrations and counts nothing twice', async () => {
    const { token } = await satellite.tokens.create({ days: 365 })
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    // After the backup a device registers, another one changes its usage, a third one reserves, and the manager learns of it.
    const after = await registerDevice('after', 5)
    await settle(devices.before, 4)
    const sealed = await world.openDevice(() => satellite, 'sealed')
    const request = await sealed.reservation.request()
    const issued = await satellite.reservations.reserve({ request, licenses: { HOST: 6 } })
    await sealed.reservation.install(issued.file)
    await satellite.sync.run()
    expect(await poolCounts(manager)).toEqual([[20, 9, 6]])

    await restore(backup)
    expect(await satellite.sync.status()).toMatchObject({ epoch: 2 })
    expect(await poolCounts(satellite)).toEqual([[20, 3, 0]])
    expect((await satellite.tokens.list()).find((document) => document.token === token)?.status).toBe(
      'revoked',
    )
    // A device that is no longer known is not refused for good, so it stays registered.
    await settle(after, 5)
    world.clock.advance(31 * DAY)
    after.tick()
    await after.idle()
    expect(after.status()).toMatchObject({
      registration: { status: 'registered' },
      authorization: { lastAttempt: { reason: { code: 'AUTHORITY_REJECTED' } } },
    })
    // A device that is known continues.
    devices.before?.tick()
    await devices.before?.idle()
    expect(devices.before?.status().state).toBe('authorized')

    const done = await satellite.sync.run()
    expect(done.outcome).toBe('accepted')
    expect(await types(manager)).toContain('SATELLITE_RESTORED')
    expect(await types(satellite)).toContain('INSTANCE_TAKEN_BACK')
    await satellite.sync.run()
    expect(await poolCounts(satellite)).toEqual([[20, 9, 6]])
    expect(await poolCounts(manager)).toEqual([[20, 9, 6]])
    // The recovered device presents its certificate and continues.
    world.clock.advance(4 * 3_600_000)
    after.tick()
    await after.idle()
    expect(after.status().state).toBe('authorized')
    await settle(after, 7)
    await satellite.sync.run()
    expect(await poolCounts(manager)).toEqual([[20, 11, 6]])
    // Without the key of the device the return code cannot be verified, so an administrator writes the reservation off.
    const code = await sealed.reservation.returnCode()
    expect(await getErrorCode(satellite.reservations.acceptReturnCode(issued.instanceId, code))).toBe(
      'CODE_WRONG',
    )
    await satellite.reservations.writeOff(issued.instanceId, {
      reason: 'returned, after a restore',
      by: 'test',
    })
    await satellite.sync.run()
    expect(await poolCounts(manager)).toEqual([[20, 11, 0]])
  })

  it('does not revive instances and reservations that ended since the backup', async () => {
    await registerDevice('gone', 5)
    const sealed = await world.openDevice(() => satellite, 'sealed')
    const issued = await satellite.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 6 },
    })
    await sealed.reservation.install(issued.file)
    await satellite.sync.run()
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await devices.gone?.deregister()
    await satellite.reservations.acceptReturnCode(issued.instanceId, await sealed.reservation.returnCode())
    await satellite.sync.run()
    expect(await poolCounts(manager)).toEqual([[20, 3, 0]])
    await restore(backup)
    expect(await poolCounts(satellite)).toEqual([[20, 8, 6]])
    await satellite.sync.run()
    await satellite.sync.run()
    expect(await poolCounts(satellite)).toEqual([[20, 3, 0]])
    expect(await poolCounts(manager)).toEqual([[20, 3, 0]])
  })

  it('accepts codes of reservations that were made before the backup', async () => {
    const sealed = await world.openDevice(() => satellite, 'sealed')
    const issued = await satellite.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 6 },
    })
    await sealed.reservation.install(issued.file)
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await restore(backup)
    await satellite.sync.run()
    const updated = await satellite.reservations.update(issued.instanceId, { HOST: 2 })
    const { reservation } = await sealed.reservation.update(updated.file)
    await satellite.reservations.confirm(issued.instanceId, reservation.confirmationCode ?? '')
    await satellite.reservations.acceptReturnCode(issued.instanceId, await sealed.reservation.returnCode())
    await satellite.sync.run()
    expect(await poolCounts(manager)).toEqual([[20, 3, 0]])
  })

  it('is repaired by one offline exchange', async () => {
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await registerDevice('after', 5)
    await satellite.sync.run()
    await restore(backup)
    const { responded, imported } = await exchangeByFile(manager, satellite)
    expect(responded.notices).toContain('The satellite continues in epoch 2.')
    expect(imported).toMatchObject({ outcome: 'accepted', again: true })
    expect(await poolCounts(satellite)).toEqual([[20, 8, 0]])
  })
})

describe('an unannounced copy of the data directory (R-SAT-3)', () => {
  it('is detected at its next synchronization, repaired and counted once', async () => {
    await satellite.close()
    copyDirectory(inDirectory('branch'), inDirectory('copy'))
    satellite = await world.openSatellite('branch')
    await registerDevice('after', 5)
    await satellite.sync.run()
    expect(await poolCounts(manager)).toEqual([[20, 8, 0]])
    await satellite.close()
    // The host is reset to the copy.
    world.clock.advance(DAY)
    satellite = await world.openSatellite('copy')
    const done = await satellite.sync.run()
    expect(done.outcome).toBe('accepted')
    expect(await types(manager)).toEqual(expect.arrayContaining(['SATELLITE_DIVERGED', 'SATELLITE_RESTORED']))
    expect(await types(satellite)).toContain('SYNC_REPAIR')
    expect(await poolCounts(satellite)).toEqual([[20, 8, 0]])
    expect(await poolCounts(manager)).toEqual([[20, 8, 0]])
    // The other copy learns that it is superseded and stops.
    await satellite.close()
    satellite = await world.openSatellite('branch')
    expect(await getErrorCode(satellite.sync.run())).toBe('SYNC_EPOCH_SUPERSEDED')
    expect((await satellite.sync.status()).status).toBe('ended')
    expect(await getErrorCode(satellite.tokens.create({ days: 3 }))).toBe('SATELLITE_OUT_OF_TOUCH')
  })

  it('is asked for a full report in an offline exchange, and repaired by the next one', async () => {
    await satellite.close()
    copyDirectory(inDirectory('branch'), inDirectory('copy'))
    satellite = await world.openSatellite('branch')
    await exchangeByFile(manager, satellite)
    await satellite.close()
    world.clock.advance(DAY)
    satellite = await world.openSatellite('copy')
    const first = await exchangeByFile(manager, satellite)
    expect(first.imported).toMatchObject({ outcome: 'repair' })
    const second = await exchangeByFile(manager, satellite)
    expect(second.imported.outcome).toBe('accepted')
    expect(second.request).toMatch(/^Report: +full$/m)
  })

  it('is rejected by devices that have seen a newer delegation', async () => {
    await satellite.close()
    copyDirectory(inDirectory('branch'), inDirectory('copy'))
    satellite = await world.openSatellite('branch')
    await satellite.sync.run()
    await settle(devices.before, 4)
    await satellite.close()
    satellite = await world.openSatellite('copy')
    world.clock.advance(31 * DAY)
    devices.before?.tick()
    await devices.before?.idle()
    expect(devices.before?.status()).toMatchObject({
      state: 'authorized',
      authorization: { lastAttempt: { reason: { code: 'MANDATE_SUPERSEDED' } } },
    })
    await satellite.sync.run()
    world.clock.advance(4 * 3_600_000)
    devices.before?.tick()
    await devices.before?.idle()
    expect(devices.before?.status().authorization.lastAttempt?.outcome).toBe('succeeded')
  })
})
