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

describe('an access token is given', () => {
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
      // As a client sends JSON that says nothing of its type.
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

  it('for the password of a user of the page, with what that user reaches', async () => {
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
    // Another password ends what the old one let in.
    const { json } = await rest.send('/oauth/token', { body: grant })
    const admin = await world.authority.security.users.find('admin')
    await world.authority.security.users.change('admin', admin!.password, { password: 'another hash' })
    expect((await accounts(json.access_token)).status).toBe(401)
  })

  it('but not for a one-time password, which is good for setting another one only', async () => {
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
    [
      'a client that is not there',
      () => ({ ...credentials(), client_id: "' or 1=1" }),
      401,
      'invalid_client',
    ],
    ['no client', () => ({ grant_type: 'client_credentials' }), 400, 'invalid_request'],
    ['half a client', () => ({ grant_type: 'client_credentials', client_id: 'x' }), 400, 'invalid_request'],
    ['no grant', () => ({}), 400, 'invalid_request'],
    [
      'a code',
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
    ['no password', () => ({ grant_type: 'password', username: 'admin' }), 400, 'invalid_request'],
    ['a NUL', () => ({ ...credentials(), client_id: 'x\u0000' }), 400, 'invalid_request'],
    ['what is no text', () => ({ ...credentials(), client_id: { $ne: 1 } }), 400, 'invalid_request'],
  ])('for %s', async (_, body, status, error) => {
    const answer = await rest.send('/oauth/token', { body: body() })
    expect([answer.status, answer.json.error]).toEqual([status, error])
    expect(answer.json.error_description).toEqual(expect.stringMatching(/\.$/))
    expect(answer.text).not.toContain(client.clientSecret)
  })

  it.each([
    ['what is no JSON', { text: '{', headers: { 'content-type': 'application/json' } }, 400],
    ['another type', { text: '<a/>', headers: { 'content-type': 'application/xml' } }, 415],
    ['too much', { body: { grant_type: 'x'.repeat(20_000) } }, 413],
    ['another method', { method: 'GET' }, 405],
  ])('for %s, in the form of its own refusals', async (_, sent, status) => {
    const answer = await rest.send('/as/token.oauth2', sent)
    expect([answer.status, answer.json]).toEqual([
      status,
      { error: 'invalid_request', error_description: expect.stringMatching(/\.$/) },
    ])
    expect(answer.headers.allow).toBe(status === 405 ? 'POST' : undefined)
  })

  it('for one thing said twice, and not the same', async () => {
    const query = new URLSearchParams({ ...credentials(), client_id: 'another' }).toString()
    const answer = await rest.send(`/oauth/token?${query}`, { body: credentials() })
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_request'])
    const twice = await rest.send('/oauth/token?grant_type=client_credentials&grant_type=password', {
      method: 'POST',
    })
    expect([twice.status, twice.json.error]).toEqual([400, 'invalid_request'])
  })

  it('to whoever guesses, for a minute; who does not guess is not held up', async () => {
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
    // The page counts with it: they are the same passwords.
    const page = await rest.send('/api/v1/sign-in', { body: { name: 'admin', password: 'x' } })
    expect(page.status).toBe(429)
  })
})

describe('an access token is good', () => {
  const token = async () =>
    (await rest.send('/oauth/token', { body: credentials() })).json.access_token as string

  it('for 3599 seconds', async () => {
    const one = await token()
    world.clock.advance(3_598_000)
    expect((await accounts(one)).status).toBe(200)
    world.clock.advance(1_000)
    const over = await accounts(one)
    expect([over.status, over.text, over.headers['www-authenticate']]).toEqual([
      401,
      '',
      'Bearer realm="smart licensing"',
    ])
  })

  it('until its client is revoked, by any process of the authority', async () => {
    const one = await token()
    const other = await Authority.open({ dataDir: join(world.directory, 'authority'), clock: world.clock })
    expect(await other.security.apiClients.authenticate(one)).toMatchObject({
      account: 'acme.example',
      scope: 'write',
    })
    await other.security.apiClients.revoke(client.clientId)
    await other.close()
    expect((await accounts(one)).status).toBe(401)
    expect((await rest.send('/oauth/token', { body: credentials() })).status).toBe(401)
  })

  it('and neither it nor a secret is anywhere in the database, or in a record', async () => {
    const one = await token()
    await rest.send('/oauth/token', { body: { ...credentials(), client_secret: 'guessed-secret' } })
    const { users } = world.authority.security
    const records = JSON.stringify([
      await users.auditEntries(100),
      await world.authority.operations.events.list(),
    ])
    expect(records).toContain(client.clientId)
    const database = readAllStored(join(world.directory, 'authority'))
    expect(database).toContain(client.clientId)
    for (const secret of [one, client.clientSecret, 'guessed-secret']) {
      expect(records).not.toContain(secret)
      expect(database).not.toContain(secret)
      expect(rest.logged.join()).not.toContain(secret)
    }
  })
})
