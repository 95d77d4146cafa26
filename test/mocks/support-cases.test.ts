import { describe, expect, it } from 'vitest'
import { createTestBed, licensingMatchers, type LicensingMatchers } from '../../mocks/testing.ts'
import { defineProfile } from '../../src/index.ts'

// `npm run docs` writes docs/support-cases.md from the tests of this file.

declare module 'vitest' {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- the members are those of the matchers
  interface Matchers<T> extends LicensingMatchers<T> {}
}
expect.extend(licensingMatchers)

const profile = defineProfile({ name: 'router', tags: [{ tag: 'GBIT' }] })
const licenses = { GBIT: 10 }
const proxy = { username: 'device', password: 'spring' }

describe('R-LAB-1: the network', () => {
  it('The password of the proxy was changed', async () => {
    await using bed = await createTestBed({ profile, licenses, proxy })
    await bed.register()
    bed.agent.transport.set({
      ...bed.network.settings('proxy'),
      ...{ username: 'device', password: 'winter' },
    })
    await bed.agent.renewAuthorization().catch(() => undefined)
    expect(bed).toFailWith('PROXY_AUTHENTICATION_REFUSED')
  })

  it('The user of the proxy was never set', async () => {
    await using bed = await createTestBed({ profile, transport: 'proxy', faults: ['proxy-auth-required'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('PROXY_AUTHENTICATION_REQUIRED')
  })

  it('The proxy accepts only the accounts of a Windows domain', async () => {
    await using bed = await createTestBed({ profile, proxy: { style: 'ntlm' } })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('PROXY_AUTHENTICATION_REFUSED')
  })

  it('The proxy is down, and comes back', async () => {
    await using bed = await createTestBed({ profile, transport: 'proxy', faults: ['proxy-unreachable'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('PROXY_UNREACHABLE')
    await bed.setFaults()
    await expect(bed).toRecoverWithin('1h')
  })

  it('The proxy does not allow the license server', async () => {
    await using bed = await createTestBed({ profile, transport: 'proxy', faults: ['proxy-forbidden'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('PROXY_FORBIDDEN')
  })

  it('A firewall drops the packets', async () => {
    await using bed = await createTestBed({ profile, faults: ['tls-silence'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('TIMED_OUT')
  })

  it('A firewall resets the connections', async () => {
    await using bed = await createTestBed({ profile, faults: ['reset'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('CONNECTION_RESET')
  })

  it('A firewall begins to inspect TLS, and its CA is installed', async () => {
    await using bed = await createTestBed({ profile, faults: ['tls-inspected'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('TLS_INSPECTED')
    await bed.agent.trust.installTlsCa(await bed.network.readMiddleboxCa())
    await expect(bed).toRecoverWithin('1h')
  })

  it('A hotel network wants a login first', async () => {
    await using bed = await createTestBed({ profile, faults: ['tls-captive-portal'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('TLS_INSPECTED')
    await bed.setFaults()
    await expect(bed).toRecoverWithin('1h')
  })

  it('The name server does not answer', async () => {
    await using bed = await createTestBed({ profile, faults: ['dns-silence'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('DNS_FAILED')
  })

  it('The network is down every night from 2 to 4', async () => {
    await using bed = await createTestBed({ profile, start: '2027-03-01T01:00Z' })
    await bed.register()
    await bed.setFaults({ fault: 'refused', daily: ['02:00', '04:00'] })
    await bed.advance('60d')
    expect(bed).toBeIn('authorized')
  })

  it('The line is slow', async () => {
    await using bed = await createTestBed({ profile })
    bed.network.setConditions({ latency: 600, bandwidth: 4000 })
    await bed.register()
    expect(bed).toBeIn('authorized')
  })
})

describe('R-LAB-1: the license server', () => {
  it('The license server is under maintenance', async () => {
    await using bed = await createTestBed({ profile, faults: [{ fault: 'error503', times: 3 }] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('AUTHORITY_UNAVAILABLE')
    await expect(bed).toRecoverWithin('2h')
  })

  it('The certificate of the license server has expired', async () => {
    await using bed = await createTestBed({ profile, faults: ['tls-expired'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('TLS_EXPIRED')
  })

  it('The license server was set up again, with another root', async () => {
    await using bed = await createTestBed({ profile, faults: ['forged'] })
    await bed.register().catch(() => undefined)
    expect(bed).toFailWith('ANSWER_SIGNER_UNTRUSTED')
  })

  it('An answer is lost after the license server has decided', async () => {
    await using bed = await createTestBed({ profile, licenses, faults: [{ fault: 'lost-answer', times: 1 }] })
    await bed.register().catch(() => undefined)
    await expect(bed).toRecoverWithin('1h')
    expect(await bed.authority.instances.list()).toHaveLength(1)
  })

  it('Staff remove the product instance', async () => {
    await using bed = await createTestBed({ profile })
    await bed.register()
    for (const { id } of await bed.authority.instances.list()) await bed.authority.instances.remove(id)
    await bed.advance('31d')
    expect(bed).toBeIn('evaluation')
  })

  it('The satellite has not synchronized for too long', async () => {
    await using bed = await createTestBed({ profile, satellite: true, transport: 'gateway' })
    await bed.register()
    await bed.advance('91d', { step: '10d' })
    expect(bed).toBeIn('auth-expired')
    expect(bed).toFailWith('SATELLITE_OUT_OF_TOUCH')
  })
})

describe('R-LAB-1: the device and its licenses', () => {
  it('The license server is out of reach for 90 days', async () => {
    await using bed = await createTestBed({ profile })
    await bed.register()
    await bed.setFaults('refused')
    await bed.advance('91d', { step: '10d' })
    expect(bed).toBeIn('auth-expired')
  })

  it('The evaluation ends', async () => {
    await using bed = await createTestBed({ profile })
    await bed.advance('90d')
    expect(bed).toBeIn('unregistered')
    expect(bed.agent.allows('forward-packets').allowed).toBe(false)
  })

  it('More licenses are used than were bought, and then bought', async () => {
    await using bed = await createTestBed({ profile, licenses })
    bed.agent.setUsage('GBIT', 12)
    await bed.register()
    expect(bed).toBeIn('out-of-compliance')
    await bed.authority.orders.create({ tag: 'GBIT', quantity: 2 })
    await bed.agent.renewAuthorization()
    expect(bed).toBeIn('authorized')
  })

  it('The clock of the device is set back by a year', async () => {
    await using bed = await createTestBed({ profile })
    await bed.register()
    bed.clock.setWall(bed.clock.wall() - 365 * 86_400_000)
    await bed.advance('1d')
    expect(bed).toBeIn('authorized')
  })

  it('The registration token has expired', async () => {
    await using bed = await createTestBed({ profile })
    const token = await bed.token()
    await bed.advance('31d')
    await expect(bed.agent.register(token)).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' })
  })

  it('The product restarts in the middle of an outage', async () => {
    await using bed = await createTestBed({ profile, faults: ['refused'] })
    await bed.register().catch(() => undefined)
    await bed.restart()
    await bed.setFaults()
    await expect(bed).toRecoverWithin('1h')
  })
})
