import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { parseNetworks } from '../../src/core/ip-address.ts'
import { DAY, MINUTE } from '../../src/core/time.ts'
import { ConsoleCertificate } from '../../src/http/console-certificate.ts'
import { serveConsole } from '../../src/http/serve-console.ts'
import { createSelfSigned, toTlsOptions } from '../../src/pki/certificate-generation.ts'
import { createTestEnvironment, getErrorCode, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
})
afterEach(async () => {
  vi.useRealTimers()
  await world.close()
})

const logger = { info: () => undefined, error: () => undefined }
const paths = () => ({
  certificate: join(world.directory, 'company.pem'),
  key: join(world.directory, 'company.key'),
})

/** Writes the files of a company's certificate. */
async function writeCertificate(hosts: readonly string[], lifetime = DAY): Promise<ConsoleCertificate> {
  const now = Date.now()
  const made = await createSelfSigned({
    name: 'company',
    notBefore: now - 2 * DAY,
    notAfter: now + lifetime,
    hosts,
  })
  const { cert, key } = toTlsOptions(made)
  writeFileSync(paths().certificate, cert)
  writeFileSync(paths().key, key)
  return new ConsoleCertificate(paths())
}

/** Returns the names of the certificate that a server presents to a client that asks for a name. */
const readPresentedNames = (url: string, servername: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect({
      port: Number(new URL(url).port),
      host: '127.0.0.1',
      servername,
      rejectUnauthorized: false,
    })
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? '')
      socket.destroy()
    })
    socket.once('error', reject)
  })

describe('a certificate of a company for console and REST (R-OPS-4)', () => {
  it('is presented to clients that ask for its names, and the own one of the authority to devices', async () => {
    const consoleCertificate = await writeCertificate(['licenses.corp.example', '*.apps.corp.example'])
    const url = await world.authority.listen({ host: '127.0.0.1', port: 0, consoleCertificate })
    for (const name of ['licenses.corp.example', 'one.apps.corp.example'])
      expect(await readPresentedNames(url, name)).toContain('DNS:licenses.corp.example')
    for (const name of ['localhost', 'other.corp.example'])
      expect(await readPresentedNames(url, name)).not.toContain('corp.example')
  })

  it('is presented at an address of its own to all clients, and replaced within a minute', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const certificate = await writeCertificate(['licenses.corp.example', '127.0.0.1'])
    const server = await serveConsole(
      { host: '127.0.0.1', port: 0, certificate, trustedProxies: parseNetworks(), logger },
      () => Promise.resolve(),
    )
    try {
      expect(await readPresentedNames(server.url, 'localhost')).toContain('DNS:licenses.corp.example')
      await writeCertificate(['renamed.corp.example'])
      vi.advanceTimersByTime(MINUTE)
      expect(await readPresentedNames(server.url, 'localhost')).toContain('DNS:renamed.corp.example')
      // Files that cannot be used leave the certificate as it was.
      writeFileSync(paths().certificate, 'nothing')
      vi.advanceTimersByTime(MINUTE)
      expect(await readPresentedNames(server.url, 'localhost')).toContain('DNS:renamed.corp.example')
    } finally {
      await server.close()
    }
  })

  it('is replaced within a minute beside the own one of the authority', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const consoleCertificate = await writeCertificate(['licenses.corp.example'])
    const url = await world.authority.listen({ host: '127.0.0.1', port: 0, consoleCertificate })
    await writeCertificate(['licenses.corp.example', 'more.corp.example'])
    vi.advanceTimersByTime(MINUTE)
    await expect
      .poll(() => readPresentedNames(url, 'licenses.corp.example'))
      .toContain('DNS:more.corp.example')
  })

  it.each([
    [
      'a name of the authority',
      ['localhost'],
      'localhost, which is a name of this authority for its devices',
    ],
    ['addresses alone', ['192.0.2.1'], 'has no host name by which clients could ask for it'],
  ])('is refused at the address of the authority with %s', async (_, hosts, reason) => {
    const consoleCertificate = await writeCertificate(hosts)
    await expect(world.authority.listen({ host: '127.0.0.1', port: 0, consoleCertificate })).rejects.toThrow(
      reason,
    )
  })

  it('is refused with the cause if its files cannot be used', async () => {
    const refuse = () => {
      try {
        return `accepted ${new ConsoleCertificate(paths()).names.join()}`
      } catch (error) {
        return error instanceof Error ? error.message.replaceAll(`${world.directory}/`, '') : ''
      }
    }
    expect(refuse()).toBe('company.pem cannot be read (ENOENT).')
    await writeCertificate(['a.corp.example', '192.0.2.1'])
    expect(refuse()).toBe('accepted a.corp.example,192.0.2.1')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(paths().key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    expect(refuse()).toBe('The private key in company.key does not belong to the certificate in company.pem.')
    writeFileSync(
      paths().key,
      privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }),
    )
    expect(refuse()).toMatch(/^company.key does not contain a private key in PEM format. An encrypted key/)
    writeFileSync(paths().certificate, 'nothing')
    expect(refuse()).toBe('company.pem does not contain a certificate in PEM format.')
    expect(await getErrorCode(writeCertificate(['a.corp.example'], -DAY))).toBe('INVALID_ARGUMENT')
  })
})
