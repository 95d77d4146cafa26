import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { createManagerConsole } from '../../src/console/authority-console.ts'
import { HOUR, MINUTE } from '../../src/core/time.ts'
import { PASSWORD, send, signIn, signInFirst, type Visitor } from '../support/pages.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(2)

let world: TestEnvironment
let opened: Authority[] = []
/** Opens the same authority again, as another process would, and serves its console at another address. */
async function serveProcess(): Promise<{
  url: string
  firstPasswordFile: string | null
  close: () => Promise<void>
}> {
  const dataDir = join(world.directory, 'authority')
  const { clock } = world
  const authority = await Authority.open({ dataDir, clock })
  opened.push(authority)
  const logger = { error: () => undefined }
  const page = await createManagerConsole(authority, { dataDir, host: '127.0.0.1', names: [], clock, logger })
  const url = await authority.listen({ host: '127.0.0.1', port: 0, routes: page.routes })
  return { url, firstPasswordFile: page.firstPasswordFile, close: () => authority.close() }
}

/** Sends a request with the visitor's session to another process. */
const statusAt = async (url: string, { cookie, token }: Visitor): Promise<number> =>
  (await send(url, '/api/v1/me', { headers: { cookie, 'x-session-token': token } })).status

let first: Awaited<ReturnType<typeof serveProcess>>
let second: Awaited<ReturnType<typeof serveProcess>>
beforeAll(async () => {
  world = await createTestEnvironment()
  first = await serveProcess()
  second = await serveProcess()
  await signInFirst(first.url, first.firstPasswordFile)
})
afterAll(async () => {
  for (const authority of opened) await authority.close()
  opened = []
  await world.close()
})

describe('several processes of one authority (R-UI-2)', () => {
  it('share sessions, also after a restart', async () => {
    const admin = await signIn(first.url, 'admin', PASSWORD)
    expect(await statusAt(second.url, admin)).toBe(200)
    const third = await serveProcess()
    expect(await statusAt(third.url, admin)).toBe(200)
    await third.close()
    const again = await serveProcess()
    expect(await statusAt(again.url, admin)).toBe(200)
  })

  it('refuse a cookie without its session token', async () => {
    const { cookie } = await signIn(first.url, 'admin', PASSWORD)
    const answer = await send(second.url, '/api/v1/me', { headers: { cookie } })
    expect([answer.status, answer.code]).toEqual([403, 'SESSION_TOKEN_INVALID'])
  })

  it('end a session in all processes on signing out', async () => {
    const admin = await signIn(first.url, 'admin', PASSWORD)
    await admin.mutate('sign-out')
    expect(await statusAt(second.url, admin)).toBe(401)
  })

  it('end all other sessions of a user on a password change', async () => {
    const [here, there] = [
      await signIn(first.url, 'admin', PASSWORD),
      await signIn(second.url, 'admin', PASSWORD),
    ]
    await there.mutate('change-password', { current: PASSWORD, password: `${PASSWORD} changed` })
    expect(await statusAt(first.url, here)).toBe(401)
    expect(await statusAt(first.url, there)).toBe(200)
    await there.mutate('change-password', { current: `${PASSWORD} changed`, password: PASSWORD })
  })

  it('end the sessions of a removed user in all processes', async () => {
    const admin = await signIn(first.url, 'admin', PASSWORD)
    const made = JSON.parse(
      (await admin.mutate('user-add', { name: 'ada', role: 'viewer', account: null, virtualAccount: null }))
        .body,
    ) as {
      oneTimePassword: string
    }
    const ada = await signIn(second.url, 'ada', made.oneTimePassword)
    expect(await statusAt(second.url, ada)).toBe(200)
    await admin.mutate('user-remove', { name: 'ada' })
    expect(await statusAt(second.url, ada)).toBe(401)
  })

  it('end a session after an hour of inactivity or twelve hours, counted across processes', async () => {
    const admin = await signIn(first.url, 'admin', PASSWORD)
    for (let half = 0; half < 23; half++) {
      world.clock.advance(HOUR / 2)
      expect(await statusAt(half % 2 === 0 ? first.url : second.url, admin)).toBe(200)
    }
    world.clock.advance(HOUR / 2 + MINUTE)
    expect(await statusAt(first.url, admin)).toBe(401)
    const idle = await signIn(first.url, 'admin', PASSWORD)
    world.clock.advance(HOUR + MINUTE)
    expect(await statusAt(second.url, idle)).toBe(401)
  })

  it('count wrong passwords together, ten in a minute', async () => {
    for (let guess = 0; guess < 10; guess++) {
      const { url } = guess % 2 === 0 ? first : second
      const answer = await send(url, '/api/v1/sign-in', {
        body: { name: 'admin', password: `wrong ${guess}` },
      })
      expect(answer.code).toBe('SIGN_IN_FAILED')
    }
    for (const { url } of [first, second]) {
      const answer = await send(url, '/api/v1/sign-in', { body: { name: 'admin', password: PASSWORD } })
      expect([answer.status, answer.code]).toEqual([429, 'TOO_MANY_REQUESTS'])
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    }
    world.clock.advance(MINUTE)
    expect(await statusAt(first.url, await signIn(second.url, 'admin', PASSWORD))).toBe(200)
  })

  it('store neither cookies nor session tokens in the database', async () => {
    const { cookie, token } = await signIn(first.url, 'admin', PASSWORD)
    const kept = ['authority.db', 'authority.db-wal'].map((name) =>
      readFileSync(join(world.directory, 'authority', name), 'latin1'),
    )
    expect(kept.join()).toContain('sessions')
    expect(kept.join()).not.toContain(cookie.replace(/^[^=]*=/, ''))
    expect(kept.join()).not.toContain(token)
  })
})
