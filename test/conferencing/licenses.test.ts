import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { conferencingProfile } from '../../src/conferencing/index.ts'
import type { LicensingError, SmartAgent } from '../../src/index.ts'
import { AgentStore } from '../../src/agent/store.ts'
import { Database } from '../support/sqlite.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

let world: TestEnvironment
let agent: SmartAgent
beforeEach(async () => {
  world = await createTestEnvironment()
  agent = await world.open('device', {
    profile: { ...conferencingProfile, periods: { evaluationSeconds: 90 * 86_400 } },
  })
})
afterEach(() => world.close())

const counts = () => agent.status().hosts
const register = async () => {
  await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
  await agent.register(await world.token())
}
const reported = async () => {
  const [instance] = await world.authority.instances.list()
  return instance?.entitlements.find(({ tag }) => tag === 'HOST')?.count ?? 0
}
const meet = async (id: string, host = id, alternates: string[] = []) => {
  await agent.module.meetings.schedule({ id, host, alternates })
  return agent.module.meetings.start(id)
}

describe('a host license', () => {
  it('R-HOST-1: is assigned when a user first hosts or manually, one per user', async () => {
    expect(await agent.module.hosts.assign('ann@acme.example')).toMatchObject({
      license: 'demo',
      reason: 'manual',
      active: true,
      attendeeOnly: false,
    })
    await meet('weekly', 'bob@acme.example')
    await agent.module.meetings.end('weekly')
    await meet('again', 'bob@acme.example')
    await agent.module.hosts.assign('bob@acme.example')
    expect(agent.module.hosts.find('bob@acme.example')).toMatchObject({ license: 'demo', reason: 'hosting' })
    expect(counts()).toEqual({ assigned: 2, permanent: 0, demo: 2 })
  })

  it('R-HOST-2: is not consumed by attending or by scheduling for another user', async () => {
    await agent.module.meetings.schedule({
      id: 'm',
      host: 'ann',
      scheduledBy: 'secretary',
      alternates: ['bob'],
    })
    expect(counts()?.assigned).toBe(0)
    await agent.module.meetings.start('m', 'ann')
    for (const user of ['bob', 'carol', 'secretary']) await agent.module.meetings.join('m', user)
    expect(counts()?.assigned).toBe(1)
    expect(agent.module.hosts.list()).toMatchObject([{ user: 'ann' }])
  })

  it('R-HOST-3: is released only by deactivation, and assigned again when an activated user hosts', async () => {
    await meet('m', 'ann')
    expect(await getErrorCode(agent.module.hosts.deactivate('ann'))).toBe('HOST_IN_MEETING')
    await agent.module.meetings.end('m')
    await advance(world, agent, 60 * DAY)
    expect(counts()?.assigned).toBe(1)
    await agent.module.hosts.deactivate('ann')
    await agent.module.hosts.deactivate('ann')
    expect(counts()?.assigned).toBe(0)
    expect(await getErrorCode(agent.module.hosts.assign('ann'))).toBe('HOST_DEACTIVATED')
    await agent.module.meetings.schedule({ id: 'n', host: 'bob', alternates: ['carol'] })
    await agent.module.hosts.deactivate('bob')
    expect(await getErrorCode(agent.module.meetings.start('n', 'carol'))).toBe('HOST_DEACTIVATED')
    expect(counts()?.assigned).toBe(0)
    expect(await agent.module.hosts.activate('ann')).toMatchObject({ active: true, license: null })
    await meet('o', 'ann')
    expect(counts()?.assigned).toBe(1)
  })

  it('R-HOST-4: allows two simultaneous meetings, but not a third', async () => {
    await meet('one', 'ann')
    await meet('two', 'ann')
    expect(counts()?.assigned).toBe(1)
    await agent.module.meetings.schedule({ id: 'three', host: 'ann', alternates: ['bob'] })
    expect(await getErrorCode(agent.module.meetings.start('three'))).toBe('HOST_BUSY')
    expect(agent.module.meetings.show('three').status).toBe('scheduled')
    await agent.module.meetings.start('three', 'bob')
    // An alternate host started the third meeting, so the host of record only attends.
    expect(await agent.module.meetings.join('three', 'ann')).toMatchObject({ actingHost: 'bob' })
    await agent.module.meetings.end('one')
    expect(await agent.module.meetings.join('three', 'ann')).toMatchObject({ actingHost: 'ann' })
  })

  it('R-HOST-5: is assigned to an alternate host only in the absence of the host', async () => {
    await meet('both', 'ann', ['bob'])
    await agent.module.meetings.join('both', 'bob')
    expect(counts()?.assigned).toBe(1)
    // The alternate host takes over after the host leaves, and gets a license.
    expect(await agent.module.meetings.leave('both', 'ann')).toMatchObject({ actingHost: 'bob' })
    expect(agent.module.hosts.find('bob')).toMatchObject({ license: 'demo', reason: 'hosting' })
    expect(counts()?.assigned).toBe(2)
  })

  it('R-HOST-6: is assigned to the host of record while the meeting runs, present or not', async () => {
    await agent.module.meetings.schedule({
      id: 'm',
      host: 'ann',
      scheduledBy: 'secretary',
      alternates: ['bob'],
    })
    await agent.module.meetings.start('m', 'bob')
    expect(agent.module.hosts.list().map(({ user }) => user)).toEqual(['ann', 'bob'])
    expect(agent.module.meetings.show('m').present).toEqual(['bob'])
    expect(agent.module.hosts.find('secretary')).toBeNull()
  })

  it('R-HOST-7: is not available to attendee-only accounts', async () => {
    await agent.module.hosts.setAttendeeOnly('guest', true)
    expect(await getErrorCode(agent.module.meetings.schedule({ id: 'a', host: 'guest' }))).toBe(
      'ATTENDEE_ONLY',
    )
    expect(
      await getErrorCode(agent.module.meetings.schedule({ id: 'a', host: 'ann', alternates: ['guest'] })),
    ).toBe('ATTENDEE_ONLY')
    expect(await getErrorCode(agent.module.hosts.assign('guest'))).toBe('ATTENDEE_ONLY')
    await meet('b', 'ann')
    await agent.module.meetings.join('b', 'guest')
    expect(await getErrorCode(agent.module.hosts.setAttendeeOnly('ann', true))).toBe('HOST_LICENSED')
    // The account became attendee-only after the meeting was scheduled.
    await agent.module.meetings.schedule({ id: 'c', host: 'dan', alternates: ['eve'] })
    await agent.module.hosts.setAttendeeOnly('eve', true)
    expect(await getErrorCode(agent.module.meetings.start('c', 'eve'))).toBe('ATTENDEE_ONLY')
    await agent.module.hosts.setAttendeeOnly('guest', false)
    expect(await agent.module.hosts.assign('guest')).toMatchObject({ license: 'demo' })
  })

  it('R-HOST-8: can be used beyond the bought number while registered, which is out of compliance', async () => {
    await register()
    for (const user of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await agent.module.hosts.assign(user)
    expect(counts()).toEqual({ assigned: 7, permanent: 7, demo: 0 })
    await advance(world, agent, MINUTE)
    expect(await reported()).toBe(7)
    expect(agent.status()).toMatchObject({ state: 'out-of-compliance', functionality: 'full' })
    expect(await agent.module.hosts.assign('h')).toMatchObject({ license: 'permanent' })
    await world.authority.orders.create({ tag: 'HOST', quantity: 10 })
    await agent.renewAuthorization()
    expect(agent.status().state).toBe('authorized')
    expect(agent.module.hosts.find('a')).toMatchObject({ license: 'permanent' })
    await agent.module.hosts.deactivate('a')
    expect(counts()).toEqual({ assigned: 7, permanent: 7, demo: 0 })
  })

  it('R-HOST-9: must be covered by the reservation of a reserved device', async () => {
    await world.authority.reservations.enable()
    await world.authority.orders.create({ tag: 'HOST', quantity: 10 })
    for (const user of ['a', 'b', 'c']) await agent.module.hosts.assign(user)
    const request = await agent.reservation.request()
    const { file, instanceId } = await world.authority.reservations.reserve({
      request,
      licenses: { HOST: 2 },
    })
    await agent.reservation.install(file)
    expect(agent.status()).toMatchObject({
      functionality: 'license-management-only',
      hosts: { assigned: 3, permanent: 3 },
    })
    expect(await getErrorCode(agent.module.hosts.assign('d'))).toBe('NOT_AUTHORIZED')
    await agent.module.hosts.deactivate('c')
    expect(agent.status().functionality).toBe('full')
    const more = await world.authority.reservations.update(instanceId, { HOST: 5 })
    await agent.reservation.update(more.file)
    for (const user of ['d', 'e', 'f', 'g']) await getErrorCode(agent.module.hosts.assign(user))
    expect(agent.status()).toMatchObject({ functionality: 'license-management-only', hosts: { assigned: 6 } })
  })

  it('R-EVAL-5: of the evaluation becomes permanent when the product is licensed', async () => {
    await agent.module.hosts.assign('ann')
    await agent.module.hosts.assign('bob')
    await register()
    expect(counts()).toEqual({ assigned: 2, permanent: 2, demo: 0 })
    expect(agent.module.hosts.find('ann')).toMatchObject({ license: 'permanent' })
    await agent.deregister()
    expect(counts()).toEqual({ assigned: 2, permanent: 2, demo: 0 })
    await agent.module.hosts.assign('carol')
    expect(counts()).toEqual({ assigned: 3, permanent: 2, demo: 1 })
    await agent.module.hosts.deactivate('ann')
    await agent.module.hosts.deactivate('carol')
    expect(counts()).toEqual({ assigned: 1, permanent: 1, demo: 0 })
  })

  it('R-EVAL-5: stays permanent or released after a restart', async () => {
    const again = async () => {
      await agent.close()
      agent = await world.open('device')
    }
    await agent.module.hosts.assign('ann')
    await agent.module.hosts.assign('bob')
    await register()
    await again()
    expect(counts()).toEqual({ assigned: 2, permanent: 2, demo: 0 })
    expect(agent.module.hosts.find('ann')).toMatchObject({ license: 'permanent' })
    await agent.module.hosts.deactivate('ann')
    await again()
    expect(counts()).toEqual({ assigned: 1, permanent: 1, demo: 0 })
  })

  it('R-EVAL-1 R-EVAL-4: is unlimited in evaluation, and not available when the evaluation is used up', async () => {
    for (let i = 0; i < 200; i++) await agent.module.hosts.assign(`user${i}`)
    await meet('m', 'user0')
    await advance(world, agent, 91 * DAY)
    expect(agent.status().state).toBe('unregistered')
    for (const action of ['host-assign', 'meeting-start', 'anything']) {
      expect(agent.allows(action)).toEqual({ allowed: false, reason: agent.status().functionalityReason })
    }
    expect(agent.allows('license-register').allowed).toBe(true)
    expect(await getErrorCode(agent.module.hosts.assign('late'))).toBe('EVALUATION_EXPIRED')
    expect(await getErrorCode(meet('n', 'user1'))).toBe('EVALUATION_EXPIRED')
    expect(counts()?.assigned).toBe(200)
    // Releasing licenses and ending meetings is always possible.
    await agent.module.hosts.deactivate('user5')
    const denials = agent.usage.denials()
    expect(denials).toMatchObject([
      { what: 'assign a host license', who: 'late', code: 'EVALUATION_EXPIRED' },
      { what: 'schedule a meeting', who: 'user1', code: 'EVALUATION_EXPIRED' },
    ])
    await register()
    expect(await agent.module.hosts.assign('late')).toMatchObject({ license: 'permanent' })
  })
})

describe('a user of the host ledger', () => {
  const facts = { license: null, reason: null, assignedAt: null, active: true, attendeeOnly: false }

  it('is returned by each operation as a later lookup finds it', async () => {
    const found = async (work: Promise<unknown>, user: string) => {
      const result = await work
      expect(agent.module.hosts.find(user)).toEqual(result)
      return result
    }
    const { hosts } = agent.module
    for (const user of ['ann', 'guest']) {
      await found(hosts.assign(user), user)
      expect(await found(hosts.deactivate(user), user)).toEqual({ user, ...facts, active: false })
    }
    expect(await found(hosts.setAttendeeOnly('guest', true), 'guest')).toMatchObject({
      active: false,
      attendeeOnly: true,
    })
    expect(await found(hosts.deactivate('guest'), 'guest')).toMatchObject({ attendeeOnly: true })
    expect(await found(hosts.activate('guest'), 'guest')).toEqual({
      user: 'guest',
      ...facts,
      attendeeOnly: true,
    })
    expect(await found(hosts.activate('ann'), 'ann')).toEqual({ user: 'ann', ...facts })
    const assigned = await found(hosts.assign('ann'), 'ann')
    expect(await found(hosts.activate('ann'), 'ann')).toEqual(assigned)
    expect(await found(hosts.setAttendeeOnly('ann', false), 'ann')).toEqual(assigned)
    expect(await found(hosts.activate('new'), 'new')).toEqual({ user: 'new', ...facts })
    expect(await found(hosts.setAttendeeOnly('never seen', false), 'never seen')).toEqual({
      user: 'never seen',
      ...facts,
    })
    expect(counts()).toEqual({ assigned: 1, permanent: 0, demo: 1 })
  })
})

describe('the list of hosts', () => {
  const named = (options: Parameters<SmartAgent['module']['hosts']['list']>[0]) =>
    agent.module.hosts.list(options).map(({ user }) => user)

  it('shows licensed or all users by page, with a case-insensitive search', async () => {
    for (const user of ['anna', 'Annika', 'bob', 'hanna']) await agent.module.hosts.assign(user)
    await agent.module.hosts.deactivate('hanna')
    expect(named({})).toEqual(['Annika', 'anna', 'bob'])
    expect(named({ all: true })).toEqual(['Annika', 'anna', 'bob', 'hanna'])
    expect(named({ search: 'ANN' })).toEqual(['Annika', 'anna'])
    expect(named({ search: 'ann', all: true })).toEqual(['Annika', 'anna', 'hanna'])
    expect(named({ search: 'ann', all: true, limit: 2 })).toEqual(['Annika', 'anna'])
    expect(named({ search: 'ann', all: true, limit: 2, after: 'anna' })).toEqual(['hanna'])
    expect(named({ limit: 1, after: 'anna' })).toEqual(['bob'])
    expect(named({ search: 'unknown' })).toEqual([])
  })
})

describe('the usage of a conferencing product', () => {
  it('R-AUTH-1: is the sum of declared and counted usage, reported within a minute', async () => {
    await register()
    agent.setUsage('HOST', 2)
    await agent.module.hosts.assign('ann')
    await agent.module.hosts.assign('bob')
    expect(agent.status().entitlements).toMatchObject([{ tag: 'HOST', count: 4 }])
    await advance(world, agent, MINUTE)
    expect(await reported()).toBe(4)
    agent.setUsage('HOST', 0)
    await agent.module.hosts.deactivate('ann')
    await advance(world, agent, MINUTE)
    expect(await reported()).toBe(1)
  })

  it('R-HOST-1: survives a process crash at any moment once it was acknowledged', async () => {
    await agent.module.hosts.assign('ann')
    await meet('m', 'bob', ['carol'])
    await agent.close()
    const again = await world.open('device')
    expect(again.status().hosts?.assigned).toBe(2)
    expect(again.status().entitlements).toMatchObject([{ tag: 'HOST', count: 2 }])
    expect(again.module.meetings.show('m')).toMatchObject({ status: 'running', actingHost: 'bob' })
    expect(await again.module.meetings.start('m')).toMatchObject({ status: 'running' })
    await again.module.meetings.end('m')
    expect(await again.module.meetings.end('m')).toMatchObject({ status: 'ended' })
    expect(await getErrorCode(again.module.meetings.join('m', 'dan'))).toBe('MEETING_ENDED')
  })

  it('is limited in time for a meeting that is never ended', async () => {
    const meeting = await meet('m', 'ann')
    expect(meeting.endsAtLatest).toBe(new Date(world.clock.wall() + DAY).toISOString())
    await meet('n', 'ann')
    await advance(world, agent, DAY - MINUTE)
    expect(agent.module.meetings.list().length).toBe(2)
    await advance(world, agent, 2 * MINUTE)
    expect(agent.module.meetings.list()).toEqual([])
    expect(agent.module.meetings.show('m').status).toBe('ended')
    await meet('o', 'ann')
  })

  it('is the same for sequential and simultaneous operations', async () => {
    const users = Array.from({ length: 300 }, (_, i) => `user${i}`)
    await Promise.all([...users, ...users].map((user) => agent.module.hosts.assign(user)))
    expect(counts()?.assigned).toBe(300)
    const rows = agent.history(1000).filter(({ event }) => event === 'usage.changed')
    // Simultaneous operations share one transaction.
    expect(rows.length).toBe(1)
    const mixed = await Promise.allSettled([
      agent.module.hosts.assign('x'),
      agent.module.hosts.deactivate('x'),
      agent.module.hosts.assign('x'),
      agent.module.hosts.assign('y'),
    ])
    expect(mixed.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(counts()?.assigned).toBe(301)
  })
})

describe('a failing operation', () => {
  it('fails with its whole transaction on a simulated full disk, without any count', async () => {
    await agent.module.hosts.assign('ann')
    const write = vi.spyOn(AgentStore.prototype, 'write').mockImplementation((name) => {
      throw Object.assign(new Error(name), { code: 'SQLITE_FULL' })
    })
    const all = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) => agent.module.hosts.assign(`user${i}`)),
    )
    write.mockRestore()
    expect(all.every((one) => one.status === 'rejected')).toBe(true)
    expect(counts()).toEqual({ assigned: 1, permanent: 0, demo: 1 })
    await agent.module.hosts.assign('bob')
    await agent.close()
    agent = await world.open('device')
    expect(counts()?.assigned).toBe(2)
    expect(agent.module.hosts.list({ all: true }).map(({ user }) => user)).toEqual(['ann', 'bob'])
    expect(agent.status().entitlements).toMatchObject([{ tag: 'HOST', count: 2 }])
  })

  it('fails with its whole transaction on a really full database', async () => {
    await agent.close()
    const db = new Database(join(world.directory, 'device', 'agent.db'))
    const pages = db.pragma('page_count', { simple: true }) as number
    db.close()
    const pragma = vi.spyOn(Database.prototype, 'pragma')
    agent = await world.open('device', {
      profile: { ...conferencingProfile, periods: { evaluationSeconds: 90 * 86_400 } },
    })
    const [opened] = pragma.mock.contexts as unknown as { pragma: (text: string) => unknown }[]
    pragma.mockRestore()
    opened?.pragma(`max_page_count = ${pages + 3}`)
    const all = await Promise.allSettled(
      Array.from({ length: 900 }, (_, i) => agent.module.hosts.assign(`user${i}`)),
    )
    expect(
      new Set(all.map((one) => (one.status === 'rejected' ? (one.reason as LicensingError).code : 'done'))),
    ).toEqual(new Set(['STORE_FULL']))
    opened?.pragma('max_page_count = 1000000')
    await agent.module.hosts.assign('ann')
    expect(counts()?.assigned).toBe(1)
    expect(agent.module.hosts.list({ all: true }).length).toBe(1)
    expect(agent.status().entitlements).toMatchObject([{ tag: 'HOST', count: 1 }])
  })

  it('fails with AGENT_CLOSED after the agent was closed', async () => {
    await agent.close()
    expect(await getErrorCode(agent.module.hosts.assign('ann'))).toBe('AGENT_CLOSED')
    expect(await getErrorCode(agent.module.system.joinTo('dc1'))).toBe('AGENT_CLOSED')
    expect(await getErrorCode(Promise.resolve().then(() => agent.setUsage('HOST', 1)))).toBe('AGENT_CLOSED')
  })

  it('R-HOST-9: does not exceed a reservation by more than sequential operations would', async () => {
    await world.authority.reservations.enable()
    await world.authority.orders.create({ tag: 'HOST', quantity: 3 })
    const request = await agent.reservation.request()
    await agent.reservation.install(
      (await world.authority.reservations.reserve({ request, licenses: { HOST: 3 } })).file,
    )
    await Promise.allSettled(Array.from({ length: 50 }, (_, i) => agent.module.hosts.assign(`user${i}`)))
    expect(counts()?.assigned).toBe(4)
  })

  it('R-HOST-5: does not prevent a later alternate host from taking over with a license', async () => {
    await agent.module.meetings.schedule({ id: 'm', host: 'h', alternates: ['a'] })
    await agent.module.meetings.start('m')
    await agent.module.meetings.join('m', 'p')
    await agent.module.meetings.leave('m', 'h')
    expect(agent.module.meetings.show('m').actingHost).toBe('h')
    expect(await agent.module.meetings.join('m', 'a')).toMatchObject({ actingHost: 'a' })
    expect(agent.module.hosts.find('a')).toMatchObject({ license: 'demo' })
    // The host of record keeps the license while the meeting runs (R-HOST-6).
    expect(await getErrorCode(agent.module.hosts.deactivate('h'))).toBe('HOST_IN_MEETING')
  })
})

describe('bad input', () => {
  it.each([
    ['empty', ''],
    ['blank', '   '],
    ['10 kB', 'x'.repeat(10_240)],
    ['a control character', 'ann\u0007'],
    ['a line break', 'ann\nbob'],
    ['half a character', 'ann\ud800'],
  ])('with a user name that is %s is refused, and changes nothing', async (_, user) => {
    expect(await getErrorCode(agent.module.hosts.assign(user))).toBe('INVALID_ARGUMENT')
    expect(await getErrorCode(agent.module.hosts.deactivate(user))).toBe('INVALID_ARGUMENT')
    expect(await getErrorCode(agent.module.meetings.schedule({ id: 'm', host: user }))).toBe(
      'INVALID_ARGUMENT',
    )
    expect(await getErrorCode(agent.module.meetings.schedule({ id: user, host: 'ann' }))).toBe(
      'INVALID_ARGUMENT',
    )
    expect(counts()?.assigned).toBe(0)
    expect(agent.module.meetings.list()).toEqual([])
  })

  it('is not a user name in any script; names are normalized to one spelling', async () => {
    const names = ['Ωραία', '山田太郎', 'محمد', 'Ünsal Öz', '🦊', 'O’Brien, "Bob"; drop table hosts', '-rf']
    for (const name of names) await agent.module.hosts.assign(name)
    expect(
      agent.module.hosts
        .list()
        .map(({ user }) => user)
        .sort(),
    ).toEqual([...names].sort())
    await agent.module.hosts.assign('Zoe\u0308')
    await agent.module.hosts.assign('Zo\u00eb ')
    expect(counts()?.assigned).toBe(names.length + 1)
  })

  it('includes meetings that do not exist, have not started, conflict, or end before their start', async () => {
    expect(await getErrorCode(agent.module.meetings.start('unknown'))).toBe('NOT_FOUND')
    expect(
      await getErrorCode(
        agent.module.meetings.schedule({ id: 'm', host: 'ann', startsAt: 2000, endsAt: 1000 }),
      ),
    ).toBe('INVALID_ARGUMENT')
    expect(
      await getErrorCode(agent.module.meetings.schedule({ id: 'm', host: 'ann', startsAt: 'tomorrow' })),
    ).toBe('INVALID_ARGUMENT')
    for (const startsAt of [
      '2026-02-31',
      '2026-02-31T10:00Z',
      '1',
      'Dec 1 2026',
      '2026-12-01T10:00',
      '2026-12-01',
    ])
      expect([
        startsAt,
        await getErrorCode(agent.module.meetings.schedule({ id: 'm', host: 'ann', startsAt })),
      ]).toEqual([startsAt, 'INVALID_ARGUMENT'])
    expect(
      await getErrorCode(
        agent.module.meetings.schedule({ id: 'm', host: 'ann', endsAt: '2020-01-01T00:00Z' }),
      ),
    ).toBe('INVALID_ARGUMENT')
    const times = { startsAt: '2099-12-01T10:00+02:00', endsAt: '2099-12-01T12:00:30.500Z' }
    expect(await agent.module.meetings.schedule({ id: 'timed', host: 'ann', ...times })).toMatchObject({
      startsAt: '2099-12-01T08:00:00.000Z',
      endsAt: '2099-12-01T12:00:30.500Z',
    })
    await agent.module.meetings.schedule({ id: 'm', host: 'ann' })
    expect(await agent.module.meetings.schedule({ id: 'm', host: 'ann' })).toMatchObject({
      status: 'scheduled',
    })
    expect(await getErrorCode(agent.module.meetings.schedule({ id: 'm', host: 'bob' }))).toBe(
      'ALREADY_EXISTS',
    )
    for (const operation of [
      agent.module.meetings.join('m', 'bob'),
      agent.module.meetings.leave('m', 'ann'),
      agent.module.meetings.end('m'),
    ])
      expect(await getErrorCode(operation)).toBe('MEETING_NOT_STARTED')
    expect(await getErrorCode(agent.module.meetings.start('m', 'bob'))).toBe('MEETING_NOT_HOST')
    expect(counts()?.assigned).toBe(0)
  })
})
