import { describe, expect, it } from 'vitest'
import {
  AUTHORITY_BEHAVIORS,
  canHandle,
  DAY,
  HOUR,
  MAX_WHAT_IF_DAYS,
  transition,
  whatIf,
  type WhatIfOptions,
} from '../../machines/index.ts'
import { eventCatalog } from '../../src/agent/event-catalog.ts'
import { AUTHORITIES } from '../../src/web/inspector/what-if/authorities.ts'
import {
  createValues,
  hasSecrets,
  listFields,
  parseEvent,
} from '../../src/web/inspector/what-if/event-form-model.ts'
import { EVENT_SCHEMAS, type ExternalEventType, SECRET_FIELDS } from '../../src/inspection/event-schemas.ts'
import { findTransitionAt } from '../../src/web/inspector/what-if/find-transition.ts'
import { NOTICES } from '../../src/inspection/notice-texts.ts'
import { listRealStates } from '../../src/web/inspector/what-if/real-states.ts'
import { createDayMarks, groupDays, listMoves, summarize } from '../../src/inspection/run-summary.ts'
import type { RunResult } from '../../src/web/inspector/what-if/worker-messages.ts'
import { formatCommand, MAX_DAYS, toDuration } from '../../src/web/inspector/what-if/what-if-form.ts'
import { createInspectedYear, NOW } from '../support/inspected-year.ts'

const year = createInspectedYear()
const present = year.snapshot(0)
const expired = year.stateChanges().changes.find(({ to }) => to === 'auth-expired')!
const FROM = Date.parse('2026-10-27T12:00:00Z')

function run(options: Partial<WhatIfOptions> = {}, id = 0): { result: RunResult; from: number; to: number } {
  const from = options.from ?? NOW
  const days = options.days ?? 120
  const { end: _end, ...rest } = whatIf(year.snapshot(id).snapshot, {
    authority: 'unreachable',
    from,
    days,
    ...options,
  })
  const result = { ...rest, milliseconds: 1 }
  return { result, from, to: from + days * DAY }
}
const outage = run({ from: FROM }, expired.id)
const periods = (...list: (readonly [number, number, 'full' | 'license-management-only'])[]) => ({
  functionality: list.map(([from, to, value]) => ({ from: from * DAY, to: to * DAY, value })),
})

describe('the days of a run', () => {
  it('are limited if any part of them is (R-INS-4)', () => {
    expect(groupDays(periods([0, 2.3, 'full'], [2.3, 5, 'license-management-only']), 0, 5 * DAY)).toEqual([
      { first: 1, last: 2, full: true },
      { first: 3, last: 5, full: false },
    ])
    expect(
      groupDays(periods([0, 1.5, 'full'], [1.5, 2.0, 'license-management-only'], [2, 4, 'full']), 0, 4 * DAY),
    ).toEqual([
      { first: 1, last: 1, full: true },
      { first: 2, last: 2, full: false },
      { first: 3, last: 4, full: true },
    ])
  })
  it('agree with the sentence and the table (R-INS-4)', () => {
    const { result, from, to } = outage
    const [full, limited] = groupDays(result, from, to)
    const summary = summarize(result, from, to)
    const end = listMoves(result, from).find(({ codes }) => codes.includes('EVAL_EXPIRED'))
    expect(end?.day).toBe(limited?.first)
    expect(summary.title).toBe(`From day ${limited?.first} only license management works`)
    expect(summary.detail).toContain(`The product may do everything for ${full?.last} days. `)
    expect(summary.detail).toContain(
      'The registration expires on Feb 7, 2027; the evaluation time is used up on',
    )
  })
  it('have as many marks as fit (R-INS-4)', () => {
    expect(createDayMarks(FROM, FROM + 120 * DAY, 752).map(({ label }) => label)).toEqual([
      ...['start', 'day 15', 'day 30', 'day 45', 'day 60', 'day 75', 'day 90', 'day 105'],
    ])
    expect(createDayMarks(FROM, FROM + 3650 * DAY, 300)).toHaveLength(2)
    expect(createDayMarks(FROM, FROM + 5 * HOUR, 300).map(({ label }) => label)).toEqual(['start'])
  })
})

describe('the sentence of a run', () => {
  it('says that everything works, and names the states (R-INS-4)', () => {
    const { result, from, to } = run()
    expect(summarize(result, from, to)).toMatchObject({
      tone: 'ok',
      title: 'For 120 days the product may do everything',
      detail: expect.stringMatching(/^Out of compliance at first; authorization expired from day 90 /),
    })
  })
  it('says so for a state that nothing changes (R-INS-4)', () => {
    const { result, from, to } = run({ authority: 'short', days: 0.5 })
    expect(summarize(result, from, to)).toMatchObject({
      title: 'For 12 hours the product may do everything',
      detail: 'Out of compliance all the time: nothing changes the state.',
    })
  })
  it('says from when only license management works, also from the first day (R-INS-4)', () => {
    const limited = { ...outage.result, ...periods([0, 9, 'license-management-only']) }
    expect(summarize(limited, 0, 9 * DAY).title).toBe('Only license management works, from the first day')
    const twice = periods([0, 1, 'full'], [1, 2, 'license-management-only'], [2, 5, 'full'])
    expect(summarize({ ...outage.result, ...twice }, 0, 5 * DAY).title).toBe(
      'Only license management works on day 2',
    )
  })
})

describe('the table of a run', () => {
  it('lists state changes and notices with their most severe text (R-INS-4)', () => {
    const rows = listMoves(outage.result, outage.from)
    expect(rows.map(({ text, state }) => [text, state])).toEqual(
      expect.arrayContaining([
        ['The registration expired; the device is unregistered', 'evaluation'],
        ['The evaluation period will end: 7 days are left', null],
        ['The evaluation period is used up', 'unregistered'],
      ]),
    )
    expect(rows.find(({ state }) => state === 'evaluation')?.codes).toEqual(['ID_CERT_EXPIRED', 'EVAL_START'])
  })
  it('gives each notice the severity that the agent gives it (R-INS-4)', () => {
    for (const [notice, [severity]] of Object.entries(NOTICES))
      expect([notice, severity]).toEqual([notice, eventCatalog[notice as keyof typeof NOTICES].severity])
  })
  it('stands beside what really happened (R-INS-4)', () => {
    const real = listRealStates(year.stateChanges(), FROM, NOW)
    expect(real.map(({ value }) => value)).toEqual(['auth-expired', 'authorized', 'out-of-compliance'])
    expect([real[0]?.from, real.at(-1)?.to]).toEqual([FROM, NOW])
    expect(listRealStates(year.stateChanges(), NOW, NOW)).toEqual([])
  })
})

describe('the assumptions', () => {
  it('are those that the machine knows (R-INS-4)', () => {
    expect(AUTHORITIES).toEqual([...AUTHORITY_BEHAVIORS])
    expect(MAX_DAYS).toBe(MAX_WHAT_IF_DAYS)
  })
  it('take days or hours in the range of the machine (R-INS-4)', () => {
    const durations = ['120', '0', '3651', '-1', '', 'x'].map((amount) =>
      toDuration({ amount, unit: 'days' }),
    )
    expect(durations).toEqual([120, 0, null, null, null, null])
    expect(toDuration({ amount: '36', unit: 'hours' })).toBe(1.5)
  })
  it('can be repeated in a terminal (R-INS-4)', () => {
    expect(formatCommand({ days: 120, authority: 'unreachable' })).toBe(
      'smart-agent what-if\n  --days 120\n  --authority unreachable',
    )
    expect(formatCommand({ days: 1 / 3, authority: 'short' })).toContain('--days 0.3333\n')
  })
  it('start at the last transition before an instant (R-INS-4)', async () => {
    const source = { history: (range: object | undefined) => Promise.resolve(year.history(range)) }
    const { history } = year.history({ limit: 10_000 })
    for (const at of [FROM, NOW, Date.parse('2026-02-07T09:14:00Z')]) {
      const last = history.findLast((row) => Date.parse(row.at) <= at)
      expect(await findTransitionAt(source, at)).toBe(last?.id)
    }
    expect(await findTransitionAt(source, 0)).toBeNull()
  })
})

describe('the forms of events', () => {
  const types = Object.keys(EVENT_SCHEMAS) as ExternalEventType[]
  const { context } = present.snapshot

  it('are filled so that they can be sent at once (R-INS-4)', () => {
    for (const type of types) {
      const values = createValues(type, context, NOW)
      expect([type, parseEvent(type, values, NOW)]).toMatchObject([
        type,
        { event: { type, at: NOW }, errors: null },
      ])
    }
  })
  it('make events that the machine understands (R-INS-4)', () => {
    for (const type of types) {
      const { event } = parseEvent(type, createValues(type, context, NOW), NOW)
      if (event && canHandle(present.snapshot, event)) transition(present.snapshot, event)
    }
    expect(types).toHaveLength(29)
  })
  it('never ask for codes or keys (R-INS-4)', () => {
    for (const type of types)
      for (const { path } of listFields(type))
        for (const part of path.split('.')) expect(SECRET_FIELDS).not.toContain(part)
    expect(types.filter(hasSecrets)).toEqual([
      'reservation.request',
      'reservation.install',
      'reservation.update',
      'reservation.return-code',
      'reservation.discard',
    ])
  })
  it('have a field for each value, of the kind of its schema (R-INS-4)', () => {
    expect(listFields('usage.changed').map(({ path, kind }) => [path, kind])).toEqual([
      ['tag', 'text'],
      ['count', 'number'],
    ])
    expect(
      listFields('authorize.accepted').map(({ path, kind, optional }) => [path, kind, optional]),
    ).toEqual([
      ['compliant', 'flag', false],
      ['counts', 'json', false],
      ['entitlements', 'json', false],
      ['deadlineAt', 'instant', false],
      ['nextContactAt', 'instant', true],
      ['smartAccount', 'text', false],
      ['virtualAccount', 'text', false],
    ])
    expect(listFields('registration.end')).toEqual([])
    expect(listFields('register.accepted').map(({ path }) => path)).toContain('registration.expiresAt')
  })
  it('report wrong values at their fields (R-INS-4)', () => {
    const wrong = { tag: '', count: '-3' }
    expect(parseEvent('usage.changed', wrong, NOW).errors).toEqual({
      tag: 'Enter a text.',
      count: 'Enter a number that this event may have.',
    })
    const values = createValues('authorize.accepted', context, NOW)
    const { errors } = parseEvent(
      'authorize.accepted',
      { ...values, entitlements: '[{}]', deadlineAt: '' },
      NOW,
    )
    expect(Object.keys(errors ?? {})).toEqual(['deadlineAt'])
    expect(
      Object.keys(parseEvent('authorize.accepted', { ...values, entitlements: '[{}]' }, NOW).errors ?? {}),
    ).toEqual(['entitlements'])
    expect(parseEvent('authorize.accepted', { ...values, counts: '{' }, NOW).errors).toEqual({
      counts: 'Enter JSON in the form of the first value.',
    })
  })
})
