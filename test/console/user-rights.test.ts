import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserRole } from '../../src/http/user-roles.ts'
import { DAY } from '../../src/core/time.ts'
import { PASSWORD, servePages, signIn, signInFirst, type Visitor } from '../support/pages.ts'
import { runStored } from '../support/stored.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let pages: Awaited<ReturnType<typeof servePages>>
let admin: Visitor
let folder: string

beforeAll(async () => {
  world = await createTestEnvironment()
  pages = await servePages(world)
  admin = await signInFirst(pages.manager.url, pages.manager.firstPasswordFile)
  folder = mkdtempSync(join(tmpdir(), 'sla-mail-'))
  await world.authority.accounts.addVirtualAccount('East')
  await world.authority.accounts.addVirtualAccount('West')
  await world.authority.operations.mail.configure({
    kind: 'folder',
    from: 'licensing@vendor.example',
    folder,
  })
})
afterAll(async () => {
  await pages.close()
  await world.close()
})

/** Lets a daily summary become due, and signs in again, because sessions have ended. */
const passTwoDays = async () => {
  world.clock.advance(2 * DAY)
  admin = await signIn(pages.manager.url, 'admin', PASSWORD)
}

const addUser = async (name: string, role: UserRole, virtualAccount: string | null): Promise<Visitor> => {
  const answer = await admin.mutate('user-add', { name, role, virtualAccount })
  const { oneTimePassword } = JSON.parse(answer.body) as { oneTimePassword: string }
  const first = await signIn(pages.manager.url, name, oneTimePassword)
  await first.mutate('change-password', { current: oneTimePassword, password: PASSWORD })
  return signIn(pages.manager.url, name, PASSWORD)
}

describe('the notifications of a user (R-ACC-7)', () => {
  /** Sends what is due, and returns the recipients of all mails so far. */
  const recipients = async () => {
    await world.authority.operations.notifications.runDue()
    await world.authority.operations.schedules.runDue()
    await world.authority.operations.mail.send()
    return readdirSync(folder).map(
      (name) => /^To: (.*?)\r?$/m.exec(readFileSync(join(folder, name), 'utf8'))?.[1],
    )
  }
  const exceed = async (virtualAccount: string, name: string) => {
    const agent = await world.open(name)
    agent.setUsage('HOST', 7)
    const { token } = await world.authority.tokens.create({ days: 1, virtualAccount })
    await agent.register(token)
  }

  it('end when the user is removed, also those that wait to be sent', async () => {
    const notify = { daily: true, status: true, expiring: [30] }
    for (const name of ['bob@else.example', 'eve@else.example', 'ann@acme.example']) {
      const user = await addUser(name, 'viewer', 'East')
      expect((await user.mutate('notification-set', { ...notify, recipient: name })).status).toBe(200)
    }
    await world.authority.operations.schedules.add({
      kind: 'licenses',
      every: 'day',
      hour: 5,
      to: { recipient: 'ann@acme.example' },
    })
    await exceed('East', 'one')
    for (const name of ['bob@else.example', 'ann@acme.example'])
      expect((await admin.mutate('user-remove', { name })).status).toBe(200)
    await exceed('East', 'two')
    await passTwoDays()
    expect([...new Set(await recipients())]).toEqual(['eve@else.example'])
    expect(await world.authority.operations.schedules.list()).toEqual([])
    const { notifications } = JSON.parse((await admin.query('notifications')).body) as {
      notifications: { recipient: string }[]
    }
    expect(notifications.map(({ recipient }) => recipient)).toEqual(['eve@else.example'])
  })

  it('are not sent about an account to which the user has no access any more', async () => {
    const user = await addUser('joe@else.example', 'viewer', 'West')
    const notify = { daily: true, status: true, recipient: 'joe@else.example' }
    expect((await user.mutate('notification-set', notify)).status).toBe(200)
    await changeScope('joe@else.example', 'East')
    await exceed('West', 'three')
    await passTwoDays()
    expect(await recipients()).not.toContain('joe@else.example')
    await changeScope('joe@else.example', 'West')
    await exceed('West', 'four')
    await passTwoDays()
    expect(await recipients()).toContain('joe@else.example')
  })

  const changeScope = (name: string, virtualAccount: string) =>
    runStored(
      join(world.directory, 'authority'),
      'update users set virtual_account_id = (select id from virtual_accounts where name = ?) where name = ?',
      virtualAccount,
      name,
    )
})

describe('an account administrator (R-ACC-6)', () => {
  it('manages virtual accounts, and neither orders licenses nor authorizes reservation', async () => {
    const manager = await addUser('mary', 'account-administrator', null)
    expect((await manager.mutate('virtual-account-add', { name: 'North' })).status).toBe(200)
    expect(
      (await manager.mutate('token-create', { virtualAccount: 'North', days: 1, agreement: true })).status,
    ).toBe(200)
    for (const [call, input] of [
      ['order-place', { tag: 'HOST', quantity: 1, virtualAccount: 'North' }],
      ['reservation-enable', {}],
      ['user-add', { name: 'mallory', role: 'administrator' }],
      ['mail-set', { kind: 'folder', from: 'x@acme.example', folder: '/tmp/x' }],
      ['sync-respond', { file: 'x' }],
    ] as const)
      expect((await manager.mutate(call, input)).code, call).toBe('PERMISSION_DENIED')
    expect(
      (await admin.mutate('order-place', { tag: 'HOST', quantity: 1, virtualAccount: 'North' })).status,
    ).toBe(200)
  })

  it('is not limited to one virtual account, and does not exist on a device', async () => {
    const input = { name: 'max', role: 'account-administrator', virtualAccount: 'East' }
    expect((await admin.mutate('user-add', input)).code).toBe('INVALID_ARGUMENT')
    const device = await signInFirst(pages.device.url, pages.device.firstPasswordFile)
    const onDevice = { name: 'max', role: 'account-administrator' }
    expect((await device.mutate('user-add', onDevice)).code).toBe('INVALID_ARGUMENT')
  })
})
