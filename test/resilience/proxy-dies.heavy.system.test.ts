import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { SeededRandom } from '../../tools/simulator/seeded-random.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { createProxies, type Proxies } from '../support/proxies.ts'
import { selectScale } from '../support/scale.ts'

const ROUNDS = Number(process.env.HARM_ROUNDS ?? selectScale(2, 8))
let programs: Programs
let proxies: Proxies
beforeEach(async () => {
  programs = createPrograms()
  proxies = createProxies()
  await programs.initAuthority('--allow-fault-injection')
})
afterEach(async () => {
  await programs.close()
  await proxies.close()
})

describe('a device whose proxy is killed', () => {
  it(
    `during an exchange reports the failure, stays authorized and recovers, ${ROUNDS} times (R-NET-1, R-AUTH-4)`,
    { timeout: 600_000 },
    async () => {
      const { agent, authority, good, status } = programs
      const random = new SeededRandom('a proxy that dies')
      await programs.order(1_000)
      // The delay leaves time to kill the proxy while an answer is pending.
      const { url } = await programs.serveAuthority(0, { more: ['--chaos', 'delay=300ms'] })
      const squid = await proxies.squid()
      await programs.initDevice(url)
      await good(agent(['transport', 'proxy', url, '--via', squid.via, '--json']))
      await programs.daemon()
      await good<Status>(agent(['register', await programs.token(), '--json']))
      let failed = 0
      for (let round = 1; round <= ROUNDS; round++) {
        await good(agent(['usage', 'set', 'HOST', String(round), '--json']))
        const asked = agent(['renew', 'authorization', '--json'])
        // The delay covers the time from before the request to after the answer.
        await wait(failed === 0 && round === ROUNDS ? 0 : random.nextInt(200, 1_000))
        await squid.kill()
        const ended = await asked
        if (ended.code !== 0) {
          failed++
          // The code depends on whether the proxy died before the connection, before its reply, or with an open tunnel.
          const { code, message } = parseError(ended)
          expect(['PROXY_UNREACHABLE', 'PROXY_FAILED', 'CONNECTION_RESET']).toContain(code)
          if (code !== 'CONNECTION_RESET') expect(message).toContain(`127.0.0.1:${squid.port}`)
          expect((await status()).authorization.lastAttempt?.outcome).toBe('failed')
        }
        expect((await status()).state).toBe('authorized')
        if (random.nextBoolean(0.5)) {
          // The proxy is certainly down now.
          const refused = await agent(['renew', 'authorization', '--json'])
          expect(refused.code).not.toBe(0)
          expect(parseError(refused).message).toContain(`proxy 127.0.0.1:${squid.port}`)
        }
        await squid.start()
        expect((await good<Status>(agent(['renew', 'authorization', '--json']))).state).toBe('authorized')
        expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
          licenses: [{ tag: 'HOST', inUse: round }],
        })
      }
      expect(failed).toBeGreaterThan(0)
    },
  )
})
