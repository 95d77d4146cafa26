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
/** The satellite that runs now: boxes reach whichever that is. */
let satellite: Authority
const boxes: Record<string, SmartAgent> = {}

const join_ = (name: string) => join(world.directory, name)
const box = async (name: string, count: number) => {
  const agent = await world.box(() => satellite, name)
  agent.setUsage('HOST', count)
  await agent.register((await satellite.tokens.create({ days: 365 })).token)
  boxes[name] = agent
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
const sums = async (authority: Authority) =>
  (await authority.licenses.list()).map(({ quantity, inUse, reserved }) => [quantity, inUse, reserved])

beforeEach(async () => {
  world = await createSatelliteEnvironment()
  manager = world.manager
  satellite = await world.addSatellite('branch', { online: true })
  await manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'BRANCH' })
  await satellite.sync.run()
  await satellite.reservations.enable()
  await box('before', 3)
  await satellite.sync.run()
})
afterEach(() => world.close())

/** The satellite as it was when the backup was made, in another directory. */
async function restore(backup: Buffer, name = 'restored'): Promise<void> {
  await satellite.close()
  await restoreAuthority({ dataDir: join_(name), backup, passphrase: PASSPHRASE, clock: world.clock })
  satellite = await world.openSatellite(name)
}

describe('R-SAT-1: backup and restore of a satellite', () => {
  it('is one file, sealed: nothing of it can be read without its passphrase', async () => {
    const { token } = await satellite.tokens.create({ days: 30, description: 'a description to find' })
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    const text = backup.toString('latin1')
    for (const secret of [token, 'a description to find', 'PRIVATE KEY', 'SQLite format'])
      expect(text).not.toContain(secret)
    const attempt = (passphrase: string, bytes = backup) =>
      getErrorCode(restoreAuthority({ dataDir: join_('x'), backup: bytes, passphrase, clock: world.clock }))
    expect(await attempt('another passphrase')).toBe('BACKUP_UNREADABLE')
    for (const at of [0, 40, 60, 80, backup.length - 1]) {
      const damaged = Buffer.from(backup)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      expect(await attempt(PASSPHRASE, damaged)).toBe('BACKUP_UNREADABLE')
    }
    expect(await attempt(PASSPHRASE, backup.subarray(0, 30))).toBe('BACKUP_UNREADABLE')
    expect(await attempt(PASSPHRASE, Buffer.from('hello'))).toBe('BACKUP_UNREADABLE')
    expect(existsSync(join_('x'))).toBe(false)
    expect(await getErrorCode(satellite.operations.backups.create('short'))).toBe('INVALID_ARGUMENT')
    // What was refused, and what was made, leaves nothing lying about.
    expect(readdirSync(world.directory).filter((name) => name.startsWith('.x'))).toEqual([])
    expect(readdirSync(join_('branch')).filter((name) => name.startsWith('backup'))).toEqual([])
  })

  it('is restored into a directory of its own, for its user alone', async () => {
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    expect(
      await getErrorCode(restoreAuthority({ dataDir: join_('branch'), backup, passphrase: PASSPHRASE })),
    ).toBe('DATA_DIR_EXISTS')
    await restore(backup)
    expect(statSync(join_('restored')).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(join_('restored/keys')))
      expect(statSync(join_(`restored/keys/${name}`)).mode & 0o777).toBe(0o600)
    for (const name of readdirSync(join_('branch/keys')))
      expect(readFileSync(join_(`restored/keys/${name}`), 'utf8')).toBe(
        readFileSync(join_(`branch/keys/${name}`), 'utf8'),
      )
  })

  it('goes on in an epoch of its own; what was registered since comes back, and nothing counts twice', async () => {
    const { token } = await satellite.tokens.create({ days: 365 })
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    // What happens after the backup: a box registers, one goes, one reserves; the manager hears of all of it.
    const after = await box('after', 5)
    await settle(boxes.before, 4)
    const sealed = await world.box(() => satellite, 'sealed')
    const request = await sealed.reservation.request()
    const issued = await satellite.reservations.reserve({ request, licenses: { HOST: 6 } })
    await sealed.reservation.install(issued.file)
    await satellite.sync.run()
    expect(await sums(manager)).toEqual([[20, 9, 6]])

    await restore(backup)
    expect(await satellite.sync.status()).toMatchObject({ epoch: 2 })
    expect(await sums(satellite)).toEqual([[20, 3, 0]])
    expect((await satellite.tokens.list()).find((one) => one.token === token)?.status).toBe('revoked')
    // A box that is not known any more is not refused: it waits.
    await settle(after, 5)
    world.clock.advance(31 * DAY)
    after.tick()
    await after.idle()
    expect(after.status()).toMatchObject({
      registration: { status: 'registered' },
      authorization: { lastAttempt: { reason: { code: 'AUTHORITY_REJECTED' } } },
    })
    // One that has gone on since is taken as it is.
    boxes.before?.tick()
    await boxes.before?.idle()
    expect(boxes.before?.status().state).toBe('authorized')

    const done = await satellite.sync.run()
    expect(done.outcome).toBe('accepted')
    expect(await types(manager)).toContain('SATELLITE_RESTORED')
    expect(await types(satellite)).toContain('INSTANCE_TAKEN_BACK')
    await satellite.sync.run()
    expect(await sums(satellite)).toEqual([[20, 9, 6]])
    expect(await sums(manager)).toEqual([[20, 9, 6]])
    // The box that was taken back shows its certificate, and goes on.
    world.clock.advance(4 * 3_600_000)
    after.tick()
    await after.idle()
    expect(after.status().state).toBe('authorized')
    await settle(after, 7)
    await satellite.sync.run()
    expect(await sums(manager)).toEqual([[20, 11, 6]])
    // The reservation is frozen: without the box's key its code cannot be checked, and a person ends it.
    const code = await sealed.reservation.returnCode()
    expect(await getErrorCode(satellite.reservations.acceptReturnCode(issued.instanceId, code))).toBe(
      'CODE_WRONG',
    )
    await satellite.reservations.writeOff(issued.instanceId, {
      reason: 'returned, after a restore',
      by: 'test',
    })
    await satellite.sync.run()
    expect(await sums(manager)).toEqual([[20, 11, 0]])
  })

  it('what had ended since the backup does not come back with it', async () => {
    await box('gone', 5)
    const sealed = await world.box(() => satellite, 'sealed')
    const issued = await satellite.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 6 },
    })
    await sealed.reservation.install(issued.file)
    await satellite.sync.run()
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await boxes.gone?.deregister()
    await satellite.reservations.acceptReturnCode(issued.instanceId, await sealed.reservation.returnCode())
    await satellite.sync.run()
    expect(await sums(manager)).toEqual([[20, 3, 0]])
    await restore(backup)
    expect(await sums(satellite)).toEqual([[20, 8, 6]])
    await satellite.sync.run()
    await satellite.sync.run()
    expect(await sums(satellite)).toEqual([[20, 3, 0]])
    expect(await sums(manager)).toEqual([[20, 3, 0]])
  })

  it('codes of reservations from before the backup are good after it', async () => {
    const sealed = await world.box(() => satellite, 'sealed')
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
    expect(await sums(manager)).toEqual([[20, 3, 0]])
  })

  it('by hand too: one exchange repairs', async () => {
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await box('after', 5)
    await satellite.sync.run()
    await restore(backup)
    const { responded, imported } = await exchangeByFile(manager, satellite)
    expect(responded.notices).toContain('The satellite continues in epoch 2.')
    expect(imported).toMatchObject({ outcome: 'accepted', again: true })
    expect(await sums(satellite)).toEqual([[20, 8, 0]])
  })
})

describe('R-SAT-3: a copy of the directory that nobody told of', () => {
  it('is noticed at its next synchronization, repaired, and counts nothing twice', async () => {
    await satellite.close()
    copyDirectory(join_('branch'), join_('copy'))
    satellite = await world.openSatellite('branch')
    await box('after', 5)
    await satellite.sync.run()
    expect(await sums(manager)).toEqual([[20, 8, 0]])
    await satellite.close()
    // The machine is set back to the copy.
    world.clock.advance(DAY)
    satellite = await world.openSatellite('copy')
    const done = await satellite.sync.run()
    expect(done.outcome).toBe('accepted')
    expect(await types(manager)).toEqual(expect.arrayContaining(['SATELLITE_DIVERGED', 'SATELLITE_RESTORED']))
    expect(await types(satellite)).toContain('SYNC_REPAIR')
    expect(await sums(satellite)).toEqual([[20, 8, 0]])
    expect(await sums(manager)).toEqual([[20, 8, 0]])
    // The other copy is told that it is one, and does nothing more.
    await satellite.close()
    satellite = await world.openSatellite('branch')
    expect(await getErrorCode(satellite.sync.run())).toBe('SYNC_EPOCH_SUPERSEDED')
    expect((await satellite.sync.status()).status).toBe('ended')
    expect(await getErrorCode(satellite.tokens.create({ days: 3 }))).toBe('SATELLITE_OUT_OF_TOUCH')
  })

  it('by hand, the answer asks for everything, and the next exchange repairs', async () => {
    await satellite.close()
    copyDirectory(join_('branch'), join_('copy'))
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

  it('boxes do not believe a copy that is behind what they have seen', async () => {
    await satellite.close()
    copyDirectory(join_('branch'), join_('copy'))
    satellite = await world.openSatellite('branch')
    await satellite.sync.run()
    await settle(boxes.before, 4)
    await satellite.close()
    satellite = await world.openSatellite('copy')
    world.clock.advance(31 * DAY)
    boxes.before?.tick()
    await boxes.before?.idle()
    expect(boxes.before?.status()).toMatchObject({
      state: 'authorized',
      authorization: { lastAttempt: { reason: { code: 'MANDATE_SUPERSEDED' } } },
    })
    await satellite.sync.run()
    world.clock.advance(4 * 3_600_000)
    boxes.before?.tick()
    await boxes.before?.idle()
    expect(boxes.before?.status().authorization.lastAttempt?.outcome).toBe('succeeded')
  })
})
