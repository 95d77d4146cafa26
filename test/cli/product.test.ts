import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { renderBar, fitColumns } from '../../src/cli/table.ts'
import { formatCsv } from '../../src/core/csv.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'

let programs: Programs
beforeEach(() => {
  programs = createPrograms()
})
afterEach(() => programs.close())

it('commands manage hosts and meetings with and without a daemon (R-UI-3, R-HOST-1, R-HOST-4)', async () => {
  const { agent, good, dataDir } = programs
  await good(agent(['init', '--pid', 'CWMS-K9', '--serial', 'SN1', '--json']))
  const run = async (meeting: string) => {
    expect(await good(agent(['host', 'assign', 'ann', '--json']))).toMatchObject({
      user: 'ann',
      license: 'demo',
    })
    await good(agent(['meeting', 'schedule', meeting, '--host', 'bob', '--alternate', 'carol', '--json']))
    expect(await good(agent(['meeting', 'start', meeting, '--json']))).toMatchObject({ actingHost: 'bob' })
    await good(agent(['meeting', 'join', meeting, 'dan', '--json']))
    expect(await good(agent(['meeting', 'list', '--json']))).toMatchObject({
      meetings: [{ id: meeting, present: ['bob', 'dan'] }],
    })
    const { hosts } = await programs.status()
    expect(hosts).toEqual({ assigned: 2, permanent: 0, demo: 2 })
    const refused = await agent(['host', 'deactivate', 'bob', '--json'])
    expect([refused.code, parseError(refused).code]).toEqual([1, 'HOST_IN_MEETING'])
    await good(agent(['meeting', 'end', meeting, '--json']))
    expect(await good(agent(['host', 'list', '--json']))).toMatchObject({
      hosts: [{ user: 'ann' }, { user: 'bob' }],
    })
    const bad = await agent(['host', 'assign', 'ann\u0007', '--json'])
    expect([bad.code, parseError(bad).code]).toEqual([2, 'INVALID_ARGUMENT'])
  }
  await run('m')
  const table = await agent(['host', 'list'])
  expect(table.stdout).toContain('│ ann  │ demo')
  const daemon = await programs.daemon()
  await run('n')
  // Several processes assign hosts concurrently.
  await Promise.all(
    Array.from({ length: 8 }, (_, i) => good(agent(['host', 'assign', `user${i}`, '--json']))),
  )
  expect((await programs.status()).hosts?.assigned).toBe(10)
  // Acknowledged assignments survive a SIGKILL.
  await daemon.stop('SIGKILL')
  expect((await programs.status()).hosts?.assigned).toBe(10)
  expect(dataDir()).toContain('device')
})

it('commands manage the system, upgrades, usage history and refusals (R-UI-3, R-SYS-1, R-EVAL-2)', async () => {
  const { agent, good } = programs
  await good(
    agent(['init', '--pid', 'CWMS-K9', '--serial', 'SN1', '--version', '4.0', '--size', 'large', '--json']),
  )
  expect(await good(agent(['system', 'show', '--json']))).toMatchObject({
    size: 'large',
    ports: 2000,
    role: 'single',
  })
  expect(parseError(await agent(['system', 'extend', '--json'])).code).toBe('LICENSES_REQUIRED')
  expect(parseError(await agent(['system', 'join', 'dc2', '--json'])).code).toBe('LICENSES_REQUIRED')
  expect((await agent(['system', 'join'])).code).toBe(2)
  expect(await good(agent(['system', 'size', 'small', '--json']))).toMatchObject({ ports: 250 })
  expect((await agent(['system', 'size', 'huge'])).code).toBe(2)
  await good(agent(['usage', 'set', 'HOST', '3', '--json']))
  await good(agent(['host', 'assign', '=cmd()', '--json']))
  expect(await good(agent(['usage', 'history', '--by', 'hour', '--last', '1', '--json']))).toMatchObject({
    usage: [{ tag: 'HOST', peak: 4 }],
  })
  expect((await agent(['usage', 'history'])).stdout).toContain('█')
  const { stdout } = await agent(['usage', 'history', '--csv'])
  expect(stdout).toMatch(/^tag,from,peak,mean\r\nHOST,\d{4}-\d\d-\d\dT00:00:00\.000Z,4,/)
  const before = await good<Status>(agent(['status', '--json']))
  for (const version of ['4.5', '5', '5.0.1', '7.1', '999999']) {
    const upgraded = await good<Status>(agent(['upgrade', '--to', version, '--json']))
    expect(upgraded).toMatchObject({ state: 'evaluation', product: { version }, hosts: { assigned: 1 } })
    expect(upgraded.evaluation.remainingSeconds).toBeLessThanOrEqual(before.evaluation.remainingSeconds)
  }
  expect(parseError(await agent(['upgrade', '--to', '4.9', '--json'])).code).toBe('VERSION_NOT_HIGHER')
  // Refusals are listed.
  await good(agent(['host', 'attendee-only', '=cmd()2', '--json']))
  expect(parseError(await agent(['host', 'assign', '=cmd()2', '--json'])).code).toBe('ATTENDEE_ONLY')
  expect(await good(agent(['usage', 'denials', '--json']))).toMatchObject({
    denials: [
      { what: 'extend the system', code: 'LICENSES_REQUIRED' },
      { what: 'let the data center dc2 join', code: 'LICENSES_REQUIRED' },
      { what: 'assign a host license', who: '=cmd()2', code: 'ATTENDEE_ONLY' },
    ],
  })
  expect((await agent(['usage', 'denials', '--csv'])).stdout).toContain(",'=cmd()2,ATTENDEE_ONLY,")
})

it('commands place orders by SKU, by tag and for a buyer without a smart account (R-ACC-6, R-SYS-4)', async () => {
  const { authority, good, directory } = programs
  await programs.initAuthority()
  const order = (...words: string[]) => authority(['order', ...words, '--json'])
  expect(
    await good(order('--sku', 'CWMS-USRUG-K9', '--quantity', '5', '--virtual-account', 'Default')),
  ).toMatchObject({
    tag: 'HOST',
    quantity: 5,
    status: 'fulfilled',
  })
  await good(order('--tag', 'HOST', '--quantity', '2', '--virtual-account', 'Default', '--term', '30'))
  expect(parseError(await order('--sku', 'NONE', '--quantity', '1')).code).toBe('NOT_FOUND')
  expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
    licenses: [{ tag: 'HOST', quantity: 7 }],
  })
  await good(authority(['mail', 'folder', `${directory}/mails`, '--from', 'orders@vendor.example', '--json']))
  const waiting = await good<{ id: string }>(
    order('--sku', 'CWMS-XL-UG-S-K9', '--quantity', '1', '--buyer', 'b@customer.example'),
  )
  expect(await good(authority(['mail', 'send', '--json']))).toEqual({ sent: 1 })
  expect(await good(authority(['order', 'assign', waiting.id, '--json']))).toMatchObject({
    status: 'fulfilled',
    tag: 'SYS-XL',
  })
  expect((await authority(['order', 'list'])).stdout).toContain('1 of SYS-XL')
})

it('fitColumns shrinks the widest columns to fit the terminal', () => {
  const rows = [
    ['a', 'what', 'why'],
    ['1', 'x'.repeat(30), 'y'.repeat(90)],
  ]
  expect(fitColumns(rows, 200)).toEqual({})
  const { colWidths } = fitColumns(rows, 80) as { colWidths: number[] }
  expect(colWidths.reduce((sum, width) => sum + width + 1, 1)).toBe(80)
  expect(colWidths[1]).toBe(32)
})

it('formatCsv quotes cells and escapes formulas, and renderBar draws proportional bars', () => {
  expect(
    formatCsv(
      ['a', 'b'],
      [
        ['x,"y"', 1],
        ['=1+1', -2],
        ['two\nlines', 0],
      ],
    ),
  ).toBe(`a,b\r\n"x,""y""",1\r\n'=1+1,-2\r\n"two\nlines",0\r\n`)
  expect([
    renderBar(10, 10, 4),
    renderBar(5, 10, 4),
    renderBar(0, 10, 4),
    renderBar(1, 1000, 4),
    renderBar(1, 0, 4),
  ]).toEqual(['████', '██', '', '▏', ''])
})
