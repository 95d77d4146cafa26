import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { DAY, MINUTE } from '../../src/domain/instant.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

const directory = mkdtempSync(join(tmpdir(), 'sla-tls-'))
afterEach(() => {
  vi.useRealTimers()
  rmSync(directory, { recursive: true, force: true })
})

/** The serial number of the certificate that is presented now. */
const presented = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(url)
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })

describe('the TLS certificate of an authority', () => {
  it('is renewed while it is served, years on, without a restart', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] })
    const clock = new VirtualClock()
    const dataDir = join(directory, 'authority')
    await Authority.init({ dataDir, account: 'acme.example', acceptAgreement: true, clock })
    const authority = await Authority.open({ dataDir, clock })
    try {
      const url = await authority.listen({ host: '127.0.0.1', port: 0 })
      const first = await presented(url)
      clock.advance(500 * DAY)
      await vi.advanceTimersByTimeAsync(MINUTE)
      expect(await presented(url)).toBe(first)
      clock.advance(60 * DAY)
      await vi.advanceTimersByTimeAsync(MINUTE)
      await vi.waitFor(async () => {
        expect(await presented(url)).not.toBe(first)
      })
    } finally {
      await authority.close()
    }
  })
})
