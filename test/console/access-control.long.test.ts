import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDeviceAuth } from '../../src/console/device-console.ts'
import { ensureInitialPassword } from '../../src/http/initial-password.ts'
import { createAuthorityAuth } from '../../src/console/authority-console.ts'
import { HOUR, MINUTE } from '../../src/core/time.ts'
import { PASSWORD, send, servePages, signIn, signInFirst, type Visitor } from '../support/pages.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let pages: Awaited<ReturnType<typeof servePages>>
let admin: Visitor
let oneTime: string

beforeAll(async () => {
  world = await createTestEnvironment()
  pages = await servePages(world)
  oneTime = readFileSync(pages.device.firstPasswordFile!, 'utf8').trim()
  admin = await signInFirst(pages.device.url, pages.device.firstPasswordFile)
})
afterAll(async () => {
  await pages.close()
  await world.close()
})

const status = '/api/v1/status'
/** Returns user, action and outcome of the newest audit entry. */
const newest = async (): Promise<(string | null)[]> => {
  const { audit } = JSON.parse((await admin.query('audit?limit=1')).body) as {
    audit: { who: string | null; action: string; outcome: string }[]
  }
  const [entry] = audit
  return [entry!.who, entry!.action, entry!.outcome]
}

describe('the device console refuses requests (R-UI-1)', () => {
  const refused = async (
    headers: Record<string, string>,
    code: string,
    number: number,
    who: string | null = null,
  ) => {
    // A repeated refusal is recorded only once a minute.
    world.clock.advance(MINUTE)
    const answer = await send(pages.device.url, status, { headers })
    expect([answer.status, answer.code]).toEqual([number, code])
    expect(answer.body).not.toContain('evaluation')
    expect(await newest()).toEqual([who, 'status', code])
  }

  it('without a session', () => refused({}, 'SIGN_IN_REQUIRED', 401))
  it('with an invalid cookie', () =>
    refused(
      { cookie: admin.cookie.replace(/=.*/, '=AAAA'), 'x-session-token': admin.token },
      'SIGN_IN_REQUIRED',
      401,
    ))
  it('with a stolen cookie alone, even for reading', () =>
    refused({ cookie: admin.cookie }, 'SESSION_TOKEN_INVALID', 403))
  it('with a stolen cookie and a forged token', () =>
    refused({ cookie: admin.cookie, 'x-session-token': 'A'.repeat(43) }, 'SESSION_TOKEN_INVALID', 403))
  it('with a token alone', () => refused({ 'x-session-token': admin.token }, 'SIGN_IN_REQUIRED', 401))
  it('from a page of another site, even with cookie and token', () =>
    refused(
      { cookie: admin.cookie, 'x-session-token': admin.token, origin: 'https://evil.example' },
      'ORIGIN_REFUSED',
      403,
    ))
  it('from another port of this host', () =>
    refused(
      { cookie: admin.cookie, 'x-session-token': admin.token, origin: 'https://127.0.0.1:1' },
      'ORIGIN_REFUSED',
      403,
    ))
  it('from another site without an Origin header', () =>
    refused(
      { cookie: admin.cookie, 'x-session-token': admin.token, 'sec-fetch-site': 'cross-site' },
      'ORIGIN_REFUSED',
      403,
    ))
  it('for a foreign host name (DNS rebinding)', async () => {
    await refused(
      { cookie: admin.cookie, 'x-session-token': admin.token, host: 'evil.example' },
      'HOST_REFUSED',
      421,
    )
    expect((await send(pages.device.url, '/', { headers: { host: 'evil.example' } })).code).toBe(
      'HOST_REFUSED',
    )
  })

  it('without a session before it reads their body', async () => {
    const answer = await send(pages.device.url, '/api/v1/register', { body: { token: 'x'.repeat(300_000) } })
    expect(answer.code).toBe('SIGN_IN_REQUIRED')
  })

  it('but answers valid requests of its own page', async () => {
    const headers = { cookie: admin.cookie, 'x-session-token': admin.token, origin: pages.device.url }
    expect((await send(pages.device.url, status, { headers })).status).toBe(200)
  })
})

describe('signing in (R-UI-1)', () => {
  it('gives the same error for a wrong name and a wrong password, and records neither', async () => {
    for (const name of ['admin', 'mallory']) {
      const answer = await send(pages.device.url, '/api/v1/sign-in', {
        body: { name, password: 'not the right one' },
      })
      expect([answer.status, answer.code]).toEqual([401, 'SIGN_IN_FAILED'])
      expect(await newest()).toEqual([null, 'sign-in', 'SIGN_IN_FAILED'])
      world.clock.advance(MINUTE)
    }
    const record = readFileSync(join(world.directory, 'device', 'console', 'refused.jsonl'), 'utf8')
    // Unknown names are not recorded, because users may type a password into the name field.
    expect(record).toContain('an unknown name')
    expect(record).not.toContain('mallory')
    expect(record).not.toContain('not the right one')
  })

  it('sets a cookie that scripts cannot read and other sites cannot send', async () => {
    const answer = await send(pages.device.url, '/api/v1/sign-in', {
      body: { name: 'admin', password: PASSWORD },
    })
    const [cookie = ''] = answer.headers['set-cookie'] as string[]
    expect(cookie).toMatch(/^__Host-sla-[0-9a-f]+=/)
    for (const word of ['HttpOnly', 'Secure', 'SameSite=Strict', 'Path=/']) expect(cookie).toContain(word)
    expect(cookie).not.toContain('Domain')
  })

  it('with a one-time password only allows changing it', async () => {
    const auth = createDeviceAuth(join(world.directory, 'device'), world.clock)
    const { oneTimePassword } = await auth.add({
      name: 'operator',
      role: 'administrator',
      account: null,
      virtualAccount: null,
    })
    const operator = await signIn(pages.device.url, 'operator', oneTimePassword)
    expect((await operator.query('status')).code).toBe('PASSWORD_CHANGE_REQUIRED')
    expect((await operator.mutate('deregister')).code).toBe('PASSWORD_CHANGE_REQUIRED')
    const change = (password: string) =>
      operator.mutate('change-password', { current: oneTimePassword, password })
    expect((await change('short')).code).toBe('PASSWORD_WEAK')
    expect((await change('operator-operator')).code).toBe('PASSWORD_WEAK')
    expect((await change(oneTimePassword)).code).toBe('PASSWORD_WEAK')
    expect((await change('a good one, really')).status).toBe(200)
    expect((await operator.query('status')).status).toBe(200)
    const again = await send(pages.device.url, '/api/v1/sign-in', {
      body: { name: 'operator', password: oneTimePassword },
    })
    expect(again.code).toBe('SIGN_IN_FAILED')
    // The file with the first user's one-time password is deleted after the change.
    expect(() => readFileSync(pages.device.firstPasswordFile!)).toThrow('ENOENT')
    await auth.remove('operator')
    expect((await operator.query('status')).code).toBe('SIGN_IN_REQUIRED')
  })

  it('stores passwords only as hashes and logs none', () => {
    const users = readFileSync(join(world.directory, 'device', 'console', 'users.json'), 'utf8')
    expect(users).toContain('scrypt$')
    for (const secret of [PASSWORD, oneTime]) expect(users + pages.logged.join()).not.toContain(secret)
  })

  it('creates a session that ends by signing out, a password change elsewhere, or time', async () => {
    const first = await signIn(pages.device.url, 'admin', PASSWORD)
    const second = await signIn(pages.device.url, 'admin', PASSWORD)
    await first.mutate('sign-out')
    expect((await first.query('me')).code).toBe('SIGN_IN_REQUIRED')
    expect((await second.query('me')).status).toBe(200)

    // Another process resets the password, as the command does.
    const auth = createDeviceAuth(join(world.directory, 'device'), world.clock)
    const { oneTimePassword } = await auth.reset('admin')
    expect((await second.query('me')).code).toBe('SIGN_IN_REQUIRED')
    admin = await signIn(pages.device.url, 'admin', oneTimePassword)
    const other = await signIn(pages.device.url, 'admin', oneTimePassword)
    await admin.mutate('change-password', { current: oneTimePassword, password: PASSWORD })
    expect([(await admin.query('me')).status, (await other.query('me')).code]).toEqual([
      200,
      'SIGN_IN_REQUIRED',
    ])

    const idle = await signIn(pages.device.url, 'admin', PASSWORD)
    world.clock.advance(HOUR + MINUTE)
    expect((await idle.query('me')).code).toBe('SIGN_IN_REQUIRED')
    const busy = await signIn(pages.device.url, 'admin', PASSWORD)
    for (let half = 0; half < 24; half++) {
      world.clock.advance(HOUR / 2)
      expect((await busy.query('me')).status).toBe(200)
    }
    world.clock.advance(MINUTE)
    expect((await busy.query('me')).code).toBe('SIGN_IN_REQUIRED')
  })

  it('creates a session that is independent of the wall clock', async () => {
    const visitor = await signIn(pages.device.url, 'admin', PASSWORD)
    const wall = world.clock.wall()
    world.clock.setWall(wall + 1000 * HOUR)
    expect((await visitor.query('me')).status).toBe(200)
    world.clock.setWall(wall)
    admin = visitor
  })
})

describe('the device console sends (R-UI-1)', () => {
  it('a Content Security Policy without foreign and inline sources', async () => {
    const { headers, body } = await send(pages.device.url, '/')
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    expect(headers['x-content-type-options']).toBe('nosniff')
    const [, nonce] = /'nonce-([^']+)'/.exec(policy) ?? []
    expect(body).toContain(`nonce="${nonce}"`)
    expect((await send(pages.device.url, '/')).body).not.toContain(nonce)
  })

  it('compressed assets, and no files outside the assets directory', async () => {
    const { body } = await send(pages.device.url, '/')
    const [, script = ''] = /src="(\/assets\/[^"]+)"/.exec(body) ?? []
    const asset = await send(pages.device.url, script, { headers: { 'accept-encoding': 'br' } })
    expect([asset.status, asset.headers['content-encoding']]).toEqual([200, 'br'])
    for (const path of [
      '/assets/../index.html',
      '/assets/%2e%2e/index.html',
      '/assets/',
      '/console/users.json',
    ])
      expect([404, 403], path).toContain((await send(pages.device.url, path)).status)
  })

  it('server events until the session ends', async () => {
    const visitor = await signIn(pages.device.url, 'admin', PASSWORD)
    const { ended } = await visitor.subscribe()
    await pages.agent.module.hosts.assign('ann')
    pages.agent.tick()
    await visitor.mutate('sign-out')
    await pages.agent.module.hosts.assign('bob')
    pages.agent.tick()
    const { status: number, body } = await ended
    expect(number).toBe(200)
    expect(body).toMatch(/^event: status\ndata: \{"product"/)
    expect(body).toContain('"assigned":1')
    expect(body).not.toContain('"assigned":2')
  })

  it('an error with the field name for invalid input, which changes nothing', async () => {
    const answer = await admin.mutate('transport-set', { kind: 'direct' })
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'INVALID_ARGUMENT', field: 'url' } })
    for (const [type, body] of [
      ['text/plain', '{"token":"x"}'],
      ['application/json', '{'],
      ['application/x-www-form-urlencoded', 'token=x'],
    ] as const) {
      const headers = { cookie: admin.cookie, 'x-session-token': admin.token, 'content-type': type }
      const wrong = await send(pages.device.url, '/api/v1/register', { headers, text: body })
      expect([400, 415], type).toContain(wrong.status)
    }
    expect(pages.agent.status().transport.url).toBe('https://authority.test')
  })
})

describe('authority console roles (R-UI-2)', () => {
  let manager: Visitor
  let viewer: Visitor
  let east: Visitor

  const createVisitor = async (
    name: string,
    role: 'user' | 'viewer',
    virtualAccount: string | null,
  ): Promise<Visitor> => {
    const auth = createAuthorityAuth(world.authority, join(world.directory, 'authority'), world.clock)
    const { oneTimePassword } = await auth.add({ name, role, account: null, virtualAccount })
    const visitor = await signIn(pages.manager.url, name, oneTimePassword)
    await visitor.mutate('change-password', { current: oneTimePassword, password: PASSWORD })
    return visitor
  }

  beforeAll(async () => {
    manager = await signInFirst(pages.manager.url, pages.manager.firstPasswordFile)
    await world.authority.accounts.addVirtualAccount('East')
    await world.authority.accounts.addVirtualAccount('West')
    await world.authority.orders.create({ tag: 'HOST', quantity: 5, virtualAccount: 'East' })
    await world.authority.orders.create({ tag: 'HOST', quantity: 5, virtualAccount: 'West' })
    viewer = await createVisitor('vera', 'viewer', null)
    east = await createVisitor('edna', 'user', 'East')
  })

  const token = { days: 30, agreement: true }

  it('let a viewer read but change nothing, and record refusals', async () => {
    expect((await viewer.query('licenses')).status).toBe(200)
    for (const [call, input] of [
      ['token-create', token],
      ['license-transfer', { tag: 'HOST', quantity: 1, from: 'East', to: 'West' }],
      ['reservation-enable', {}],
      ['user-add', { name: 'x', role: 'administrator' }],
    ] as const)
      expect((await viewer.mutate(call, input)).code, call).toBe('PERMISSION_DENIED')
    const { audit } = JSON.parse((await manager.query('audit?limit=1')).body) as { audit: unknown[] }
    expect(audit[0]).toMatchObject({
      who: 'vera',
      action: 'user-add',
      outcome: 'PERMISSION_DENIED',
    })
  })

  it('hide token texts from users who cannot create tokens (R-TOK-3)', async () => {
    const made = JSON.parse(
      (await manager.mutate('token-create', { ...token, virtualAccount: 'East' })).body,
    ) as {
      token: string
    }
    expect((await manager.query('tokens')).body).toContain(made.token)
    expect((await viewer.query('tokens')).body).not.toContain(made.token)
    expect((await viewer.query('tokens')).body).toContain('"token":null')
  })

  it('limit other users than administrators to their own notifications (R-ACC-7)', async () => {
    const set = { recipient: 'ann@acme.example', status: true }
    expect((await viewer.mutate('notification-set', set)).code).toBe('PERMISSION_DENIED')
    expect((await manager.mutate('notification-set', { ...set, recipient: 'ann@evil.example' })).code).toBe(
      'RECIPIENT_REFUSED',
    )
    const ann = JSON.parse((await manager.mutate('notification-set', set)).body) as { id: string }
    expect((await viewer.query('notifications')).body).toBe('{"notifications":[],"own":null}')
    expect((await viewer.mutate('notification-remove', { id: ann.id })).code).toBe('PERMISSION_DENIED')
    const made = JSON.parse(
      (await manager.mutate('user-add', { name: 'bob@else.example', role: 'viewer', virtualAccount: 'East' }))
        .body,
    ) as { oneTimePassword: string }
    const first = await signIn(pages.manager.url, 'bob@else.example', made.oneTimePassword)
    await first.mutate('change-password', { current: made.oneTimePassword, password: PASSWORD })
    const bob = await signIn(pages.manager.url, 'bob@else.example', PASSWORD)
    expect((await bob.mutate('notification-set', set)).code).toBe('PERMISSION_DENIED')
    const own = { recipient: 'bob@else.example', daily: true }
    const mine = await bob.mutate('notification-set', own)
    expect(JSON.parse(mine.body)).toMatchObject({ virtualAccount: 'East', daily: true })
    expect((await bob.mutate('notification-set', { ...own, virtualAccount: 'West' })).code).toBe(
      'PERMISSION_DENIED',
    )
    expect((await bob.query('notifications')).body).not.toContain('ann@')
    expect((await bob.mutate('notification-remove', { id: ann.id })).code).toBe('NOT_FOUND')
    expect(
      (await bob.mutate('notification-remove', { id: (JSON.parse(mine.body) as { id: string }).id })).status,
    ).toBe(200)
    expect((await manager.mutate('notification-remove', { id: ann.id })).status).toBe(200)
    await manager.mutate('user-remove', { name: 'bob@else.example' })
  })

  it('apply to paginated alerts and to the CSV event log (R-ACC-7)', async () => {
    const page = JSON.parse((await manager.query('alerts?limit=1')).body) as {
      alerts: unknown[]
      total: number
    }
    expect(page.alerts.length).toBe(Math.min(1, page.total))
    expect(
      (JSON.parse((await manager.query(`alerts?skip=${page.total}`)).body) as typeof page).alerts,
    ).toEqual([])
    const { csv } = JSON.parse((await manager.query('events-csv')).body) as { csv: string }
    expect(csv).toMatch(/TOKEN_CREATED,East,,"Token .*",admin\r\n/)
    expect(
      (JSON.parse((await east.query('events-csv')).body) as typeof page & { csv: string }).csv,
    ).not.toContain('West')
    expect((await east.query('events-csv?virtualAccount=West')).code).toBe('PERMISSION_DENIED')
  })

  it('limit a user of one virtual account to its data and actions', async () => {
    const licenses = JSON.parse((await east.query('licenses')).body) as {
      licenses: { virtualAccount: string }[]
    }
    expect(licenses.licenses.map(({ virtualAccount }) => virtualAccount)).toEqual(['East'])
    expect((await east.mutate('token-create', { ...token, virtualAccount: 'East' })).status).toBe(200)
    expect((await east.mutate('token-create', token)).body).toContain('"virtualAccount":"East"')
    const west = JSON.parse(
      (await manager.mutate('token-create', { ...token, virtualAccount: 'West' })).body,
    ) as {
      id: string
    }
    for (const [call, input] of [
      ['token-create', { ...token, virtualAccount: 'West' }],
      ['license-transfer', { tag: 'HOST', quantity: 1, from: 'West', to: 'East' }],
      ['license-transfer', { tag: 'HOST', quantity: 1, from: 'East', to: 'West' }],
      ['virtual-account-add', { name: 'Mine' }],
      ['order-place', { tag: 'HOST', quantity: 1000 }],
      ['instance-write-off', { id: 'x', reason: 'y' }],
    ] as const)
      expect((await east.mutate(call, input)).code, call).toBe('PERMISSION_DENIED')
    // Objects of other virtual accounts are reported as not found.
    expect((await east.mutate('token-revoke', { id: west.id })).code).toBe('NOT_FOUND')
    for (const call of [
      'satellites',
      'licenses?virtualAccount=West',
      'tokens?virtualAccount=West',
      'instances?virtualAccount=West',
      'events?virtualAccount=West',
      'alerts?virtualAccount=West',
      'report?kind=licenses&virtualAccount=West',
      'license-transactions?virtualAccount=West',
      'users',
      'audit',
      'mail',
    ])
      expect((await east.query(call)).code, call).toBe('PERMISSION_DENIED')
    for (const call of [
      'tokens',
      'instances',
      'events',
      'alerts',
      'report?kind=licenses',
      'license-transactions',
      'virtual-accounts',
      'orders',
    ])
      expect((await east.query(call)).body, call).not.toContain('West')
  })

  it('hide instances of other virtual accounts, also by id', async () => {
    await pages.agent.register(await world.token({ virtualAccount: 'West' }))
    const id = pages.agent.status().registration.instanceId!
    expect((await manager.query(`instance?id=${id}`)).status).toBe(200)
    expect((await east.query(`instance?id=${id}`)).code).toBe('NOT_FOUND')
    expect((await east.mutate('instance-remove', { id })).code).toBe('NOT_FOUND')
    expect((await east.mutate('instance-transfer', { id, to: 'East' })).code).toBe('PERMISSION_DENIED')
    expect((await manager.mutate('instance-transfer', { id, to: 'East' })).status).toBe(200)
    expect((await east.query(`instance?id=${id}`)).status).toBe(200)
    expect((await manager.mutate('instance-remove', { id })).status).toBe(200)
  })

  it('leave a user of a removed virtual account without access', async () => {
    await world.authority.accounts.addVirtualAccount('Gone')
    const lost = await createVisitor('gus', 'user', 'Gone')
    await world.authority.accounts.removeVirtualAccount('Gone')
    await world.authority.accounts.addVirtualAccount('Gone')
    expect((await lost.query('licenses')).body).toBe('{"licenses":[]}')
    expect((await lost.mutate('token-create', { ...token, virtualAccount: 'Gone' })).code).toBe(
      'PERMISSION_DENIED',
    )
    expect((await lost.mutate('token-create', token)).code).toBe('NOT_FOUND')
  })

  it('keep the last administrator, and limit no administrator to a virtual account', async () => {
    expect((await manager.mutate('user-remove', { name: 'admin' })).code).toBe('LAST_ADMINISTRATOR')
    expect(
      (await manager.mutate('user-add', { name: 'half', role: 'administrator', virtualAccount: 'East' }))
        .code,
    ).toBe('INVALID_ARGUMENT')
    expect((await manager.mutate('user-add', { name: 'vera', role: 'viewer' })).code).toBe('ALREADY_EXISTS')
  })
})

describe('concurrent user changes (R-UI-2)', () => {
  const auth = () => createAuthorityAuth(world.authority, join(world.directory, 'authority'), world.clock)
  const unlimited = { account: null, virtualAccount: null } as const

  it('end the sign-in of a user who is removed or reset meanwhile', async () => {
    const { oneTimePassword } = await auth().add({ name: 'fired', role: 'administrator', ...unlimited })
    const signingIn = auth().signIn('fired', oneTimePassword, 'one')
    await auth().remove('fired')
    await expect(signingIn).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' })
    expect((await auth().list()).map(({ name }) => name)).not.toContain('fired')

    const { oneTimePassword: old } = await auth().add({ name: 'reset', role: 'viewer', ...unlimited })
    const [, made] = await Promise.all([
      auth()
        .signIn('reset', old, 'one')
        .catch(() => undefined),
      auth().reset('reset'),
    ])
    await expect(auth().signIn('reset', old, 'one')).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' })
    await auth().signIn('reset', made.oneTimePassword, 'one')
  })

  it('prevent two administrators from removing each other, and a duplicate name', async () => {
    const { oneTimePassword } = await auth().add({ name: 'second', role: 'administrator', ...unlimited })
    const second = await signIn(pages.manager.url, 'second', oneTimePassword)
    await second.mutate('change-password', { current: oneTimePassword, password: PASSWORD })
    const removed = await Promise.allSettled([auth().remove('admin'), auth().remove('second')])
    expect(removed.map(({ status: how }) => how).sort()).toEqual(['fulfilled', 'rejected'])
    const added = await Promise.allSettled([
      auth().add({ name: 'twice', role: 'viewer', ...unlimited }),
      auth().add({ name: 'twice', role: 'administrator', ...unlimited }),
    ])
    expect(added.map(({ status: how }) => how).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('create one first user with one password file when two processes start', async () => {
    const fresh = join(world.directory, 'fresh')
    const auths = [createDeviceAuth(fresh, world.clock), createDeviceAuth(fresh, world.clock)]
    const files = await Promise.all(auths.map((auth) => ensureInitialPassword(auth, fresh)))
    const password = readFileSync(files[0]!, 'utf8').trim()
    await auths[0]!.signIn('admin', password, 'one')
  })

  it('do not count correct passwords as failed login attempts', async () => {
    const { oneTimePassword } = await auth().add({ name: 'crowd', role: 'viewer', ...unlimited })
    const service = auth()
    for (let round = 0; round < 3; round++)
      await Promise.all(Array.from({ length: 9 }, () => service.signIn('crowd', oneTimePassword, 'office')))
  })
})

describe('data without a smart account (R-UI-2)', () => {
  it('is visible only to administrators of all smart accounts', async () => {
    await world.authority.accounts.add('other.example', { acceptAgreement: true })
    const waiting = await world.authority.orders.createForBuyer({
      tag: 'HOST',
      quantity: 500,
      buyer: 'buyer@victim.example',
    })
    const auth = createAuthorityAuth(world.authority, join(world.directory, 'authority'), world.clock)
    const { oneTimePassword } = await auth.add({
      name: 'olga',
      role: 'administrator',
      account: 'other.example',
      virtualAccount: null,
    })
    const olga = await signIn(pages.manager.url, 'olga', oneTimePassword)
    await olga.mutate('change-password', { current: oneTimePassword, password: PASSWORD })
    for (const call of ['orders', 'events', 'alerts'])
      expect((await olga.query(call)).body, call).not.toMatch(/victim|ORDER_WAITING|waits for/)
    for (const call of ['mail', 'users', 'audit', 'licenses?account=acme.example'])
      expect((await olga.query(call)).code, call).toBe('PERMISSION_DENIED')
    expect((await olga.mutate('order-assign', { id: waiting.id })).code).toBe('PERMISSION_DENIED')
    expect((await olga.mutate('sync-respond', { file: 'x' })).code).toBe('PERMISSION_DENIED')
  })
})

describe('console hardening (R-UI-1)', () => {
  it('records repeated refusals once a minute and without control characters', async () => {
    const file = join(world.directory, 'device', 'console', 'refused.jsonl')
    const before = readFileSync(file, 'utf8').length
    world.clock.advance(MINUTE)
    const ill = '\u001b]0;owned\u0007\n| forged | row'
    await send(pages.device.url, '/api/v1/sign-in', { body: { name: ill, password: 'x' } })
    const answers = await Promise.all(
      Array.from({ length: 300 }, () => send(pages.device.url, '/', { headers: { host: 'evil.example' } })),
    )
    expect(answers.every(({ code }) => code === 'HOST_REFUSED')).toBe(true)
    const written = readFileSync(file, 'utf8').slice(before)
    expect(written.trim().split('\n').length).toBe(2)
    expect(written).not.toContain('owned')
  })

  it('keeps the agent running when the user list is damaged', async () => {
    const file = join(world.directory, 'device', 'console', 'users.json')
    const good = readFileSync(file, 'utf8')
    const visitor = await signIn(pages.device.url, 'admin', PASSWORD)
    const { ended } = await visitor.subscribe()
    const ending = ended.catch(() => 'broken off')
    writeFileSync(file, '{damaged')
    pages.agent.setUsage('HOST', 3)
    pages.agent.tick()
    expect(await ending).toBe('broken off')
    expect((await visitor.query('me')).status).toBe(500)
    writeFileSync(file, good)
    expect((await visitor.query('me')).status).toBe(200)
  })

  it('records no passwords of URLs', async () => {
    const visitor = await signIn(pages.device.url, 'admin', PASSWORD)
    await visitor.mutate('transport-set', { kind: 'direct', url: 'https://me:hunter2@manager.example' })
    const record = readFileSync(join(world.directory, 'device', 'console', 'audit.jsonl'), 'utf8')
    expect(record).toContain('transport-set')
    expect(record).not.toContain('hunter2')
  })
})

describe('password guessing (R-UI-1)', () => {
  it('is refused with Retry-After after ten wrong passwords in a minute', async () => {
    let answer = await send(pages.device.url, '/api/v1/sign-in', {
      body: { name: 'admin', password: 'guess' },
    })
    for (let guess = 0; guess < 11; guess++)
      answer = await send(pages.device.url, '/api/v1/sign-in', { body: { name: 'admin', password: 'guess' } })
    expect([answer.status, answer.code]).toEqual([429, 'TOO_MANY_REQUESTS'])
    expect(Number(answer.headers['retry-after'])).toBe(60)
    world.clock.advance(MINUTE)
    await signIn(pages.device.url, 'admin', PASSWORD)
  })
})
