import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LookupAddress } from 'node:dns'
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest'
import { conferencingProfile } from '../../src/conferencing/profile.ts'
import { readAllStored } from '../support/stored.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

const DAY = 86_400_000

let world: TestEnvironment
let directory: string
beforeEach(async () => {
  world = await createTestEnvironment()
  directory = mkdtempSync(join(tmpdir(), 'sla-mail-'))
})
afterEach(async () => {
  await world.close()
  rmSync(directory, { recursive: true })
})

const types = async () => (await world.authority.operations.events.list()).map(({ type }) => type)

describe('orders', () => {
  it('grant the entitlement of each of the seven SKUs, and only the version for a kit (R-SYS-4)', async () => {
    const given: Record<string, string> = {}
    for (const { sku } of conferencingProfile.skus) {
      const { tag, version, status } = await world.authority.orders.create({ sku, quantity: 2 })
      expect(status).toBe('fulfilled')
      given[sku] = tag ?? `version ${version ?? ''}`
    }
    expect(given).toEqual({
      'CWMS-USRUG-K9': 'HOST',
      'CWMS4-UPG-MG-K9': 'version 4',
      'CWMS4-UGMG-UAK9': 'version 4',
      'CWMS-MD-S-UG-S-K9': 'MDC-SMALL',
      'CWMS-MD-M-UG-S-K9': 'MDC-MEDIUM',
      'CWMS-MD-L-UG-S-K9': 'MDC-LARGE',
      'CWMS-XL-UG-S-K9': 'SYS-XL',
    })
    const licenses = await world.authority.licenses.list()
    expect(licenses.map(({ tag, quantity }) => [tag, quantity]).sort()).toEqual([
      ['HOST', 2],
      ['MDC-LARGE', 2],
      ['MDC-MEDIUM', 2],
      ['MDC-SMALL', 2],
      ['SYS-XL', 2],
    ])
    expect(await world.authority.orders.list()).toHaveLength(7)
  })

  it('add up, and change nothing when they are invalid (R-ACC-6)', async () => {
    await world.authority.orders.create({ sku: 'CWMS-USRUG-K9', quantity: 3 })
    await world.authority.orders.create({ tag: 'HOST', quantity: 4 })
    expect((await world.authority.licenses.list())[0]).toMatchObject({ tag: 'HOST', quantity: 7 })
    const order = (wanted: object) => getErrorCode(world.authority.orders.create({ quantity: 1, ...wanted }))
    expect(await order({ sku: 'NONE' })).toBe('NOT_FOUND')
    expect(await order({ tag: 'NONE' })).toBe('UNKNOWN_TAG')
    expect(await order({})).toBe('INVALID_ARGUMENT')
    expect(await order({ tag: 'HOST', sku: 'CWMS-USRUG-K9' })).toBe('INVALID_ARGUMENT')
    expect(await order({ tag: 'HOST', quantity: 0 })).toBe('INVALID_ARGUMENT')
    expect(await order({ tag: 'HOST', termDays: 0 })).toBe('INVALID_ARGUMENT')
    expect(await world.authority.orders.list()).toHaveLength(2)
  })

  it('of a term create one warning 90, 60 and 30 days before their end (R-ACC-6)', async () => {
    await world.authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 100 })
    for (let day = 0; day < 101; day++) {
      world.clock.advance(DAY)
      await world.authority.licenses.list()
    }
    const events = (await world.authority.operations.events.list()).filter(({ type }) =>
      type.startsWith('LICENSES_EXPIR'),
    )
    expect(events.map(({ type }) => type)).toEqual([
      'LICENSES_EXPIRING',
      'LICENSES_EXPIRING',
      'LICENSES_EXPIRING',
      'LICENSES_EXPIRED',
    ])
    expect((await world.authority.licenses.list())[0]).toMatchObject({ quantity: 0 })
  })
})

describe('an order without a smart account', () => {
  it('sends three reminders and is then escalated to an administrator (R-ACC-6)', async () => {
    await world.authority.operations.mail.configure({
      kind: 'folder',
      from: 'orders@vendor.example',
      folder: directory,
    })
    const placed = await world.authority.orders.createForBuyer({
      sku: 'CWMS-USRUG-K9',
      quantity: 10,
      buyer: 'buyer@customer.example',
    })
    expect(placed).toMatchObject({ status: 'waiting', virtualAccount: null, reminders: 0 })
    for (let week = 0; week < 5; week++) {
      await world.authority.operations.mail.send()
      world.clock.advance(7 * DAY)
      await world.authority.orders.list()
    }
    const mails = readdirSync(directory)
      .sort()
      .map((name) => readFileSync(join(directory, name), 'utf8'))
    expect(mails.map((mail) => /^Subject: (.*)$/m.exec(mail)?.[1]?.trim().slice(0, 18))).toEqual([
      `Your order ${placed.id.slice(0, 7)}`,
      'Reminder 1 of 3: y',
      'Reminder 2 of 3: y',
      'Reminder 3 of 3: y',
    ])
    for (const mail of mails) {
      expect(mail).toContain('To: buyer@customer.example')
      expect(mail).toContain(placed.id)
    }
    expect((await types()).filter((type) => type.startsWith('ORDER_'))).toEqual([
      'ORDER_WAITING',
      'ORDER_REMINDED',
      'ORDER_REMINDED',
      'ORDER_REMINDED',
      'ORDER_NEEDS_A_PERSON',
    ])
    expect((await world.authority.orders.list())[0]).toMatchObject({ status: 'escalated', reminders: 3 })
    // An escalated order can still be assigned.
    expect(await world.authority.orders.assign(placed.id)).toMatchObject({
      status: 'fulfilled',
      virtualAccount: 'Default',
    })
    expect((await world.authority.licenses.list())[0]).toMatchObject({ tag: 'HOST', quantity: 10 })
    expect(await getErrorCode(world.authority.orders.assign(placed.id))).toBe('ORDER_FULFILLED')
    expect(await getErrorCode(world.authority.orders.assign('none'))).toBe('NOT_FOUND')
  })

  it('sends no reminders once it is assigned (R-ACC-6)', async () => {
    const placed = await world.authority.orders.createForBuyer({
      tag: 'HOST',
      quantity: 1,
      buyer: 'b@c.example',
    })
    world.clock.advance(8 * DAY)
    await world.authority.orders.assign(placed.id)
    for (let week = 0; week < 5; week++) {
      world.clock.advance(7 * DAY)
      await world.authority.licenses.list()
    }
    expect((await types()).filter((type) => type === 'ORDER_REMINDED')).toHaveLength(1)
    expect(await types()).not.toContain('ORDER_NEEDS_A_PERSON')
    const bad = world.authority.orders.createForBuyer({ tag: 'HOST', quantity: 1, buyer: 'no-address' })
    expect(await getErrorCode(bad)).toBe('INVALID_ARGUMENT')
  })
})

/** Starts an SMTP server that answers each message with the given reply. */
async function smtp(answer = '250 ok') {
  const received: string[] = []
  const server: Server = createServer((socket) => {
    let inData = false
    socket.on('error', () => undefined)
    socket.write('220 mail.test ESMTP\r\n')
    let rest = ''
    socket.on('data', (chunk) => {
      rest += chunk.toString()
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end)
        rest = rest.slice(end + 2)
        received.push(line)
        if (inData) {
          if (line !== '.') continue
          inData = false
          socket.write(`${answer}\r\n`)
        } else if (line === 'DATA') {
          inData = true
          socket.write('354 go on\r\n')
        } else if (line === 'QUIT') socket.end('221 bye\r\n')
        else if (line.startsWith('EHLO')) socket.write('250-mail.test\r\n250 AUTH PLAIN\r\n')
        else if (line.startsWith('AUTH')) socket.write('235 ok\r\n')
        else if (line === 'STARTTLS') socket.write('454 TLS is not available\r\n')
        else socket.write('250 ok\r\n')
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    received,
    url: `smtp://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}

describe('e-mail', () => {
  const order = () =>
    world.authority.orders.createForBuyer({ tag: 'HOST', quantity: 1, buyer: 'buyer@customer.example' })

  it('is sent to an SMTP server once, and its password is never disclosed', async () => {
    const server = await smtp()
    try {
      await order()
      expect(await getErrorCode(world.authority.operations.mail.send())).toBe('MAIL_NOT_CONFIGURED')
      const settings = { kind: 'smtp', from: 'o@vendor.example', url: server.url } as const
      await world.authority.operations.mail.configure({ ...settings, username: 'u', password: 'geheim-7' })
      expect(await world.authority.operations.mail.show()).toMatchObject({
        settings: { username: 'u' },
        waiting: 1,
      })
      expect(JSON.stringify(await world.authority.operations.mail.show())).not.toContain('sealed')
      // The server offers no TLS, so the client does not send the password.
      expect(await getErrorCode(world.authority.operations.mail.send())).toBe('MAIL_NOT_SENT')
      expect(server.received.some((line) => line.startsWith('AUTH'))).toBe(false)
      await world.authority.operations.mail.configure(settings)
      world.clock.advance(DAY)
      expect(
        (
          await Promise.all([world.authority.operations.mail.send(), world.authority.operations.mail.send()])
        ).sort(),
      ).toEqual([0, 1])
      expect(await world.authority.operations.mail.send()).toBe(0)
      expect(server.received).toContain('RCPT TO:<buyer@customer.example>')
      const texts = JSON.stringify([
        await world.authority.operations.mail.show(),
        await world.authority.operations.events.list(),
      ])
      expect(texts).not.toContain('geheim')
      expect(readAllStored(join(world.directory, 'authority'))).not.toContain('geheim')
    } finally {
      await server.close()
    }
  })

  it('is kept and retried later when the server rejects it', async () => {
    const [no, yes] = [await smtp('550 no such user'), await smtp()]
    try {
      await order()
      await world.authority.operations.mail.configure({ kind: 'smtp', from: 'o@vendor.example', url: no.url })
      expect(await getErrorCode(world.authority.operations.mail.send())).toBe('MAIL_NOT_SENT')
      expect(await world.authority.operations.mail.show()).toMatchObject({
        waiting: 1,
        failure: expect.stringContaining('550') as string,
      })
      await world.authority.operations.mail.configure({
        kind: 'smtp',
        from: 'o@vendor.example',
        url: yes.url,
      })
      expect(await world.authority.operations.mail.send()).toBe(0)
      world.clock.advance(DAY)
      expect(await world.authority.operations.mail.send()).toBe(1)
    } finally {
      await no.close()
      await yes.close()
    }
  })

  it('is not sent to a server whose name resolves to a link-local address', async () => {
    const { default: dns } = await import('node:dns/promises')
    const lookup = vi.spyOn(dns, 'lookup') as unknown as MockInstance<() => Promise<LookupAddress[]>>
    lookup.mockResolvedValue([
      { address: '192.0.2.1', family: 4 },
      { address: '::ffff:169.254.169.254', family: 6 },
    ])
    try {
      await order()
      const url = 'smtp://mail.example:25'
      await world.authority.operations.mail.configure({ kind: 'smtp', from: 'o@vendor.example', url })
      await expect(world.authority.operations.mail.send()).rejects.toThrow(
        'mail.example has the address ::ffff:169.254.169.254, to which connections are not allowed.',
      )
    } finally {
      lookup.mockRestore()
    }
  })

  it.each([
    ['no address', { kind: 'folder', from: 'no-address', folder: '/tmp/x' }],
    ['another scheme', { kind: 'smtp', from: 'a@b.example', url: 'https://mail.example' }],
    ['a relative folder', { kind: 'folder', from: 'a@b.example', folder: 'mails' }],
    ['a link-local server', { kind: 'smtp', from: 'a@b.example', url: 'smtp://169.254.169.254:80' }],
    ['a translated address', { kind: 'smtp', from: 'a@b.example', url: 'smtps://[64:ff9b:1::a9fe:a9fe]' }],
    ['a password in the URL', { kind: 'smtp', from: 'a@b.example', url: 'smtp://u:p@mail.example' }],
  ] as const)('settings with %s are refused with INVALID_ARGUMENT', async (_, settings) => {
    expect(await getErrorCode(world.authority.operations.mail.configure(settings))).toBe('INVALID_ARGUMENT')
    expect((await world.authority.operations.mail.show()).settings).toBeNull()
  })
})
