import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endpoints } from '../../src/rest/endpoints.ts'
import { unsupportedEndpoints } from '../../src/rest/unsupported-endpoints.ts'
import { CLOUD_V1_PREFIX, CLOUD_V2_PREFIX, type Rest, serveRest } from '../support/rest.ts'
import { createReservationEnvironment } from '../support/reservation-environment.ts'
import { runStored } from '../support/stored.ts'
import type { TestEnvironment } from '../support/test-environment.ts'
import { pickEveryNth, selectScale } from '../support/scale.ts'

let world: TestEnvironment
let rest: Rest
let token: string
beforeAll(async () => {
  world = await createReservationEnvironment(5)
  await world.authority.accounts.addVirtualAccount('Second')
  await world.authority.accounts.add('other.example', { acceptAgreement: true })
  rest = await serveRest(world)
  ;({ token } = await rest.clientToken({ account: 'acme.example' }))
})
afterAll(() => world.close())

const allEndpoints = [...endpoints, ...unsupportedEndpoints]
const V1 = `${CLOUD_V1_PREFIX}/v1/accounts/acme.example`
const pathOf = (route: string, domain = 'acme.example', va = 'Default') =>
  route.replace(':domain', domain).replace(':virtualAccount', va)
const SQL = "x'; drop table tokens; -- %00"

describe('the REST API refuses', () => {
  it('every call in every family without a valid access token', async () => {
    const wrong: Record<string, string>[] = [
      {},
      { authorization: 'Bearer unknown' },
      { authorization: 'Basic eDp5' },
    ]
    for (const { method, urls, anonymousIs403 } of allEndpoints)
      for (const headers of wrong) {
        const answers = urls.map(async (route) => {
          const { status, text } = await rest.send(pathOf(route), { method, headers })
          return [route, status, text]
        })
        const isAnonymous = headers.authorization === undefined
        expect(await Promise.all(answers)).toEqual(
          urls.map((route) => [route, isAnonymous && anonymousIs403(route) ? 403 : 401, '']),
        )
      }
  })

  it('access to other smart accounts, existing or not', async () => {
    for (const { method, urls, scope } of endpoints)
      for (const domain of ['other.example', 'unknown.example']) {
        const [route = ''] = urls
        if (!route.includes(':domain')) continue
        const { status, text } = await rest.send(pathOf(route, domain), {
          method,
          token,
          ...(method === 'POST' && { body: {} }),
        })
        expect([route, scope, status, text]).toEqual([route, scope, 403, ''])
      }
    const seen = [
      await rest.send(`${CLOUD_V1_PREFIX}/v2/accounts`, { token }),
      await rest.send(`${CLOUD_V1_PREFIX}/v2/accounts/search`, { token }),
      await rest.send(`${CLOUD_V2_PREFIX}/pnp/v2/accounts`, { token }),
      await rest.send(`${CLOUD_V2_PREFIX}/accounts/v1/user/search-smart-accounts?userId=x`, { token }),
      await rest.send('/api/v1/upstream_satellites/accounts', { token, body: null }),
    ]
    for (const { status, text } of seen) {
      expect(status).toBe(200)
      expect(text).not.toContain('other.example')
    }
  })

  it('access beyond the virtual account of a client', async () => {
    const { token: kept } = await rest.clientToken({ account: 'acme.example', virtualAccount: 'Second' })
    const ask = (path: string, body?: unknown) =>
      rest.send(path, { token: kept, ...(body !== undefined && { body }) })
    expect((await ask(`${V1}/virtual-accounts/Default/tokens`)).status).toBe(403)
    expect((await ask(`${V1}/virtual-accounts/Second/tokens`)).status).toBe(200)
    expect((await ask(`${V1}/virtual-accounts/Nowhere/tokens`)).status).toBe(403)
    expect((await ask(`${V1}/licenses`, { virtualAccounts: ['Default'] })).status).toBe(403)
    expect((await ask(`${V1}/licenses`, {})).json.licenses).toEqual([])
    expect((await ask(`${V1}/virtual-accounts`, { name: 'Mine' })).status).toBe(403)
    expect((await ask(`${V1}/virtual-accounts`)).json.virtualAccounts).toHaveLength(1)
    const transfer = { licenses: [{ license: 'HOST', quantity: 1, targetVirtualAccount: 'Default' }] }
    expect((await ask(`${V1}/virtual-accounts/Second/licenses/transfer`, transfer)).status).toBe(403)
    // After the virtual account is removed, the client has no access at all.
    await world.authority.accounts.removeVirtualAccount('Second', { account: 'acme.example' })
    expect((await ask(`${V1}/licenses`, {})).json.licenses).toEqual([])
    expect((await ask(`${V1}/virtual-accounts/Default/tokens`)).status).toBe(403)
    await world.authority.accounts.addVirtualAccount('Second', { account: 'acme.example' })
  })

  it('changes by a read-only client', async () => {
    const { token: reader } = await rest.clientToken({ account: 'acme.example', scope: 'read' })
    for (const { method, urls, scope, name } of endpoints) {
      if (scope === 'read') continue
      const { status } = await rest.send(pathOf(urls[0] ?? ''), {
        method,
        token: reader,
        ...(method === 'POST' && { body: {} }),
      })
      expect([name, status]).toEqual([name, 403])
    }
    expect((await rest.send(`${V1}/licenses`, { token: reader, body: {} })).status).toBe(200)
  })
})

describe('the port shared with the console', () => {
  it('serves all calls of the console', async () => {
    const { status, json } = await rest.send('/api/v1/me')
    expect([status, json.error.code]).toEqual([401, 'SIGN_IN_REQUIRED'])
    const described = await rest.send('/api/v1/openapi.json')
    for (const path of Object.keys(described.json.paths as object))
      expect((await rest.send(`/api/v1${path}`)).json?.error?.code).not.toBe(undefined)
    expect((await rest.send('/health')).json).toEqual({ status: 'ok' })
  })

  it('answers known but unsupported calls with an explanation', async () => {
    for (const { method, urls } of unsupportedEndpoints)
      for (const route of urls) {
        const { status, json } = await rest.send(pathOf(route), {
          method,
          token,
          ...(method === 'POST' && { body: {} }),
        })
        expect([route, status]).toEqual([route, 422])
        expect(JSON.stringify(json)).toContain('does not support the call')
      }
  })

  it('answers unknown paths with 404 and no body', async () => {
    for (const path of [
      `${CLOUD_V1_PREFIX}/v1/nothing`,
      `${CLOUD_V1_PREFIX}/v9/accounts`,
      `${CLOUD_V2_PREFIX}/nothing`,
      '/backend/api/v1/x',
      '/api/v1/accounts/x/y/z',
    ]) {
      const { status, text } = await rest.send(path, { token })
      expect([path, status, text]).toEqual([path, 404, ''])
    }
    expect((await rest.send(`${V1}/licenses`, { token, method: 'DELETE' })).status).toBe(404)
  })

  it('returns the request id in every answer', async () => {
    const named = await rest.send(`${V1}/licenses`, {
      token,
      body: {},
      headers: { 'x-request-id': 'mine-1', 'x-correlation-id': 'c-2' },
    })
    expect([named.headers['x-request-id'], named.headers['x-correlation-id']]).toEqual(['mine-1', 'c-2'])
    for (const path of ['/oauth/token', `${CLOUD_V2_PREFIX}/nothing`]) {
      const { headers } = await rest.send(path, { body: {}, headers: { 'x-request-id': '<script>' } })
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    }
  })
})

describe('the REST API with invalid input', () => {
  const state = async () =>
    JSON.stringify([
      await world.authority.accounts.listVirtualAccounts({ account: 'acme.example' }),
      await world.authority.tokens.list({ account: 'acme.example' }),
      await world.authority.licenses.list({ account: 'acme.example' }),
      await world.authority.instances.list({ account: 'acme.example' }),
    ])

  it.each([
    ['truncated JSON', '{"limit":', 'application/json', 400],
    ['an unsupported content type', '<a/>', 'application/xml', 415],
    ['an array', '[]', 'application/json', 400],
    ['a string', '"x"', 'application/json', 400],
    ['a number', '7', 'application/json', 400],
    ['deeply nested JSON', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'application/json', 400],
    [
      'a deeply nested field',
      `{"virtualAccounts":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
      'application/json',
      400,
    ],
    [
      'nesting in an ignored field',
      `{"virtualAccounts":[],"x":${'['.repeat(40)}${']'.repeat(40)}}`,
      'application/json',
      400,
    ],
    [
      'very many values in an ignored field',
      `{"virtualAccounts":[],"x":[${'0,'.repeat(60_000)}0]}`,
      'application/json',
      400,
    ],
    ['an oversized body', `{"x":"${'x'.repeat(1_100_000)}"}`, 'application/json', 413],
    ['a __proto__ key', '{"virtualAccounts":[],"__proto__":{"limit":1}}', 'application/json', 400],
    [
      'a __proto__ key in an ignored field',
      '{"virtualAccounts":[],"x":[{"\\u005f_proto__":{}}]}',
      'application/json',
      400,
    ],
    ['a constructor.prototype key', '{"constructor":{"prototype":{}}}', 'application/json', 400],
    ['an infinite limit', '{"limit":1e400}', 'application/json', 400],
    ['a NUL character', '{"virtualAccounts":["\\u0000"]}', 'application/json', 400],
  ])('refuses %s and changes nothing', async (_, text, type, status) => {
    const before = await state()
    const answer = await rest.send(`${V1}/licenses`, {
      token,
      text,
      method: 'POST',
      headers: { 'content-type': type },
    })
    expect([answer.status, answer.json?.status]).toEqual([status, 'ERROR'])
    expect(answer.json.statusMessage.length).toBeGreaterThan(10)
    expect(await state()).toBe(before)
  })

  it.each([
    ['a missing field', '/tokens', {}, 'expiresAfterDays cannot be used: it is missing.'],
    [
      'a fractional number of days',
      '/tokens',
      { expiresAfterDays: 0.5 },
      'expiresAfterDays cannot be used: not a whole number.',
    ],
    [
      'an unknown license',
      '/licenses/transfer',
      { licenses: [{ license: 'x', quantity: 1, targetVirtualAccount: 'Second' }] },
      'There is no license "x". The licenses are HOST,',
    ],
  ])('refuses %s and names it', async (_, path, body, words) => {
    const { text } = await rest.send(`${V1}/virtual-accounts/Default${path}`, { token, body })
    const { statusMessage, licensesTransferStatus } = JSON.parse(text)
    expect(licensesTransferStatus?.[0].statusMessage ?? statusMessage).toContain(words)
  })

  it.each([
    ['unwrapped', { fromDate: 'x', toDate: '01-JAN-2027' }, 'fromDate'],
    ['wrapped', { data: { fromDate: '01-JAN-2027', toDate: 'x' } }, 'data.toDate'],
  ])('refuses an invalid date, %s', async (_, body, field) => {
    const answer = await rest.send('/v1/software/apis/licensing/v2/get-history', { token, body })
    expect([answer.status, answer.json.status]).toEqual([400, 'FAILED'])
    expect(answer.json.message).toContain(`${field} cannot be used: a day is written`)
  })

  it('names the expected content type for malformed JSON', async () => {
    const answer = await rest.send(`${V1}/licenses`, {
      token,
      text: '{',
      headers: { 'content-type': 'application/json' },
    })
    expect(answer.json.statusMessage).toContain('application/json')
    expect(answer.json.statusMessage).not.toContain('agent')
  })

  it('survives SQL, line breaks and other injections in every text of every call', async () => {
    const before = await state()
    const ill = [SQL, 'a\r\nx-evil: 1', '{{7*7}}', '../../etc/passwd', '\u202e', 'x'.repeat(5_000)]
    const fill = (value: string) => ({
      name: value,
      description: value,
      isDefault: value,
      virtualAccounts: [value],
      severity: [value],
      status: value,
      tokens: [value],
      expiresAfterDays: value,
      softwareTags: [value],
      licenses: [
        {
          license: value,
          quantity: 1,
          targetVirtualAccount: value,
          subsriptionId: value,
          entitlementTag: value,
        },
      ],
      productInstances: [{ sudi: { udiPid: value, udiSerialNumber: value }, targetVirtualAccount: value }],
      productInstacesRemoveRequests: [{ sudi: { udiPid: value, udiSerialNumber: value }, returnCode: value }],
      reservationRequests: [{ reservationCode: value, licenses: [{ entitlementTag: value, quantity: 1 }] }],
      reservationUpdateRequests: [
        {
          sudi: { udiPid: value, udiSerialNumber: value },
          licenses: [{ entitlementTag: value, quantity: 1 }],
        },
      ],
      reservationConfirmationRequests: [
        { sudi: { udiPid: value, udiSerialNumber: value }, confirmationCode: value },
      ],
      data: { nonce: value, tags: [value], timestamp: value },
    })
    for (const value of pickEveryNth(selectScale(3, 1), ill)) {
      const encoded = encodeURIComponent(value.slice(0, 1_000))
      for (const { method, urls, name } of endpoints) {
        // Some of these texts are valid names of virtual accounts.
        if (name === 'virtual-account-create') continue
        const [route = ''] = urls
        for (const va of ['Default', encoded]) {
          const query = `?virtualAccountName=${encoded}&instanceName=${encoded}&udi_serial_number=${encoded}&userId=${encoded}&domain=${encoded}&limit=${encoded}`
          for (const path of [
            pathOf(route, 'acme.example', va),
            `${pathOf(route, 'acme.example', va)}${query}`,
          ]) {
            const { status, headers } = await rest.send(path, {
              method,
              token,
              ...(method === 'POST' && { body: fill(value) }),
            })
            expect([name, value.slice(0, 20), status < 500]).toEqual([name, value.slice(0, 20), true])
            expect(headers['x-evil']).toBe(undefined)
          }
        }
      }
    }
    expect(await state()).toBe(before)
    expect(rest.logged).toEqual([])
  })

  it('accepts SQL syntax but no control characters in the name of a virtual account', async () => {
    const name = "x'; drop table tokens; --"
    expect((await rest.send(`${V1}/virtual-accounts`, { token, body: { name } })).status).toBe(200)
    const path = `${V1}/virtual-accounts/${encodeURIComponent(name)}`
    expect((await rest.send(`${path}/devices`, { token })).json.totalRecords).toBe(0)
    expect((await rest.send(`${path}/delete`, { token, body: {} })).status).toBe(200)
    const evil = await rest.send(`${V1}/virtual-accounts`, { token, body: { name: 'a\r\nb' } })
    expect([evil.status, evil.json.status]).toEqual([400, 'ERROR'])
  })

  it.each([
    `${CLOUD_V1_PREFIX}/v1/accounts/%2e%2e/%2e%2e/licenses`,
    `${CLOUD_V1_PREFIX}/v1/accounts/acme.example%2f..%2fother.example/licenses`,
    `${CLOUD_V1_PREFIX}/v1/accounts/other.example/../acme.example/licenses`,
    `${CLOUD_V1_PREFIX}/v1/accounts/acme.example/virtual-accounts/..%2F..%2Fother.example/tokens`,
    `${CLOUD_V1_PREFIX}/v1/accounts/acme.example%00/licenses`,
    `${CLOUD_V1_PREFIX}/v1/accounts/ACME.EXAMPLE./licenses`,
    `/api/v1/accounts/../me`,
    `${V1}/%6cicenses/../tokens`,
  ])('refuses the path traversal %s', async (path) => {
    const { status, text } = await rest.send(path, { token, body: {} })
    expect([400, 403, 404]).toContain(status)
    expect(text).not.toContain('other.example')
  })

  it('refuses a path that is not valid UTF-8', async () => {
    const { status } = await rest.send(`${V1}/virtual-accounts/%ff%fe/tokens`, { token })
    expect([400, 404]).toContain(status)
    const long = await rest.send(`${V1}/virtual-accounts/${'%F0%9F%98%80'.repeat(100)}/devices`, { token })
    expect(long.status).toBe(404)
  })

  it('refuses a request with two body lengths', async () => {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: rest.to.port, rejectUnauthorized: false }, () => {
        socket.end(
          `POST ${V1}/licenses HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
        )
      })
      let received = ''
      socket.on('data', (part: Buffer) => (received += part.toString()))
      socket.on('close', () => {
        resolve(received)
      })
      socket.on('error', () => {
        resolve(received)
      })
    })
    expect(answer.split('\r\n')[0]).toMatch(/ 400 /)
  })

  it('logs an internal error with its request id and hides the details from the client', async () => {
    const other = await createReservationEnvironment(0)
    const broken = await serveRest(other)
    const { token: known } = await broken.clientToken({ account: 'acme.example' })
    await runStored(join(other.directory, 'authority'), 'alter table licenses rename to gone')
    const { status, text } = await broken.send(`${V1}/licenses`, {
      token: known,
      body: {},
      headers: { 'x-request-id': 'question-7' },
    })
    expect([status, text.includes('licenses')]).toEqual([500, false])
    expect(broken.logged).toEqual([
      expect.stringMatching(/^a request failed .*"requestId":"question-7".*SQLITE_ERROR/),
    ])
    await other.close()
  })

  it('limits the requests of one address with Retry-After', async () => {
    const other = await createReservationEnvironment(0)
    const busy = await serveRest(other, { requests: 20 })
    const answers = []
    for (let i = 0; i < 21; i++) answers.push(await busy.send(`${CLOUD_V2_PREFIX}/x`))
    expect(answers.map(({ status }) => status)).toEqual([...Array.from({ length: 20 }, () => 401), 429])
    const last = answers.at(-1)
    expect(last?.json).toMatchObject({ status: 'ERROR' })
    expect(Number(last?.headers['retry-after'])).toBeGreaterThan(0)
    // The default limit is high enough for programs.
    expect((await rest.send(`${CLOUD_V2_PREFIX}/x`)).headers['x-ratelimit-limit']).toBe('6000')
    await other.close()
  })
})
