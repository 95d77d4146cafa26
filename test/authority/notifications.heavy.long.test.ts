import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import { runAs } from '../../src/authority/events/actor.ts'
import { exportEvents } from '../../src/authority/events/event-export.ts'
import type { Authority } from '../../src/authority/index.ts'
import { DAY, HOUR, MINUTE } from '../../src/core/time.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

let world: TestEnvironment
let authority: Authority
let folder: string
beforeEach(async () => {
  world = await createTestEnvironment()
  authority = world.authority
  folder = mkdtempSync(join(tmpdir(), 'sla-mail-'))
  await authority.operations.mail.configure({ kind: 'folder', from: 'licensing@vendor.example', folder })
})
afterEach(() => world.close())

const ANN = 'ann@acme.example'
const nothing = { daily: false, status: false, expiring: [] as number[] }
/** Number of mails that `mails` has returned so far. */
let seen = 0
beforeEach(() => {
  seen = 0
})
/** Runs due work, sends queued mail, and returns the mails since the previous call. */
async function mails(): Promise<{ to: string; subject: string; text: string }[]> {
  await authority.operations.notifications.runDue()
  await authority.operations.schedules.runDue()
  await authority.operations.mail.send()
  const files = readdirSync(folder).sort((a, b) => parseInt(a) - parseInt(b))
  const fresh = files.slice(seen)
  seen = files.length
  return fresh.map((name) => {
    const text = readFileSync(join(folder, name), 'utf8').replaceAll('=\r\n', '')
    const header = (of: string) =>
      new RegExp(`^${of}: (.*(?:\r\n .*)*)`, 'm').exec(text)?.[1]?.replaceAll('\r\n', '') ?? ''
    return { to: header('To'), subject: header('Subject'), text: text.replaceAll('=3D', '=') }
  })
}
const registerDevice = async (name: string, hosts: number) => {
  const agent = await world.open(name)
  agent.setUsage('HOST', hosts)
  await agent.register(await world.token())
  return agent
}

describe('e-mail notifications (R-ACC-7)', () => {
  it('a Status Notification reports a change of compliance with its counts', async () => {
    await authority.operations.notifications.set({ ...nothing, recipient: ANN, status: true })
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect(await mails()).toEqual([])
    await registerDevice('device', 7)
    const [bad, ...more] = await mails()
    expect(more).toEqual([])
    expect(bad).toMatchObject({
      to: ANN,
      subject: 'Status Notification for acme.example: Default is out of compliance for HOST',
    })
    expect(bad!.text).toContain('HOST: 7 in use, 5 owned.')
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect((await mails()).map(({ subject }) => subject)).toEqual([
      'Status Notification for acme.example: Default is in compliance again for HOST',
    ])
  })

  it('a pool that changes back and forth before a mail is sent is reported once', async () => {
    await authority.operations.notifications.set({ ...nothing, recipient: ANN, status: true })
    const agent = await registerDevice('device', 7)
    await authority.orders.create({ tag: 'HOST', quantity: 7 })
    agent.setUsage('HOST', 8)
    world.clock.advance(HOUR)
    agent.tick()
    await agent.idle()
    expect((await mails()).map(({ subject }) => subject)).toEqual([
      'Status Notification for acme.example: Default is out of compliance for HOST',
    ])
  })

  it('a Status Notification reports new and resolved major alerts but not earlier ones', async () => {
    await authority.orders.create({ tag: 'HOST', quantity: 50 })
    const old = await registerDevice('old', 1)
    world.clock.advance(91 * DAY)
    await authority.operations.notifications.set({ ...nothing, recipient: ANN, status: true })
    const fresh = await registerDevice('new', 1)
    expect(await mails()).toEqual([])
    world.clock.advance(91 * DAY)
    const [come] = await mails()
    expect(come!.subject).toMatch(/^Status Notification for acme.example: 1 new major alerts, 0 resolved$/)
    expect(come!.text).toContain('CWMS-K9:NEW has not been in contact')
    world.clock.advance(MINUTE)
    expect(await mails()).toEqual([])
    for (const agent of [old, fresh]) {
      agent.tick()
      await agent.idle()
    }
    world.clock.advance(11 * MINUTE)
    const [gone] = await mails()
    expect(gone!.subject).toContain('0 new major alerts, 2 resolved')
  })

  it('a subscription to one virtual account reports only that one', async () => {
    await authority.accounts.addVirtualAccount('East')
    const where = { virtualAccount: 'East' }
    await authority.operations.notifications.set(
      { recipient: ANN, daily: true, status: true, expiring: [90] },
      where,
    )
    await registerDevice('device', 7)
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 20 })
    world.clock.advance(MINUTE)
    expect(await mails()).toEqual([])
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 20, virtualAccount: 'East' })
    world.clock.advance(2 * DAY)
    expect((await mails()).map(({ subject }) => subject)).toEqual([
      'Expiring licenses of acme.example: 1',
      'Daily Event Summary for East of acme.example: 2 events',
    ])
    await authority.operations.notifications.list(where)
  })

  it('expiring licenses are reported once per threshold and at their end, in one mail', async () => {
    await authority.operations.notifications.set({ ...nothing, recipient: ANN, expiring: [90, 30] })
    await authority.operations.notifications.set({
      ...nothing,
      recipient: 'bob@eu.acme.example',
      expiring: [60],
    })
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 100 })
    await authority.orders.create({ tag: 'SYS-XL', quantity: 1, termDays: 100 })
    const sent: string[] = []
    for (let day = 0; day <= 101; day++) {
      for (const { to, subject, text } of await mails()) {
        sent.push(`${day} ${to} ${subject}`)
        expect(text).toMatch(/5 of HOST in Default [\s\S]*1 of SYS-XL in Default/)
      }
      world.clock.advance(DAY)
    }
    const subject = 'Expiring licenses of acme.example: 2'
    expect(sent).toEqual([
      `10 ${ANN} ${subject}`,
      `40 bob@eu.acme.example ${subject}`,
      `70 ${ANN} ${subject}`,
      `100 ${ANN} ${subject}`,
      `100 bob@eu.acme.example ${subject}`,
    ])
    const warnings = (await authority.operations.events.list()).filter(({ type }) => type.includes('EXPIR'))
    expect(warnings).toHaveLength(8)
  })

  it('a Daily Event Summary lists the events of a day with their users and is omitted without events', async () => {
    await authority.operations.notifications.set({ ...nothing, recipient: ANN, daily: true })
    await runAs({ kind: 'user', name: 'eve' }, () => authority.accounts.addVirtualAccount('East'))
    await registerDevice('device', 7)
    world.clock.advance(2 * DAY)
    const [summary, ...more] = await mails()
    expect(more).toEqual([])
    expect(summary!.subject).toMatch(/^Daily Event Summary for acme.example: \d events$/)
    expect(summary!.text).toMatch(/1 major, 0 minor, \d informational/)
    expect(summary!.text).toContain('Virtual account East. (eve)')
    world.clock.advance(DAY)
    expect(await mails()).toEqual([])
  })

  it('recipients outside the domain of the smart account and its subdomains are refused', async () => {
    const set = (recipient: string) =>
      getErrorCode(authority.operations.notifications.set({ ...nothing, recipient, daily: true }))
    expect(await set('ann@acme.example')).toBe('no error')
    expect(await set('ann@EU.Acme.example')).toBe('no error')
    for (const other of [
      'ann@example',
      'ann@evilacme.example',
      'ann@acme.example.evil.example',
      'ann@evil.example',
    ])
      expect(await set(other)).toMatch(/RECIPIENT_REFUSED|INVALID_ARGUMENT/)
    expect(await set('acme.example')).toBe('INVALID_ARGUMENT')
    expect(await getErrorCode(authority.operations.notifications.set({ ...nothing, recipient: ANN }))).toBe(
      'INVALID_ARGUMENT',
    )
    expect(
      await getErrorCode(
        authority.operations.notifications.set({ ...nothing, recipient: ANN, expiring: [45] }),
      ),
    ).toBe('INVALID_ARGUMENT')
    expect(await authority.operations.notifications.list()).toHaveLength(2)
  })

  it('setting a subscription again changes it, and removing it drops its queued mail', async () => {
    const { id } = await authority.operations.notifications.set({ ...nothing, recipient: ANN, status: true })
    expect(
      (
        await authority.operations.notifications.set({
          ...nothing,
          recipient: ANN,
          daily: true,
          status: true,
        })
      ).id,
    ).toBe(id)
    await registerDevice('device', 7)
    await authority.operations.notifications.remove(id)
    expect(await mails()).toEqual([])
    expect(await getErrorCode(authority.operations.notifications.remove(id))).toBe('NOT_FOUND')
  })
})

describe('scheduled reports (R-ACC-7)', () => {
  it('are attached to an e-mail once per due time, however late', async () => {
    const { nextAt } = await authority.operations.schedules.add({
      kind: 'licenses',
      every: 'day',
      hour: 6,
      to: { recipient: ANN },
    })
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect(await mails()).toEqual([])
    world.clock.advance(Date.parse(nextAt) - world.clock.wall())
    const [mail, ...more] = await mails()
    expect(more).toEqual([])
    expect(mail!.subject).toBe('Smart Account acme.example: report of licenses')
    expect(mail!.text).toContain(`filename=licenses-acme.example-${nextAt.slice(0, 13)}.csv`)
    const attached = /\.csv\r\n\r\n([A-Za-z0-9+/=\r\n]+)/.exec(mail!.text)?.[1] ?? ''
    expect(Buffer.from(attached, 'base64').toString('utf8')).toContain('Default,HOST,Host License,5')
    world.clock.advance(5 * DAY)
    expect(await mails()).toHaveLength(1)
    expect(await mails()).toHaveLength(0)
  })

  it('are written to a folder under distinct names, and an unwritable folder is refused with FILE_UNWRITABLE', async () => {
    const reports = mkdtempSync(join(tmpdir(), 'sla-reports-'))
    await authority.operations.schedules.add({
      kind: 'usage',
      every: 'week',
      hour: 0,
      to: { folder: reports },
    })
    await authority.operations.schedules.add({
      kind: 'audit-checkpoint',
      every: 'day',
      hour: 0,
      to: { folder: reports },
    })
    const file = join(reports, 'file')
    writeFileSync(file, '')
    expect(
      await getErrorCode(
        authority.operations.schedules.add({
          kind: 'usage',
          every: 'day',
          hour: 0,
          to: { folder: join(file, 'x') },
        }),
      ),
    ).toBe('FILE_UNWRITABLE')
    world.clock.advance(8 * DAY)
    expect(await authority.operations.schedules.runDue()).toBe(2)
    expect(await authority.operations.schedules.runDue()).toBe(0)
    const names = readdirSync(reports).sort()
    expect(names.map((name) => name.replace(/\d{4}-\d\d-\d\dT\d\d/, 'WHEN'))).toEqual([
      'audit-checkpoint-acme.example-WHEN.txt',
      'file',
      'usage-acme.example-WHEN.csv',
    ])
    const checkpoint = readFileSync(join(reports, names[0]!), 'utf8')
    expect(await getErrorCode(authority.security.audit.verify([checkpoint]))).toBe('no error')
    const [first] = await authority.operations.schedules.list()
    await authority.operations.schedules.remove(first!.id)
    expect(await authority.operations.schedules.list()).toHaveLength(1)
    expect(await getErrorCode(authority.operations.schedules.remove(first!.id))).toBe('NOT_FOUND')
  })

  it('are due at their hour every day, every Monday or every first of the month', async () => {
    const due = async (every: 'day' | 'week' | 'month', hour: number) => {
      const to = { folder: join(folder, 'reports') }
      return (await authority.operations.schedules.add({ kind: 'usage', every, hour, to })).nextAt
    }
    const advanceTo = (instant: string) => world.clock.advance(Date.parse(instant) - world.clock.wall())
    advanceTo('2027-11-24T12:30:00Z')
    expect(await due('day', 13)).toBe('2027-11-24T13:00:00.000Z')
    expect(await due('day', 12)).toBe('2027-11-25T12:00:00.000Z')
    expect(await due('week', 6)).toBe('2027-11-29T06:00:00.000Z')
    expect(await due('month', 6)).toBe('2027-12-01T06:00:00.000Z')
    advanceTo('2027-12-01T06:00:00Z')
    expect(await due('month', 6)).toBe('2028-01-01T06:00:00.000Z')
  })

  it('are refused for recipients outside the domain of the smart account', async () => {
    const to = { recipient: 'ann@evil.example' }
    expect(
      await getErrorCode(authority.operations.schedules.add({ kind: 'usage', every: 'day', hour: 0, to })),
    ).toBe('RECIPIENT_REFUSED')
  })
})

describe('the exported event log (R-ACC-7)', () => {
  it('names the user of an action but no user for events caused by the passage of time', async () => {
    const eve = { kind: 'user', name: 'eve' } as const
    await runAs(eve, () => authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 100 }))
    world.clock.advance(20 * DAY)
    const events = await runAs(eve, () => authority.operations.events.list())
    expect(events.slice(-2).map(({ type, who }) => [type, who])).toEqual([
      ['LICENSES_ORDERED', 'eve'],
      ['LICENSES_EXPIRING', null],
    ])
  })

  it('contains every entry of the requested period once, with its user', async () => {
    await runAs({ kind: 'command-line', name: 'root' }, () =>
      authority.accounts.addVirtualAccount('East, "far"'),
    )
    for (let i = 0; i < 1200; i++) {
      world.clock.advance(1000)
      await world.token()
    }
    const text = async (format: 'csv' | 'jsonl', filter = {}) => {
      let all = ''
      for await (const part of exportEvents(authority.operations.events.export(filter), format)) all += part
      return all
    }
    const events = await authority.operations.events.list({ limit: 5000 })
    const csv = await text('csv')
    expect(csv.split('\r\n')).toHaveLength(events.length + 2)
    expect(csv).toContain('"Virtual account East, ""far"".",root (command line)')
    const lines = (await text('jsonl')).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(events)
    const now = world.clock.wall()
    const some = await text('jsonl', { since: now - 10_000, until: now })
    expect(some.trimEnd().split('\n')).toHaveLength(10)
  })
})
