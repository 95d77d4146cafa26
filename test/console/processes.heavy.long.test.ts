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
/** Another process of the same authority, as far as its data are concerned, with the page at an address of its own. */
async function another(): Promise<{
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

/** The same browser at another process. */
const statusAt = async (url: string, { cookie, token }: Visitor): Promise<number> =>
  (await send(url, '/api/v1/me', { headers: { cookie, 'x-session-token': token } })).status

let one: Awaited<ReturnType<typeof another>>
let two: Awaited<ReturnType<typeof another>>
beforeAll(async () => {
  world = await createTestEnvironment()
  one = await another()
  two = await another()
  await signInFirst(one.url, one.firstPasswordFile)
})
afterAll(async () => {
  for (const authority of opened) await authority.close()
  opened = []
  await world.close()
})

describe('R-UI-2: several processes of one authority', () => {
  it('who signs in at one is signed in at the others, through the restart of any', async () => {
    const admin = await signIn(one.url, 'admin', PASSWORD)
    expect(await statusAt(two.url, admin)).toBe(200)
    const third = await another()
    expect(await statusAt(third.url, admin)).toBe(200)
    await third.close()
    const again = await another()
    expect(await statusAt(again.url, admin)).toBe(200)
  })

  it('a cookie alone is good for nothing there either', async () => {
    const { cookie } = await signIn(one.url, 'admin', PASSWORD)
    const answer = await send(two.url, '/api/v1/me', { headers: { cookie } })
    expect([answer.status, answer.code]).toEqual([403, 'SESSION_TOKEN_INVALID'])
  })

  it('who signs out at one is signed out at all', async () => {
    const admin = await signIn(one.url, 'admin', PASSWORD)
    await admin.mutate('sign-out')
    expect(await statusAt(two.url, admin)).toBe(401)
  })

  it('another password ends every other session of the user, in every process', async () => {
    const [here, there] = [await signIn(one.url, 'admin', PASSWORD), await signIn(two.url, 'admin', PASSWORD)]
    await there.mutate('change-password', { current: PASSWORD, password: `${PASSWORD} anew` })
    expect(await statusAt(one.url, here)).toBe(401)
    expect(await statusAt(one.url, there)).toBe(200)
    await there.mutate('change-password', { current: `${PASSWORD} anew`, password: PASSWORD })
  })

  it('a user who is removed at one is nobody at the others', async () => {
    const admin = await signIn(one.url, 'admin', PASSWORD)
    const made = JSON.parse(
      (await admin.mutate('user-add', { name: 'ada', role: 'viewer', account: null, virtualAccount: null }))
        .body,
    ) as {
      oneTimePassword: string
    }
    const ada = await signIn(two.url, 'ada', made.oneTimePassword)
    expect(await statusAt(two.url, ada)).toBe(200)
    await admin.mutate('user-remove', { name: 'ada' })
    expect(await statusAt(two.url, ada)).toBe(401)
  })

  it('use at one keeps a session alive at the others; an hour without, or twelve in all, end it', async () => {
    const admin = await signIn(one.url, 'admin', PASSWORD)
    for (let half = 0; half < 23; half++) {
      world.clock.advance(HOUR / 2)
      expect(await statusAt(half % 2 === 0 ? one.url : two.url, admin)).toBe(200)
    }
    world.clock.advance(HOUR / 2 + MINUTE)
    expect(await statusAt(one.url, admin)).toBe(401)
    const idle = await signIn(one.url, 'admin', PASSWORD)
    world.clock.advance(HOUR + MINUTE)
    expect(await statusAt(two.url, idle)).toBe(401)
  })

  it('wrong passwords are counted together: ten in a minute, wherever they were tried', async () => {
    for (let guess = 0; guess < 10; guess++) {
      const { url } = guess % 2 === 0 ? one : two
      const answer = await send(url, '/api/v1/sign-in', {
        body: { name: 'admin', password: `wrong ${guess}` },
      })
      expect(answer.code).toBe('SIGN_IN_FAILED')
    }
    for (const { url } of [one, two]) {
      const answer = await send(url, '/api/v1/sign-in', { body: { name: 'admin', password: PASSWORD } })
      expect([answer.status, answer.code]).toEqual([429, 'TOO_MANY_REQUESTS'])
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    }
    world.clock.advance(MINUTE)
    expect(await statusAt(one.url, await signIn(two.url, 'admin', PASSWORD))).toBe(200)
  })

  it('neither cookies nor tokens are in the database', async () => {
    const { cookie, token } = await signIn(one.url, 'admin', PASSWORD)
    const kept = ['authority.db', 'authority.db-wal'].map((name) =>
      readFileSync(join(world.directory, 'authority', name), 'latin1'),
    )
    expect(kept.join()).toContain('sessions')
    expect(kept.join()).not.toContain(cookie.replace(/^[^=]*=/, ''))
    expect(kept.join()).not.toContain(token)
  })
})
