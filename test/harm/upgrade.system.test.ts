import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FACTS_VERSION } from '../../src/agent/facts.ts'
import type { Status } from '../../src/agent/index.ts'
import { AUTHORITY_VERSIONS, layAuthority, putBackBox, timeOf } from '../support/golden.ts'
import { makePrograms, type Programs } from '../support/programs.ts'

let programs: Programs
beforeEach(() => {
  programs = makePrograms()
})
afterEach(() => programs.close())

describe('the programs of today, on what those of before have left', () => {
  it.each(AUTHORITY_VERSIONS)(
    'an authority of version %s serves: a box registers, renews and goes',
    async (version) => {
      const { agent, good, run } = programs
      const dataDir = layAuthority(programs.directory, version)
      const then = { time: timeOf(dataDir), env: { TZ: 'UTC' } }
      const old = ['--data-dir', dataDir]
      const authority = (...words: string[]) => run('smart-authority', [...old, ...words], then)
      const server = await programs.serve(
        'smart-authority',
        [...old, 'serve', '--listen', '127.0.0.1:0'],
        then,
      )
      const { tokens } = await good<{ tokens: { token: string }[] }>(authority('token', 'list', '--json'))
      await programs.knowAuthority(
        server.line.replace('listening on ', ''),
        (await authority('trust', 'export')).stdout,
      )
      const registered = await good<Status>(agent(['register', tokens[0]?.token ?? '', '--json'], then))
      await good(agent(['usage', 'set', 'HOST', '1', '--json'], then))
      expect(await good<Status>(agent(['renew', 'authorization', '--json'], then))).toMatchObject({
        registration: { instanceId: registered.registration.instanceId },
        entitlements: [{ tag: 'HOST', count: 1 }],
      })
      await good(agent(['renew', 'registration', '--json'], then))
      await good(agent(['deregister', '--yes', '--json'], then))
      const { instances } = await good<{ instances: { udi: { serial: string } }[] }>(
        authority('instance', 'list', '--json'),
      )
      const serials = instances.map(({ udi }) => udi.serial)
      expect([serials.includes('OLD'), serials.includes('BOX')]).toEqual([true, false])
      expect(await good(authority('audit', 'verify', '--json'))).toMatchObject({})
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
