import { describe, expect, it } from 'vitest'
import { formatPayload, nameChanges } from '../../src/web/inspector/time-travel/context-fields.ts'
import { describeCauseOfChange, describeChange } from '../../src/web/inspector/time-travel/describe-change.ts'
import { describeRow } from '../../src/web/inspector/time-travel/describe-row.ts'
import { findCauses } from '../../src/web/inspector/time-travel/find-causes.ts'
import { findChange, findEvent } from '../../src/web/inspector/time-travel/find-step.ts'
import { describeFold, findChangeAt, foldChanges } from '../../src/web/inspector/time-travel/fold-changes.ts'
import { createInspectedYear } from '../support/inspected-year.ts'

const year = createInspectedYear()
const history = year.stateChanges()
const { history: rows } = year.history({ limit: 10_000 })
const changes = history.changes
const getRow = (id: number) => rows[id - 1]!
const lastChange = getRow(changes.at(-1)!.id)
const expiry = getRow(changes.find(({ to }) => to === 'auth-expired')!.id)
const causesOf = (row: typeof lastChange) => findCauses(rows.slice(0, row.id), row).map(({ text }) => text)
const sentence = (row: typeof lastChange) =>
  describeChange(row)
    .map(({ text }) => text)
    .join('')

describe('the list of time travel', () => {
  it('folds the events between two changes, newest first (R-INS-3)', () => {
    const items = foldChanges(history)
    expect(items.filter(({ kind }) => kind === 'change')).toHaveLength(changes.length)
    const listed = items.reduce((sum, item) => sum + (item.kind === 'fold' ? item.events : 1), 0)
    expect(listed).toBe(history.events)
    const [tail, newest] = items
    expect(tail).toMatchObject({ kind: 'fold', after: lastChange.id, before: 0 })
    expect(newest).toMatchObject({ kind: 'change', change: { id: lastChange.id } })
  })
  it('says what is folded (R-INS-3)', () => {
    expect(describeFold(791, { answered: 3, unanswered: 512 })).toBe(
      '791 more: 512 attempts without answer, 3 answered',
    )
    expect(describeFold(1138, { answered: 0, unanswered: 1 })).toBe('1,138 more: 1 attempt without answer')
    expect(describeFold(5, null)).toBe('5 more')
  })
  it('finds the change that was in force at an instant (R-INS-3)', () => {
    const at = Date.parse('2026-06-01T00:00:00Z')
    expect(findChangeAt(changes, at)).toMatchObject({ from: 'out-of-compliance', to: 'authorized' })
    expect(findChangeAt(changes, 0)?.id).toBe(changes[0]?.id)
    expect(findChangeAt([], at)).toBeUndefined()
  })
  it('names the cause of each change as the chart does (R-INS-3)', () => {
    expect(changes.map(describeCauseOfChange)).toEqual([
      'registers',
      'enough licenses',
      'more in use than purchased',
      'enough licenses',
      'no contact until the deadline',
      'contact again, enough licenses',
      'more in use than purchased',
    ])
  })
})

describe('steps through the history', () => {
  const ids = [3, 8, 20]
  it('lead from change to change, and stop at the ends (R-INS-3)', () => {
    expect([findChange(ids, 8, 1), findChange(ids, 8, -1), findChange(ids, 20, 1)]).toEqual([20, 3, 20])
    expect([findChange(ids, 8, 'first'), findChange(ids, 8, 'last'), findChange([], 8, 1)]).toEqual([
      ...[3, 20, undefined],
    ])
  })
  it('lead from an event between two changes to the nearest ones (R-INS-3)', () => {
    expect([findChange(ids, 10, 1), findChange(ids, 10, -1), findChange(ids, 1, -1)]).toEqual([20, 8, 3])
  })
  it('lead from event to event (R-INS-3)', () => {
    const range = { firstId: 5, lastId: 9 }
    expect([findEvent(range, 7, 1), findEvent(range, 5, -1), findEvent(range, 7, 'last')]).toEqual([8, 5, 9])
  })
})

describe('the causes of a change', () => {
  it('are the rows back to the changed usage (R-INS-3)', () => {
    expect(causesOf(lastChange)).toEqual([
      'Usage of HOST changed to 49',
      'The change was reported after 30 seconds',
      'The license server answered: too few licenses',
    ])
  })
  it('are the last answer and the attempts since, for an authorization that expired (R-INS-3)', () => {
    const texts = causesOf(expiry)
    expect(texts[0]).toBe('The last answer of the license server')
    expect(texts[1]).toMatch(/^[\d,]+ attempts without answer until Oct 16$/)
    expect(texts[2]).toBe('The deadline passed without an answer')
  })
  it('begin with the act of a person, for a registration (R-INS-3)', () => {
    const registered = getRow(changes[0]!.id)
    expect(causesOf(registered)).toEqual(['A token was entered', 'The license server accepted the token'])
  })
  it('are only the event itself where no earlier row is at hand (R-INS-3)', () => {
    expect(findCauses([lastChange], lastChange)).toHaveLength(1)
  })
})

describe('the sentence of a change', () => {
  it('names what is short, and says that nothing is refused (R-INS-3)', () => {
    expect(sentence(lastChange)).toBe(
      'The license server answered: 49 Host License in use is more than was purchased. Nothing is refused for that.',
    )
  })
  it('is written for every change of the year, and for rows without one (R-INS-3)', () => {
    for (const { id } of changes) expect(sentence(getRow(id))).toMatch(/^[A-Z].*\.$/)
    const usage = rows.find(({ event }) => event === 'usage.changed')!
    expect(sentence(usage)).toBe('Usage of HOST changed to 4. The license state did not change.')
  })
  it('describes a failed attempt with its cause (R-INS-3)', () => {
    const failed = rows.find(({ event }) => event === 'authorize.unreachable')!
    expect(describeRow(failed)).toBe('No answer: The connection to branch.acme.example:443 timed out')
  })
})

describe('the changed data', () => {
  const named = nameChanges(lastChange.changes, Date.parse(lastChange.at))
  const find = (name: string) => named.find((change) => change.name === name)
  it('has names for people, and the path of each field (R-INS-3)', () => {
    expect(find('State since')).toMatchObject({ path: 'authorization.since', after: 'Nov 22, 11:32:30' })
    expect(find('Deadline')?.after).toBe('Feb 20, 11:27:30')
    expect(find('Report due')).toMatchObject({ before: 'Nov 22, 11:32:30', after: '—' })
  })
  it('lists each license on its own row (R-INS-3)', () => {
    expect(find('HOST answered for')).toMatchObject({ before: '29', after: '49' })
    expect(find('HOST status')).toMatchObject({ before: 'in-compliance', after: 'out-of-compliance' })
    expect(find('HOST reported')).toMatchObject({ before: '29', after: '49' })
  })
  it('splits an object that appears into its fields, without those that no person reads (R-INS-3)', () => {
    const registered = getRow(changes[0]!.id)
    const fields = nameChanges(registered.changes, Date.parse(registered.at))
    expect(fields.map(({ name }) => name)).toContain('Smart Account')
    expect(fields.find(({ name }) => name === 'Registration expires')?.after).toBe('Feb 7, 2027, 09:09:00')
    for (const { path } of fields) expect(path).not.toMatch(/authorityKey|remedy/)
  })
  it('has a name for every field that changes in a year (R-INS-3)', () => {
    const unnamed = rows.flatMap((row) =>
      nameChanges(row.changes, Date.parse(row.at)).filter(({ path, name }) => path === name),
    )
    expect(unnamed).toEqual([])
  })
  it('writes the payload with dates instead of numbers (R-INS-3)', () => {
    expect(formatPayload(lastChange.payload)).toEqual(
      expect.arrayContaining([
        'compliant: false',
        'counts: {"HOST":49}',
        'deadlineAt: Feb 20, 2027, 11:27:30',
      ]),
    )
  })
})
