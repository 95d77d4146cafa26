import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Authority, toCsv } from '../../src/authority/index.ts'
import { formatCsv } from '../../src/core/csv.ts'
import { DAY, toIsoString } from '../../src/core/time.ts'
import { exchangeByFile, createSatelliteEnvironment } from '../support/satellite.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let authority: Authority
beforeEach(async () => {
  world = await createTestEnvironment()
  authority = world.authority
})
afterEach(() => world.close())

const day = (days: number) => toIsoString(world.clock.wall() + days * DAY)
const registerDevice = async (name: string, usage: Record<string, number>, virtualAccount = 'Default') => {
  const agent = await world.open(name)
  for (const [tag, count] of Object.entries(usage)) agent.setUsage(tag, count)
  await agent.register(await world.token({ virtualAccount }))
  return agent
}

describe('reports', () => {
  it('list licenses by virtual account and tag with the next expiry (R-ACC-7)', async () => {
    await authority.accounts.addVirtualAccount('East')
    await authority.reservations.enable()
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 30 })
    await authority.orders.create({ tag: 'HOST', quantity: 2, termDays: 30 })
    await authority.orders.create({ tag: 'HOST', quantity: 10, termDays: 60 })
    await authority.orders.create({ tag: 'SYS-XL', quantity: 1, virtualAccount: 'East' })
    const sealed = await world.open('sealed')
    await authority.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 4 },
    })
    await registerDevice('device', { HOST: 14 })
    const report = await authority.operations.reports.create('licenses')
    expect(report).toMatchObject({ kind: 'licenses', generatedAt: day(0) })
    expect(report.columns.map(({ key }) => key)).toEqual(Object.keys(report.rows[0] ?? {}))
    expect(report.rows).toEqual([
      {
        virtualAccount: 'Default',
        tag: 'HOST',
        name: 'Host License',
        quantity: 17,
        inUse: 14,
        reserved: 4,
        available: 0,
        balance: -1,
        status: 'out-of-compliance',
        nextExpiry: day(30),
        nextExpiryQuantity: 7,
      },
      {
        virtualAccount: 'East',
        tag: 'SYS-XL',
        name: 'Extended Capacity',
        quantity: 1,
        inUse: 0,
        reserved: 0,
        available: 1,
        balance: 1,
        status: 'in-compliance',
        nextExpiry: null,
        nextExpiryQuantity: null,
      },
    ])
    world.clock.advance(31 * DAY)
    expect((await authority.operations.reports.create('licenses')).rows[0]).toMatchObject({
      quantity: 10,
      nextExpiry: day(29),
      nextExpiryQuantity: 10,
    })
  })

  it('list registered and reserved product instances and their usage, optionally of one virtual account (R-ACC-7)', async () => {
    await authority.accounts.addVirtualAccount('East')
    await authority.reservations.enable()
    await authority.orders.create({ tag: 'HOST', quantity: 10 })
    await authority.orders.create({ tag: 'SYS-XL', quantity: 1, virtualAccount: 'East' })
    await registerDevice('one', { HOST: 3, 'MDC-SMALL': 1 })
    await registerDevice('two', { 'SYS-XL': 1 }, 'East')
    const sealed = await world.open('sealed')
    await authority.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 4 },
    })
    const { rows, columns } = await authority.operations.reports.create('instances')
    expect(columns.map(({ title }) => title)).toContain('Host name')
    expect(rows).toMatchObject([
      {
        product: 'CWMS-K9',
        serial: 'ONE',
        version: '4.0',
        virtualAccount: 'Default',
        satellite: null,
        status: 'out-of-compliance',
        registered: day(0),
        lastContact: day(0),
        licenses: 'HOST 3, MDC-SMALL 1',
      },
      { serial: 'TWO', virtualAccount: 'East', status: 'in-compliance', licenses: 'SYS-XL 1' },
      { serial: 'SEALED', status: 'reserved', lastContact: null, expires: null, licenses: 'HOST 4' },
    ])
    const usage = await authority.operations.reports.create('usage')
    expect(usage.rows).toEqual([
      {
        virtualAccount: 'Default',
        tag: 'HOST',
        instance: 'CWMS-K9:ONE',
        count: 3,
        status: 'in-compliance',
      },
      { virtualAccount: 'Default', tag: 'HOST', instance: 'CWMS-K9:SEALED', count: 4, status: 'reserved' },
      {
        virtualAccount: 'Default',
        tag: 'MDC-SMALL',
        instance: 'CWMS-K9:ONE',
        count: 1,
        status: 'out-of-compliance',
      },
      {
        virtualAccount: 'East',
        tag: 'SYS-XL',
        instance: 'CWMS-K9:TWO',
        count: 1,
        status: 'in-compliance',
      },
    ])
    for (const kind of ['licenses', 'instances', 'usage'] as const) {
      const east = await authority.operations.reports.create(kind, { virtualAccount: 'East' })
      expect(east.rows.map((row) => row.virtualAccount)).toEqual(['East'])
      expect(await getErrorCode(authority.operations.reports.create(kind, { virtualAccount: 'West' }))).toBe(
        'NOT_FOUND',
      )
    }
  })

  it('of a manager include the product instances of its satellites (R-ACC-7, R-SAT-1)', async () => {
    const environment = await createSatelliteEnvironment()
    try {
      const satellite = await environment.addSatellite('branch')
      await environment.manager.orders.create({ tag: 'HOST', quantity: 2, virtualAccount: 'BRANCH' })
      await exchangeByFile(environment.manager, satellite)
      const device = await environment.openDevice(() => satellite, 'device')
      device.setUsage('HOST', 1)
      await device.register((await satellite.tokens.create({ days: 5 })).token)
      await exchangeByFile(environment.manager, satellite)
      expect((await environment.manager.operations.reports.create('instances')).rows).toMatchObject([
        { serial: 'DEVICE', satellite: 'branch', virtualAccount: 'BRANCH', licenses: 'HOST 1' },
      ])
      expect((await satellite.operations.reports.create('instances')).rows).toMatchObject([
        { serial: 'DEVICE', satellite: null },
      ])
      expect(await satellite.licenses.listTransactions()).toMatchObject([
        { virtualAccount: 'Default', quantity: 2, source: 'synchronized from the manager' },
      ])
    } finally {
      await environment.close()
    }
  })

  it('escape user-defined names against spreadsheet formulas in CSV (R-ACC-7)', async () => {
    await authority.accounts.addVirtualAccount('=HYPERLINK("http://x"),1')
    await authority.orders.create({ tag: 'HOST', quantity: 1, virtualAccount: '=HYPERLINK("http://x"),1' })
    const [head, row] = parse(toCsv(await authority.operations.reports.create('licenses')))
    expect(head?.slice(0, 4)).toEqual(['Virtual account', 'Tag', 'Name', 'Purchased'])
    expect(row?.slice(0, 4)).toEqual([`'=HYPERLINK("http://x"),1`, 'HOST', 'Host License', '1'])
  })
})

describe('the lots of a pool', () => {
  it('state quantity, term and source order (R-ACC-7, R-ACC-6)', async () => {
    await authority.accounts.addVirtualAccount('East')
    const first = await authority.orders.create({ sku: 'CWMS-USRUG-K9', quantity: 5 })
    const start = day(0)
    world.clock.advance(DAY)
    const second = await authority.orders.create({ tag: 'HOST', quantity: 7, termDays: 10 })
    await authority.orders.create({ tag: 'SYS-XL', quantity: 1 })
    await authority.licenses.transfer({ tag: 'HOST', quantity: 3, from: 'Default', to: 'East' })
    const lot = { virtualAccount: 'Default', tag: 'HOST', name: 'Host License' }
    const [bought, term, ...more] = await authority.licenses.listTransactions({ tag: 'HOST' })
    expect(bought?.id).not.toBe(term?.id)
    expect(bought).toMatchObject({
      ...lot,
      quantity: 5,
      type: 'perpetual',
      startsAt: start,
      endsAt: null,
      source: `order ${first.id} (CWMS-USRUG-K9)`,
      status: 'active',
    })
    expect(term).toMatchObject({
      ...lot,
      quantity: 4,
      type: 'term',
      startsAt: day(0),
      endsAt: day(10),
      source: `order ${second.id}`,
      status: 'active',
    })
    expect(more).toMatchObject([
      {
        virtualAccount: 'East',
        quantity: 3,
        source: `order ${second.id}, transferred from Default`,
      },
    ])
    world.clock.advance(10 * DAY)
    expect(await authority.licenses.listTransactions({ virtualAccount: 'East' })).toMatchObject([
      { status: 'expired', quantity: 3 },
    ])
    expect(await authority.licenses.listTransactions()).toHaveLength(4)
    expect(await getErrorCode(authority.licenses.listTransactions({ tag: 'NONE' }))).toBe('UNKNOWN_TAG')
    expect(await getErrorCode(authority.licenses.listTransactions({ virtualAccount: 'West' }))).toBe(
      'NOT_FOUND',
    )
  })

  it('state no source virtual account once it was removed (R-ACC-7)', async () => {
    await authority.accounts.addVirtualAccount('Gone')
    await authority.accounts.addVirtualAccount('East')
    const { id } = await authority.orders.create({ tag: 'HOST', quantity: 1, virtualAccount: 'Gone' })
    await authority.licenses.transfer({ tag: 'HOST', quantity: 1, from: 'Gone', to: 'East' })
    await authority.accounts.removeVirtualAccount('Gone')
    expect((await authority.licenses.listTransactions()).map(({ source }) => source)).toEqual([
      `order ${id}, transferred`,
    ])
  })
})

describe('the event log', () => {
  it('is filtered by virtual account, instance, tag and severity, and is paged (R-ACC-7)', async () => {
    await authority.accounts.addVirtualAccount('East')
    await authority.orders.create({ tag: 'HOST', quantity: 1 })
    await authority.orders.create({ tag: 'MDC-SMALL', quantity: 1, virtualAccount: 'East' })
    const agent = await registerDevice('device', { HOST: 2 })
    const id = agent.status().registration.instanceId ?? ''
    const types = async (filter: Parameters<Authority['operations']['events']['list']>[0]) =>
      (await authority.operations.events.list(filter)).map(({ type }) => type)
    expect(await types({ virtualAccount: 'East' })).toEqual(['VIRTUAL_ACCOUNT_ADDED', 'LICENSES_ORDERED'])
    expect(await types({ instanceId: id })).toEqual(['INSTANCE_REGISTERED'])
    expect(await types({ severity: 'major' })).toEqual(['INSUFFICIENT_LICENSES'])
    expect(await types({ tag: 'HOST' })).toEqual(['LICENSES_ORDERED', 'INSUFFICIENT_LICENSES'])
    expect(await types({ tag: 'MDC-SMALL' })).toEqual(['LICENSES_ORDERED'])
    expect(await types({ tag: 'SMALL' })).toEqual([])
    expect(await types({ tag: 'HOST', severity: 'info' })).toEqual(['LICENSES_ORDERED'])
    const all = await authority.operations.events.list()
    const pages = []
    let before: number | undefined
    for (;;) {
      const page = await authority.operations.events.list({ limit: 2, before })
      if (page.length === 0) break
      pages.unshift(...page)
      before = page[0]?.id
    }
    expect(pages).toEqual(all)
  })
})

describe('CSV', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom('"', ',', '\r', '\n', '=', '+', '-', '@', '\t', "'", ' ', 'é', '1') }),
  )
  const cell = fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))
  const tables = fc
    .integer({ min: 1, max: 4 })
    .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1 }))

  it('round-trips every table except for the quote before formulas (R-ACC-7)', () => {
    fc.assert(
      fc.property(tables, (rows) => {
        const columns = (rows[0] ?? []).map((_, i) => `column ${i}`)
        const expected = rows.map((row) =>
          row.map((cell) =>
            typeof cell === 'string' ? cell.replace(/^(?=[=+\-@\t\r])/, "'") : String(cell ?? ''),
          ),
        )
        expect(parse(formatCsv(columns, rows))).toEqual([columns, ...expected])
      }),
    )
  })

  it('quotes text that would begin a formula and leaves numbers as they are (R-ACC-7)', () => {
    fc.assert(
      fc.property(fc.constantFrom('=', '+', '-', '@', '\t', '\r'), fc.string(), (first, rest) => {
        const [, [cell = ''] = []] = parse(formatCsv(['a'], [[first + rest]]))
        expect(cell).toBe(`'${first}${rest}`)
      }),
    )
    expect(formatCsv(['a', 'b'], [[-1, null]])).toBe('a,b\r\n-1,\r\n')
  })
})

/** Parses CSV strictly by RFC 4180. */
function parse(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let at = 0
  while (at < text.length) {
    const [match = '', quoted, plain] = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))/.exec(text.slice(at)) ?? []
    row.push(quoted?.replaceAll('""', '"') ?? plain ?? '')
    at += match.length
    if (text[at] === ',') {
      at++
      continue
    }
    if (text.slice(at, at + 2) !== '\r\n') throw new Error(`neither a comma nor an end of line at ${at}`)
    at += 2
    rows.push(row)
    row = []
  }
  return rows
}
