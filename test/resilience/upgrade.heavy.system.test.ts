import { afterEach, beforeEach, expect } from 'vitest'
import { FACTS_VERSION } from '../../src/agent/persisted-state.ts'
import type { Status } from '../../src/agent/index.ts'
import { AUTHORITY_VERSIONS, layAuthority, putBackBox } from '../support/golden.ts'
import { errorOf, makePrograms, type Programs } from '../support/programs.ts'
import { sampledTests } from '../support/scale.ts'

const { describe, it } = sampledTests(3)

let programs: Programs
beforeEach(() => {
  programs = makePrograms()
})
afterEach(() => programs.close())

describe('the programs of today, on what those of before have left', () => {
  it.each(AUTHORITY_VERSIONS)(
    'refuse an authority of version %s, whose certificates say their roles in another form',
    async (version) => {
      const dataDir = layAuthority(programs.directory, version)
      for (const words of [
        ['token', 'list'],
        ['serve', '--listen', '127.0.0.1:0'],
        ['trust', 'export'],
      ]) {
        const ended = await programs.run('smart-authority', ['--data-dir', dataDir, ...words, '--json'])
        expect([ended.code, errorOf(ended).code]).toEqual([1, 'DATA_VERSION_UNSUPPORTED'])
      }
    },
  )

  it.each(Array.from({ length: FACTS_VERSION }, (_, index) => index + 1))(
    'R-AUTH-1: a registered box of version %s goes on, and nobody notices at its authority',
    async (version) => {
      const { agent, authority, good } = programs
      await programs.initAuthority()
      await programs.order(10)
      const { url } = await programs.serveAuthority()
      await programs.initBox(url)
      const before = await good<Status>(agent(['register', await programs.token(), '--json']))
      await good(agent(['usage', 'set', 'HOST', '4', '--json']))
      await good(agent(['renew', 'authorization', '--json']))
      putBackBox(programs.box(), version)
      expect(await programs.status()).toMatchObject({
        state: 'authorized',
        registration: before.registration,
        entitlements: [{ tag: 'HOST', count: 4, status: 'in-compliance' }],
      })
      await programs.daemon()
      await good(agent(['usage', 'set', 'HOST', '5', '--json']))
      await good(agent(['renew', 'registration', '--json']))
      expect(await good<Status>(agent(['renew', 'authorization', '--json']))).toMatchObject({
        state: 'authorized',
        registration: { instanceId: before.registration.instanceId },
      })
      expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
        licenses: [{ tag: 'HOST', inUse: 5 }],
      })
      const { events } = await good<{ events: { event: string }[] }>(agent(['events', '--json']))
      expect(events.map(({ event }) => event)).toContain('register.accepted')
    },
  )
})
