import { writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, expect } from 'vitest'
import { DAY, HOUR, MINUTE } from '../../src/core/time.ts'
import { createPrograms } from '../support/programs.ts'
import { createReceiver } from '../support/receiver.ts'
import { readAllStored } from '../support/stored.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(2)

let world: TestEnvironment
let receiver: Awaited<ReturnType<typeof createReceiver>>
beforeEach(async () => {
  world = await createTestEnvironment()
  receiver = await createReceiver()
})
afterEach(async () => {
  await receiver.close()
  await world.close()
})

const hooks = () => world.authority.operations.webhooks
const status =
  (code: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse) => {
    response.writeHead(code, headers).end()
  }
/** Advances the clock in steps of ten minutes and delivers messages until the condition holds. */
async function deliverUntil(done: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 10_000 && !(await done()); i++) {
    world.clock.advance(10 * MINUTE)
    await hooks().deliver()
  }
  expect(await done()).toBe(true)
}

describe('webhooks', () => {
  it('deliver each event in order, signed as Standard Webhooks specifies', async () => {
    const { secret } = await hooks().add({ url: receiver.url })
    await world.authority.accounts.addVirtualAccount('East')
    await world.token({ virtualAccount: 'East' })
    await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect(await hooks().deliver()).toBe(3)
    expect(receiver.types()).toEqual(['VIRTUAL_ACCOUNT_ADDED', 'TOKEN_CREATED', 'LICENSES_ORDERED'])
    expect(JSON.parse(receiver.received[0]!.body)).toEqual({
      type: 'VIRTUAL_ACCOUNT_ADDED',
      timestamp: new Date(world.clock.wall()).toISOString(),
      data: {
        id: expect.any(Number) as number,
        severity: 'info',
        smartAccount: 'acme.example',
        virtualAccount: 'East',
        instanceId: null,
        message: 'Virtual account East.',
        user: null,
      },
    })
    for (const { headers, body } of receiver.received) {
      const sentAt = new Date(Number(headers['webhook-timestamp']) * 1000)
      const signature = new Webhook(secret).sign(String(headers['webhook-id']), sentAt, body)
      expect(headers['webhook-signature']).toBe(signature)
      expect(headers['content-type']).toBe('application/json')
    }
    expect(await hooks().deliver()).toBe(0)
    expect(await hooks().list()).toMatchObject([{ delivered: 3, waiting: 0, dead: 0, failure: null }])
  })

  it('deliver only the selected types and severities of their own smart account', async () => {
    await hooks().add({
      url: receiver.url,
      types: ['INSUFFICIENT_LICENSES', 'TOKEN_CREATED'],
      severity: 'major',
    })
    await world.authority.accounts.add('other.example', { acceptAgreement: true })
    for (const account of ['acme.example', 'other.example']) {
      await world.authority.tokens.create({ days: 1, account })
      const agent = await world.open(account)
      agent.setUsage('HOST', 1)
      await agent.register((await world.authority.tokens.create({ days: 1, account })).token)
    }
    await hooks().deliver()
    expect(receiver.types()).toEqual(['INSUFFICIENT_LICENSES'])
  })

  it('retry with increasing delays, honor Retry-After and keep the order', async () => {
    await hooks().add({ url: receiver.url })
    await world.token()
    await world.authority.accounts.addVirtualAccount('East')
    receiver.answer = status(503, { 'retry-after': '3600' })
    await hooks().deliver()
    expect(receiver.types()).toEqual(['TOKEN_CREATED'])
    world.clock.advance(59 * MINUTE)
    await hooks().deliver()
    expect(receiver.received).toHaveLength(1)
    world.clock.advance(2 * MINUTE)
    receiver.answer = status(500)
    await hooks().deliver()
    expect(receiver.types()).toEqual(['TOKEN_CREATED', 'TOKEN_CREATED'])
    receiver.answer = status(204)
    world.clock.advance(10_000)
    await hooks().deliver()
    expect(receiver.received).toHaveLength(2)
    world.clock.advance(3 * MINUTE)
    await hooks().deliver()
    expect(receiver.types().slice(2)).toEqual(['TOKEN_CREATED', 'VIRTUAL_ACCOUNT_ADDED'])
    expect(new Set(receiver.ids()).size).toBe(2)
  })

  it('let later events pass a message that keeps failing, give it up after days and resend it on request', async () => {
    const { id } = await hooks().add({ url: receiver.url })
    const seen: string[] = []
    receiver.answer = (response) => {
      const type = receiver.types().at(-1)!
      if (type === 'TOKEN_CREATED') status(500)(response)
      else {
        seen.push(type)
        status(204)(response)
      }
    }
    await world.token()
    await world.authority.accounts.addVirtualAccount('East')
    await hooks().deliver()
    const began = world.clock.wall()
    await deliverUntil(() => seen.length > 0)
    expect(world.clock.wall() - began).toBeLessThan(2 * HOUR)
    await deliverUntil(async () => (await hooks().listFailed()).length > 0)
    expect(world.clock.wall() - began).toBeGreaterThan(DAY)
    expect(world.clock.wall() - began).toBeLessThan(4 * DAY)
    const [dead] = await hooks().listFailed()
    expect(dead).toMatchObject({ webhook: id, type: 'TOKEN_CREATED', attempts: 14 })
    expect(dead!.failure).toMatch(/answered 500/)
    const count = receiver.received.length
    world.clock.advance(30 * DAY)
    await hooks().deliver()
    expect(receiver.received).toHaveLength(count)
    receiver.answer = status(200)
    expect(await hooks().retry(dead!.id)).toBe(1)
    expect(await hooks().deliver()).toBe(1)
    expect(receiver.ids().at(-1)).toBe(dead!.id)
    expect(await hooks().listFailed()).toEqual([])
    expect(await getErrorCode(hooks().retry(dead!.id))).toBe('NOT_FOUND')
  })

  it('follow no redirect and give up at 410 Gone', async () => {
    await hooks().add({ url: receiver.url })
    const elsewhere = await createReceiver()
    receiver.answer = status(307, { location: elsewhere.url })
    await world.token()
    await hooks().deliver()
    expect(elsewhere.received).toEqual([])
    expect((await hooks().list())[0]!.failure).toMatch(/answered 307, and redirects are not followed/)
    receiver.answer = status(410)
    world.clock.advance(MINUTE)
    await hooks().deliver()
    expect(await hooks().listFailed()).toHaveLength(1)
    await elsewhere.close()
  })

  it('are signed with both secrets during the overlap of a rotation', async () => {
    const before = await hooks().add({ url: receiver.url })
    const after = await hooks().rotate(before.id, { overlap: 2 })
    const signatures = async () => {
      await world.token()
      await hooks().deliver()
      const { headers, body } = receiver.received.at(-1)!
      const at = new Date(Number(headers['webhook-timestamp']) * 1000)
      const by = (secret: string) => new Webhook(secret).sign(String(headers['webhook-id']), at, body)
      return [String(headers['webhook-signature']), by(after.secret), by(before.secret)]
    }
    const [both, fresh, old] = await signatures()
    expect(both).toBe(`${fresh!} ${old!}`)
    world.clock.advance(3 * HOUR)
    const [actual, expected] = await signatures()
    expect(actual).toBe(expected)
  })

  it('show a secret once and never in a list, an event or the database', async () => {
    const secret = `whsec_${Buffer.from('a secret of another user, 123456').toString('base64')}`
    const { id } = await hooks().add({ url: `${receiver.url}?key=hidden`, secret })
    const made = (await hooks().rotate(id)).secret
    receiver.answer = status(500)
    await hooks().deliver()
    const texts = JSON.stringify([
      await hooks().list(),
      await world.authority.operations.events.list(),
      receiver.received.map(({ body }) => body),
    ])
    const database = readAllStored(join(world.directory, 'authority'))
    for (const value of [secret, made])
      for (const text of [texts, database]) expect(text).not.toContain(value.slice('whsec_'.length))
    expect(JSON.stringify(await world.authority.operations.events.list())).not.toContain('hidden')
    expect(receiver.received[0]!.headers['webhook-signature']).toBeDefined()
  })

  it.each([
    'http://receiver.example/hook',
    'ftp://receiver.example/hook',
    'receiver.example',
    'https://ann:word@receiver.example/',
    'https://receiver.example/#here',
    'https://169.254.169.254/latest/meta-data/',
    'https://[fe80::1]/',
    'https://[::ffff:169.254.169.254]/',
    'https://0.0.0.0/',
    'https://2852039166/',
  ])('refuse the URL %s with WEBHOOK_URL_REFUSED', async (url) => {
    expect(await getErrorCode(hooks().add({ url }))).toBe('WEBHOOK_URL_REFUSED')
    expect(await hooks().list()).toEqual([])
  })

  it('refuse an invalid secret, type, certificate or URL, and report an unknown id as NOT_FOUND', async () => {
    const { url } = receiver
    expect(await getErrorCode(hooks().add({ url, secret: 'whsec_c2hvcnQ=' }))).toBe('INVALID_ARGUMENT')
    expect(await getErrorCode(hooks().add({ url: `https://receiver.example/${'x'.repeat(3000)}` }))).toBe(
      'WEBHOOK_URL_REFUSED',
    )
    expect(await getErrorCode(hooks().add({ url, types: ['no type'] }))).toBe('INVALID_ARGUMENT')
    expect(await getErrorCode(hooks().add({ url, ca: 'no certificate' }))).toBe('INVALID_ARGUMENT')
    for (const missing of [
      () => hooks().remove('wh_0'),
      () => hooks().test('wh_0'),
      () => hooks().rotate('wh_0'),
      () => hooks().retry('wh_0'),
    ])
      expect(await getErrorCode(missing())).toBe('NOT_FOUND')
  })

  it('send a test message at once and report its failure', async () => {
    const { id } = await hooks().add({ url: receiver.url, severity: 'major' })
    await hooks().test(id)
    expect(receiver.types()).toEqual(['WEBHOOK_TEST'])
    await receiver.close()
    expect(await getErrorCode(hooks().test(id))).toBe('WEBHOOK_NOT_DELIVERED')
  })
})

describe('webhooks of the programs', () => {
  it('verify the TLS certificate of the receiver, with a custom CA if given', async () => {
    const programs = createPrograms()
    try {
      await programs.initAuthority()
      const { url } = await programs.serveAuthority()
      const root = join(programs.directory, 'root.pem')
      writeFileSync(root, (await programs.authority(['trust', 'export'])).stdout)
      const failure = async (...more: string[]) => {
        const { id } = await programs.good<{ id: string }>(
          programs.authority(['webhook', 'add', `${url}/nothing`, ...more, '--json']),
        )
        return (await programs.authority(['webhook', 'test', id])).stderr
      }
      expect(await failure('--ca', root)).toMatch(/answered 404.*WEBHOOK_NOT_DELIVERED/)
      expect(await failure()).toMatch(/certificate.*WEBHOOK_NOT_DELIVERED/)
    } finally {
      await programs.close()
    }
  })
})
