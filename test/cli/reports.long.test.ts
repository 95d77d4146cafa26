import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AlertDocument, LicenseTransaction, ReportDocument } from '../../src/authority/index.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'

/** Built program, for the output of alerts, reports and the event log. */
let programs: Programs
beforeAll(async () => {
  programs = createPrograms()
  await programs.initAuthority()
  await programs.good(programs.authority(['virtual-account', 'add', '=East', '--json']))
  await programs.order(3)
  await programs.good(
    programs.authority([
      'order',
      '--tag',
      'HOST',
      '--quantity',
      '2',
      '--term',
      '20',
      '--virtual-account',
      '=East',
      '--json',
    ]),
  )
})
afterAll(async () => {
  await programs.close()
})

const text = async (...words: string[]) => {
  const { code, stdout, stderr } = await programs.authority(words)
  expect([code, stderr]).toEqual([0, ''])
  return stdout
}
const document = <T>(...words: string[]) => programs.good<T>(programs.authority([...words, '--json']))

describe('smart-authority', () => {
  it('alert list exits with 0, with and without alerts (R-ACC-7, R-UI-3)', async () => {
    const { alerts } = await document<{ alerts: AlertDocument[] }>('alert', 'list')
    expect(alerts).toMatchObject([{ type: 'licenses-expiring', virtualAccount: '=East', severity: 'major' }])
    const table = await text('alert', 'list')
    for (const word of [
      'Severity',
      'Message',
      'Source',
      'Action due',
      'Actions',
      alerts[0]?.actionDue ?? '?',
    ])
      expect(table).toContain(word)
    expect(await text('alert', 'list', '--virtual-account', 'Default')).toBe('None.\n')
  })

  it('report prints a table, JSON or CSV (R-ACC-7, R-UI-3)', async () => {
    const report = await document<ReportDocument>('report', 'licenses')
    expect(report.rows).toMatchObject([
      { virtualAccount: '=East', tag: 'HOST', quantity: 2, nextExpiryQuantity: 2 },
      { virtualAccount: 'Default', tag: 'HOST', quantity: 3, nextExpiry: null },
    ])
    expect(await text('report', 'licenses')).toContain('Next expiry')
    const lines = (await text('report', 'licenses', '--csv')).split('\r\n')
    expect(lines[0]).toMatch(/^Virtual account,Tag,Name,Purchased,/)
    expect(lines[1]).toMatch(/^'=East,HOST,Host License,2,/)
    expect(lines[2]).toBe('Default,HOST,Host License,3,0,0,3,3,in-compliance,,')
    expect(await text('report', 'instances')).toBe('None.\n')
    expect(await text('report', 'usage', '--csv', '--virtual-account', 'Default')).toBe(
      'Virtual account,Tag,Instance,Count,Status\r\n',
    )
    const bad = await programs.authority(['report', 'nothing', '--json'])
    expect([bad.code, parseError(bad).code]).toEqual([2, 'USAGE'])
  })

  it('license transactions lists the lots (R-ACC-7, R-UI-3)', async () => {
    const { transactions } = await document<{ transactions: LicenseTransaction[] }>(
      'license',
      'transactions',
      '--tag',
      'HOST',
      '--virtual-account',
      'Default',
    )
    expect(transactions).toMatchObject([{ quantity: 3, type: 'perpetual', status: 'active' }])
    expect(await text('license', 'transactions')).toContain(transactions[0]?.source ?? '?')
  })

  it('events filters by virtual account, instance and severity (R-ACC-7, R-UI-3)', async () => {
    expect(await text('events', '--virtual-account', '=East')).toMatch(
      /ADDED.*\n.*LICENSES_ORDERED.*\n.*EXPIRING/,
    )
    expect(await text('events', '--severity', 'major')).toBe('')
    expect(await text('events', '--instance', 'none')).toBe('')
    expect(await text('events', '--limit', '1')).toContain('LICENSES_EXPIRING')
    const bad = await programs.authority(['events', '--severity', 'loud', '--json'])
    expect([bad.code, parseError(bad).code]).toEqual([2, 'USAGE'])
  })
})
