import { mock } from 'node:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  assertLicensing,
  createTestBed,
  formatTimeline,
  licensingMatchers,
  type TestBed,
  type TestBedOptions,
} from '../../mocks/testing.ts'
import { freePort } from '../support/browser.ts'
import { defineProfile, SmartAgent } from '../../src/index.ts'

const profile = defineProfile({ name: 'router', tags: [{ tag: 'GBIT' }] })

let beds: TestBed[]
beforeEach(() => {
  beds = []
})
afterEach(async () => {
  for (const bed of beds) await bed.close()
})
async function open(options: TestBedOptions = {}): Promise<TestBed> {
  const bed = await createTestBed({ profile, licenses: { GBIT: 9 }, ...options })
  beds.push(bed)
  return bed
}
const getFailure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'no failure',
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  )

describe('R-LAB-4: the proxy of the network', () => {
  it('listens on the given port, lets the right user through, and shows its tunnels', async () => {
    const port = await freePort()
    const bed = await open({ proxy: { port, username: 'device', password: 'right' } })
    await bed.register()
    assertLicensing(bed).toBeIn('authorized')
    expect(bed.agent.status().transport).toMatchObject({
      kind: 'proxy',
      via: `http://127.0.0.1:${port}`,
    })
    expect(bed.network.tunnels).toMatchObject([{ username: 'device', status: 200 }])
    expect(bed.network.tunnels[0]?.headers).toHaveProperty('host')
    expect(JSON.stringify(bed.network.tunnels)).not.toContain('right')

    const settings = bed.network.settings('proxy')
    bed.agent.transport.set({ ...settings, ...{ username: 'device', password: 'old' } })
    expect(await getFailure(bed.agent.renewAuthorization())).toBe('PROXY_AUTHENTICATION_REFUSED')
    bed.agent.transport.set({ kind: 'proxy', url: settings.url, via: `http://127.0.0.1:${port}` })
    expect(await getFailure(bed.agent.renewAuthorization())).toBe('PROXY_AUTHENTICATION_REQUIRED')
    expect(bed.network.tunnels.slice(1).map(({ username, status }) => [username, status])).toEqual([
      ['device', 407],
      [null, 407],
    ])
    await expect(open({ proxy: { port } })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it.each(['ntlm', 'negotiate'] as const)('imitates a company proxy that wants %s', async (style) => {
    const bed = await open({ proxy: { style } })
    const error = await bed.register().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'PROXY_AUTHENTICATION_REFUSED' })
    expect(String(error)).toContain('supports only Basic')
  })
})

describe('R-LAB-4: schedules', () => {
  it('has the network down every night from 2 to 4, and the device recovers by itself', async () => {
    const bed = await open({ start: '2026-03-01T00:00:00Z' })
    await bed.register()
    await bed.setFaults({ fault: 'refused', daily: ['02:00', '04:00'] })
    await bed.advance('2h')
    expect(await getFailure(bed.agent.renewAuthorization())).toBe('CONNECTION_REFUSED')
    await bed.advance('119m')
    assertLicensing(bed).toFailWith('CONNECTION_REFUSED')
    await assertLicensing(bed).toRecoverWithin('6h')
    expect(new Date(bed.clock.wall()).getUTCHours()).toBeGreaterThanOrEqual(4)
  })

  it('fails on the third renewal, and on the second connection', async () => {
    const bed = await open({ faults: [{ fault: 'error500', on: 'authorize', after: 2, times: 1 }] })
    await bed.register()
    const renew = () => getFailure(bed.agent.renewAuthorization())
    expect([await renew(), await renew(), await renew()]).toEqual([
      'no failure',
      'AUTHORITY_FAILED',
      'no failure',
    ])
    await bed.setFaults({ fault: 'reset', after: 1, times: 1 })
    const codes = []
    for (let i = 0; i < 3; i++) {
      // The fault counts connections, and a device keeps one open for a minute.
      bed.agent.transport.set(bed.network.settings('direct'))
      codes.push(await renew())
    }
    expect(codes).toEqual(['no failure', 'CONNECTION_RESET', 'no failure'])
  })
})

describe('R-LAB-4: conditions of the line', () => {
  it('delays and narrows on the virtual clock, until a time limit passes', async () => {
    const bed = await open()
    await bed.register()
    bed.network.setConditions({ latency: 300, bandwidth: 20_000 })
    bed.agent.transport.set(bed.network.settings('direct'))
    const begun = bed.clock.monotonic()
    expect(await getFailure(bed.agent.renewAuthorization())).toBe('no failure')
    expect(bed.clock.monotonic() - begun).toBeGreaterThanOrEqual(1200)
    bed.network.setConditions({ latency: 40_000 })
    bed.agent.transport.set(bed.network.settings('direct'))
    expect(await getFailure(bed.agent.renewAuthorization())).toBe('TIMED_OUT')
    bed.network.setConditions({ loss: 1 })
    bed.agent.transport.set(bed.network.settings('direct'))
    expect(await getFailure(bed.agent.renewAuthorization())).toBe('TIMED_OUT')
    bed.network.setConditions({ nameDelay: 12_000 })
    bed.agent.transport.set(bed.network.settings('direct'))
    expect(await getFailure(bed.agent.renewAuthorization())).toBe('DNS_FAILED')
    bed.network.setConditions({ nameDelay: 5000 })
    await assertLicensing(bed).toRecoverWithin('12h')
    expect(() => {
      bed.network.setConditions({ loss: 2 })
    }).toThrow('probability')
  })

  it('takes the time limits that the test sets', async () => {
    const bed = await open({ deadlines: { tls: 2000 }, faults: ['tls-silence'] })
    const begun = bed.clock.monotonic()
    expect(await getFailure(bed.register())).toBe('TIMED_OUT')
    expect(bed.clock.monotonic() - begun).toBe(2000)
  })
})

describe('R-LAB-4: other ways to the authority', () => {
  it('resolves names to IPv6 alone', async () => {
    const bed = await open()
    bed.network.setAddressFamily(6)
    await bed.register()
    const [{ steps } = { steps: [] }] = bed.agent.inspection.listExchanges(1)
    expect(bed.agent.inspection.listExchanges(9).at(-1)?.steps[0]?.found).toContain('::1')
    expect(steps).not.toEqual([])
  })

  it('relays through a gateway and a satellite', async () => {
    const gateway = await open({ transport: 'gateway' })
    await gateway.register()
    assertLicensing(gateway).toBeIn('authorized')
    await gateway.setFaults('tls-expired')
    expect(await getFailure(gateway.agent.renewAuthorization())).toBe('TLS_EXPIRED')

    const bed = await open({ satellite: true, transport: 'gateway' })
    bed.agent.setUsage('GBIT', 3)
    await bed.register()
    assertLicensing(bed).toBeIn('authorized')
    await bed.satellite?.sync.run()
    expect(await bed.authority.licenses.list()).toMatchObject([{ tag: 'GBIT', quantity: 9, inUse: 3 }])
    expect(bed.agent.inspection.listExchanges(1)[0]?.route.role).toBe('satellite')
  })

  it('inspects TLS: refused without the CA of the middlebox, accepted with it', async () => {
    const bed = await open({ faults: ['tls-inspected'] })
    expect(await getFailure(bed.register())).toBe('TLS_INSPECTED')
    await bed.agent.trust.installTlsCa(await bed.network.readMiddleboxCa())
    await assertLicensing(bed).toRecoverWithin('1h')
    assertLicensing(bed).toBeIn('authorized')
  })
})

describe('R-LAB-1: mistakes of a test', () => {
  it('names the faults when one is unknown, and refuses what cannot be', async () => {
    const bed = await open()
    await expect(bed.setFaults('nope' as never)).rejects.toThrow(
      /"nope" is not a fault.*error503.*tls-expired/,
    )
    await expect(bed.network.setFault('nope' as never)).rejects.toThrow(/"nope" is not a fault.*tls-expired/)
    await expect(bed.network.setFault('error503' as never)).rejects.toThrow('fault of answers, for setFaults')
    await expect(bed.setFaults('refused', 'tls-expired')).rejects.toThrow('cannot occur together')
    await expect(bed.setFaults({ fault: 'refused', times: 2 })).rejects.toThrow('no connections to count')
    await expect(bed.setFaults({ fault: 'reset', daily: ['2', '4'] })).rejects.toThrow('02:30')
    await expect(bed.advance('a week' as never)).rejects.toThrow('31d')
    await expect(createTestBed({ start: 'soon' })).rejects.toThrow('not a time')
    await expect(createTestBed({ proxy: { port: '3128' as never } })).rejects.toThrow('not a port')
    await expect(createTestBed({ transport: 'pigeon' as never })).rejects.toThrow('direct, gateway, proxy')
  })

  it('refuses fake timers under which the network would stand still', async () => {
    const bed = await open()
    vi.useFakeTimers()
    try {
      await expect(createTestBed()).rejects.toThrow("toFake: ['Date']")
      await expect(bed.register()).rejects.toThrow("toFake: ['Date']")
      await expect(bed.settle()).rejects.toThrow("toFake: ['Date']")
      await expect(bed.advance('1d')).rejects.toThrow("toFake: ['Date']")
      await expect(bed.restart()).rejects.toThrow("toFake: ['Date']")
    } finally {
      vi.useRealTimers()
    }
    mock.timers.enable()
    try {
      await expect(createTestBed()).rejects.toThrow("mock.timers.enable({ apis: ['Date'] })")
    } finally {
      mock.timers.reset()
    }
  })

  it.each(['1970-01-01T00:00:00Z', '2035-01-01T00:00:00Z'])('works with a fake date of %s', async (date) => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(date) })
    try {
      const bed = await open()
      await bed.register()
      assertLicensing(bed).toBeIn('authorized')
      expect(bed.clock.wall()).toBe(Date.parse(date))
      await bed.setFaults('tls-expired')
      expect(await getFailure(bed.agent.renewAuthorization())).toBe('TLS_EXPIRED')
    } finally {
      vi.useRealTimers()
    }
  })

  it('shows what happened when an assertion fails', async () => {
    const bed = await open()
    await bed.register()
    const { pass, message } = licensingMatchers.toBeIn(bed, 'auth-expired')
    expect(pass).toBe(false)
    expect(message()).toContain('to be in auth-expired, but it is in authorized')
    expect(message()).toContain(formatTimeline(bed.timeline()))
    expect(() => {
      assertLicensing(bed).toHaveReported('GBIT', 1)
    }).toThrow('has 0 of GBIT')
  })
})

describe('R-LAB-1: time and restarts', () => {
  it('passes a year from due date to due date, and keeps everything over a restart', async () => {
    const bed = await open({ start: '2030-01-01T00:00:00Z' })
    await bed.register()
    await bed.advance('100d')
    expect(bed.requests.filter(({ type }) => type === 'authorize').length).toBeGreaterThanOrEqual(3)
    await bed.restart()
    assertLicensing(bed).toBeIn('authorized')
    await bed.setFaults('refused')
    await bed.advance('91d', { step: '10d' })
    assertLicensing(bed).toBeIn('auth-expired')
    await bed.setFaults()
    await assertLicensing(bed).toRecoverWithin('1d')
    expect(
      bed
        .timeline()
        .filter(({ kind }) => kind === 'fault')
        .map(({ text }) => text),
    ).toEqual(['refused', 'none'])
  })

  it('takes another agent on the same network', async () => {
    const bed = await open()
    const other = await SmartAgent.open({
      dataDir: `${bed.dataDir}-2`,
      product: { pid: 'TEST', serial: 'TEST-2', version: '1.0' },
      profile,
      transport: bed.network.settings('direct'),
      ...bed.trust,
      clock: bed.clock,
      heartbeat: false,
    })
    await other.register(await bed.token())
    expect(other.status().state).toBe('authorized')
    await other.close()
  })
})
