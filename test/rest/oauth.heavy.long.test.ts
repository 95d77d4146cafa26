import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { PASSWORD, signInFirst } from '../support/pages.ts'
import { CLOUD_V1_PREFIX, type Rest, serveRest } from '../support/rest.ts'
import { readAllStored } from '../support/stored.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(2)

let world: TestEnvironment
let rest: Rest
let client: { clientId: string; clientSecret: string }
beforeEach(async () => {
  world = await createTestEnvironment()
  rest = await serveRest(world)
  client = await world.authority.security.apiClients.create()
})
afterEach(() => world.close())

const PATHS = ['/as/token.oauth2', '/oauth2/default/v1/token', '/oauth/token', '/backend/oauth/token']
const credentials = () => ({
  grant_type: 'client_credentials',
  client_id: client.clientId,
  client_secret: client.clientSecret,
})
const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
const accounts = (token: string) => rest.send(`${CLOUD_V1_PREFIX}/v2/accounts`, { token })

describe('an access token is issued', () => {
  it.each(PATHS)('at %s, for JSON, a form, a query and HTTP Basic', async (path) => {
    const query = new URLSearchParams(credentials()).toString()
    const answers = [
      await rest.send(path, { body: credentials() }),
      await rest.send(path, { form: credentials() }),
      await rest.send(`${path}?${query}`, { method: 'POST' }),
      await rest.send(path, {
        form: { grant_type: 'client_credentials' },
        headers: { authorization: basic(client.clientId, client.clientSecret) },
      }),
      // Some clients send JSON without a content type.
      await rest.send(path, { text: JSON.stringify(credentials()), method: 'POST' }),
    ]
    for (const answer of answers) {
      expect(answer.status).toBe(200)
      expect(answer.json).toEqual({
        access_token: expect.stringMatching(/^[\w-]{43}$/),
        token_type: 'Bearer',
        expires_in: 3599,
      })
      expect(answer.headers['cache-control']).toBe('no-store')
      expect((await accounts(answer.json.access_token)).status).toBe(200)
    }
  })

  it('for the password of a console user, with the access of that user', async () => {
    await signInFirst(rest.url, rest.firstPasswordFile)
    const grant = { grant_type: 'password', username: 'admin', password: PASSWORD }
    for (const sent of [{ body: grant }, { form: grant }]) {
      const { status, json } = await rest.send('/oauth/token', sent)
      expect([status, json.expires_in]).toEqual([200, 3599])
      expect((await accounts(json.access_token)).json.accounts).toHaveLength(1)
    }
    const byClient = await rest.send('/as/token.oauth2', {
      form: grant,
      headers: { authorization: basic(client.clientId, client.clientSecret) },
    })
    expect(byClient.status).toBe(200)
    const wrongClient = await rest.send('/as/token.oauth2', {
      form: grant,
      headers: { authorization: basic(client.clientId, 'wrong') },
    })
    expect([wrongClient.status, wrongClient.json.error]).toEqual([401, 'invalid_client'])
    // A password change revokes the tokens of the old password.
    const { json } = await rest.send('/oauth/token', { body: grant })
    const admin = await world.authority.security.users.find('admin')
    await world.authority.security.users.change('admin', admin!.password, { password: 'another hash' })
    expect((await accounts(json.access_token)).status).toBe(401)
  })

  it('not for a one-time password', async () => {
    const password = readFileSync(rest.firstPasswordFile!, 'utf8').trim()
    const { status, json } = await rest.send('/oauth/token', {
      body: { grant_type: 'password', username: 'admin', password },
    })
    expect([status, json.error]).toEqual([400, 'invalid_grant'])
  })
})

describe('an access token is refused', () => {
  it.each([
    ['a wrong secret', () => ({ ...credentials(), client_secret: 'x' }), 401, 'invalid_client'],
    ['an unknown client', () => ({ ...credentials(), client_id: "' or 1=1" }), 401, 'invalid_client'],
    ['a missing client', () => ({ grant_type: 'client_credentials' }), 400, 'invalid_request'],
    [
      'a client without a secret',
      () => ({ grant_type: 'client_credentials', client_id: 'x' }),
      400,
      'invalid_request',
    ],
    ['a missing grant type', () => ({}), 400, 'invalid_request'],
    [
      'an authorization code',
      () => ({ ...credentials(), grant_type: 'authorization_code', code: 'x', redirect_uri: 'x' }),
      400,
      'unsupported_grant_type',
    ],
    [
      'a wrong password',
      () => ({ grant_type: 'password', username: 'admin', password: 'x' }),
      400,
      'invalid_grant',
    ],
    ['a missing password', () => ({ grant_type: 'password', username: 'admin' }), 400, 'invalid_request'],
    ['a NUL character', () => ({ ...credentials(), client_id: 'x\u0000' }), 400, 'invalid_request'],
    [
      'a client id that is not a string',
      () => ({ ...credentials(), client_id: { $ne: 1 } }),
      400,
      'invalid_request',
    ],
  ])('for %s', async (_, body, status, error) => {
    const answer = await rest.send('/oauth/token', { body: body() })
    expect([answer.status, answer.json.error]).toEqual([status, error])
    expect(answer.json.error_description).toEqual(expect.stringMatching(/\.$/))
    expect(answer.text).not.toContain(client.clientSecret)
  })

  it.each([
    ['malformed JSON', { text: '{', headers: { 'content-type': 'application/json' } }, 400],
    ['an unsupported content type', { text: '<a/>', headers: { 'content-type': 'application/xml' } }, 415],
    ['an oversized body', { body: { grant_type: 'x'.repeat(20_000) } }, 413],
    ['an unsupported method', { method: 'GET' }, 405],
  ])('for %s with an OAuth error document', async (_, sent, status) => {
    const answer = await rest.send('/as/token.oauth2', sent)
    expect([answer.status, answer.json]).toEqual([
      status,
      { error: 'invalid_request', error_description: expect.stringMatching(/\.$/) },
    ])
    expect(answer.headers.allow).toBe(status === 405 ? 'POST' : undefined)
  })

  it('for contradictory or repeated parameters', async () => {
    const query = new URLSearchParams({ ...credentials(), client_id: 'another' }).toString()
    const answer = await rest.send(`/oauth/token?${query}`, { body: credentials() })
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_request'])
    const twice = await rest.send('/oauth/token?grant_type=client_credentials&grant_type=password', {
      method: 'POST',
    })
    expect([twice.status, twice.json.error]).toEqual([400, 'invalid_request'])
  })

  it('for a minute after ten failed attempts, while valid credentials still work', async () => {
    for (let i = 0; i < 10; i++)
      expect(
        (await rest.send('/oauth/token', { body: { ...credentials(), client_secret: `${i}` } })).status,
      ).toBe(401)
    const held = await rest.send('/oauth/token', { body: { ...credentials(), client_secret: 'x' } })
    const password = { grant_type: 'password', username: 'admin', password: 'x' }
    expect((await rest.send('/oauth/token', { body: password })).status).toBe(429)
    expect([held.status, held.json.error, Number(held.headers['retry-after'])]).toEqual([
      429,
      'temporarily_unavailable',
      60,
    ])
    const many = await Promise.all(
      Array.from({ length: 40 }, () => rest.send('/oauth/token', { body: credentials() })),
    )
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([200]))
    // The sign-in of the console shares the count, because the passwords are the same.
    const page = await rest.send('/api/v1/sign-in', { body: { name: 'admin', password: 'x' } })
    expect(page.status).toBe(429)
  })
})

describe('an access token', () => {
  const token = async () =>
    (await rest.send('/oauth/token', { body: credentials() })).json.access_token as string

  it('is valid for 3599 seconds', async () => {
    const accessToken = await token()
    world.clock.advance(3_598_000)
    expect((await accounts(accessToken)).status).toBe(200)
    world.clock.advance(1_000)
    const over = await accounts(accessToken)
    expect([over.status, over.text, over.headers['www-authenticate']]).toEqual([
      401,
      '',
      'Bearer realm="smart licensing"',
    ])
  })

  it('is invalid after any process revokes its client', async () => {
    const accessToken = await token()
    const other = await Authority.open({ dataDir: join(world.directory, 'authority'), clock: world.clock })
    expect(await other.security.apiClients.authenticate(accessToken)).toMatchObject({
      account: 'acme.example',
      scope: 'write',
    })
    await other.security.apiClients.revoke(client.clientId)
    await other.close()
    expect((await accounts(accessToken)).status).toBe(401)
    expect((await rest.send('/oauth/token', { body: credentials() })).status).toBe(401)
  })

  it('is not stored in the database, events, audit log or logs, and neither is a secret', async () => {
    const accessToken = await token()
    await rest.send('/oauth/token', { body: { ...credentials(), client_secret: 'guessed-secret' } })
    const { users } = world.authority.security
    const records = JSON.stringify([
      await users.auditEntries(100),
      await world.authority.operations.events.list(),
    ])
    expect(records).toContain(client.clientId)
    const database = readAllStored(join(world.directory, 'authority'))
    expect(database).toContain(client.clientId)
    for (const secret of [accessToken, client.clientSecret, 'guessed-secret']) {
      expect(records).not.toContain(secret)
      expect(database).not.toContain(secret)
      expect(rest.logged.join()).not.toContain(secret)
    }
  })
})
