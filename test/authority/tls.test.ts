import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { DAY, MINUTE } from '../../src/core/time.ts'
import { VirtualClock } from '../../mocks/virtual-clock.ts'
import { eventually } from '../support/eventually.ts'

const directory = mkdtempSync(join(tmpdir(), 'sla-tls-'))
afterEach(() => {
  vi.useRealTimers()
  rmSync(directory, { recursive: true, force: true })
})

/** Returns the serial number of the certificate that the server presents. */
const readSerialNumber = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(url)
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })

/** Opens a TLS connection, resuming the given session, until it is resumed or the server issues a new session. */
const visit = (url: string, session?: Buffer): Promise<{ reused: boolean; session: Buffer | undefined }> =>
  new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(url)
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false, session })
    const done = (given: Buffer | undefined) => {
      resolve({ reused: socket.isSessionReused(), session: given })
      socket.destroy()
    }
    socket.resume()
    socket.once('error', reject)
    socket.once('session', done)
    socket.once('secureConnect', () => {
      if (socket.isSessionReused()) done(session)
    })
  })

describe('TLS sessions', () => {
  it('are resumed by every process of the authority until the ticket key of the day expires', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] })
    const clock = new VirtualClock()
    const dataDir = join(directory, 'sessions')
    await Authority.init({ dataDir, account: 'acme.example', acceptAgreement: true, clock })
    const serve = async () => {
      const authority = await Authority.open({ dataDir, clock })
      return { authority, url: await authority.listen({ host: '127.0.0.1', port: 0 }) }
    }
    const first = await serve()
    const { reused, session } = await visit(first.url)
    expect(reused).toBe(false)
    expect((await visit(first.url, session)).reused).toBe(true)
    await first.authority.close()
    const second = await serve()
    try {
      expect((await visit(second.url, session)).reused).toBe(true)
      clock.advance(DAY)
      await vi.advanceTimersByTimeAsync(MINUTE)
      await eventually(async () => {
        expect((await visit(second.url, session)).reused).toBe(false)
      })
    } finally {
      await second.authority.close()
    }
  })
})

describe('the TLS certificate of an authority', () => {
  it('is renewed after years of serving without a restart', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] })
    const clock = new VirtualClock()
    const dataDir = join(directory, 'authority')
    await Authority.init({ dataDir, account: 'acme.example', acceptAgreement: true, clock })
    const authority = await Authority.open({ dataDir, clock })
    try {
      const url = await authority.listen({ host: '127.0.0.1', port: 0 })
      const first = await readSerialNumber(url)
      clock.advance(500 * DAY)
      await vi.advanceTimersByTimeAsync(MINUTE)
      expect(await readSerialNumber(url)).toBe(first)
      clock.advance(60 * DAY)
      await vi.advanceTimersByTimeAsync(MINUTE)
      await eventually(async () => {
        expect(await readSerialNumber(url)).not.toBe(first)
      })
    } finally {
      await authority.close()
    }
  })
})
