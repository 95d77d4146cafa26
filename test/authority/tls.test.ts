import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { DAY, HOUR, MINUTE } from '../../src/core/time.ts'
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

/** Returns the names in the certificate that the server presents, in alphabetical order. */
const readNames = (url: string): Promise<string[]> =>
  new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(url)
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
      const { subjectaltname = '' } = socket.getPeerCertificate()
      resolve([...subjectaltname.matchAll(/DNS:([^,]+)/g)].map(([, name = '']) => name).sort())
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
  it('has the names that processes serve now, and loses one that none has served for an hour', async () => {
    const clock = new VirtualClock()
    const dataDir = join(directory, 'names')
    await Authority.init({ dataDir, account: 'acme.example', acceptAgreement: true, clock })
    const serve = async (...names: string[]) => {
      const authority = await Authority.open({ dataDir, clock })
      const url = await authority.listen({ host: '127.0.0.1', port: 0, names })
      const listed = (await readNames(url)).filter((name) => name.endsWith('.pods.example'))
      return { authority, listed }
    }
    const serveOnce = async (...names: string[]) => {
      const { authority, listed } = await serve(...names)
      await authority.close()
      return listed
    }
    expect(await serveOnce('one.pods.example')).toEqual(['one.pods.example'])
    expect(await serveOnce('two.pods.example')).toEqual(['one.pods.example', 'two.pods.example'])
    clock.advance(2 * HOUR)
    expect(await serveOnce('three.pods.example')).toEqual(['three.pods.example'])
    const many = Array.from({ length: 150 }, (_, number) => `pod-${number}.pods.example`)
    expect((await serveOnce(...many)).length).toBeLessThan(100)
    const authority = await Authority.open({ dataDir, clock })
    await authority.security.trust.rotate(['tls'])
    await authority.close()
    expect(await serveOnce('four.pods.example')).toEqual(['four.pods.example'])
  })

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
