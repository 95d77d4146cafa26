import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { SECOND } from '../../src/core/time.ts'
import { consumeAttempt } from '../../src/http/login-rate-limiter.ts'
import { PASSWORD, send, servePages, signInFirst, type Visitor } from '../support/pages.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let pages: Awaited<ReturnType<typeof servePages>>
let admin: Visitor

beforeAll(async () => {
  world = await createTestEnvironment()
  pages = await servePages(world, { trustedProxies: ['127.0.0.0/8'] })
  admin = await signInFirst(pages.manager.url, pages.manager.firstPasswordFile)
})
afterAll(async () => {
  await pages.close()
  await world.close()
})

describe('the console behind a reverse proxy (R-OPS-4)', () => {
  const signInFrom = (address: string, password: string) =>
    send(pages.manager.url, '/api/v1/sign-in', {
      body: { name: 'admin', password },
      headers: { 'x-forwarded-for': address },
    })

  it('counts and records wrong passwords by the address of the client', async () => {
    for (let guess = 0; guess < 10; guess++)
      expect((await signInFrom('203.0.113.7', 'guess')).code).toBe('SIGN_IN_FAILED')
    expect((await signInFrom('203.0.113.7', PASSWORD)).code).toBe('TOO_MANY_REQUESTS')
    expect((await signInFrom('203.0.113.8', PASSWORD)).status).toBe(200)
    const { audit } = JSON.parse((await admin.query('audit?limit=3')).body) as {
      audit: { address: string }[]
    }
    expect(audit.map(({ address }) => address)).toEqual(['203.0.113.8', '203.0.113.7', '203.0.113.7'])
  })

  it('counts wrong passwords of one IPv6 network together', async () => {
    for (let guess = 0; guess < 10; guess++) await signInFrom(`2001:db8:1:2::${guess}`, 'guess')
    expect((await signInFrom('2001:db8:1:2:ffff::1', PASSWORD)).code).toBe('TOO_MANY_REQUESTS')
    expect((await signInFrom('2001:db8:1:3::1', PASSWORD)).status).toBe(200)
  })

  it('counts wrong passwords of one user from many addresses', async () => {
    const { attempts } = world.authority.security.signIns
    for (let number = 0; number < 100; number++)
      await consumeAttempt(attempts, { address: `198.51.100.${number}`, user: 'Operator' })
    const guess = { name: 'operator', password: 'guess' }
    const answer = await send(pages.manager.url, '/api/v1/sign-in', { body: guess })
    expect([answer.code, answer.headers['retry-after']]).toEqual(['TOO_MANY_REQUESTS', '3600'])
    expect((await signInFrom('198.51.100.201', PASSWORD)).status).toBe(200)
  })

  it('accepts its own page where the proxy rewrites the Host header, and no page of another site', async () => {
    const ask = (site: string) =>
      send(pages.manager.url, '/api/v1/me', {
        headers: {
          cookie: admin.cookie,
          'x-session-token': admin.token,
          host: 'localhost',
          origin: 'https://licensing.example.com',
          'sec-fetch-site': site,
        },
      })
    expect((await ask('same-origin')).status).toBe(200)
    expect((await ask('same-site')).code).toBe('ORIGIN_REFUSED')
    expect((await ask('cross-site')).code).toBe('ORIGIN_REFUSED')
  })

  describe('sends live updates', () => {
    afterEach(() => {
      vi.useRealTimers()
    })

    it('unbuffered, with a comment when nothing happens, until the session ends', async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      const { ended } = await admin.subscribe()
      await vi.advanceTimersByTimeAsync(20 * SECOND)
      await admin.mutate('sign-out')
      await vi.advanceTimersByTimeAsync(20 * SECOND)
      const { body, headers } = await ended
      expect(headers['x-accel-buffering']).toBe('no')
      expect(body).toContain(': keep-alive\n\n')
    })
  })
})
