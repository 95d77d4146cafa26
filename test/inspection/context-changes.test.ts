import { describe, expect, it } from 'vitest'
import { listChanges, omitCodes, revertChanges } from '../../src/inspection/context-changes.ts'
import { transition } from '../../machines/index.ts'
import { adjacency, toAgentSnapshot } from '../machines/reachable-states.ts'

describe('R-INS-3: the changes of the context', () => {
  it('lead back to the context before, for each reachable transition', () => {
    let compared = 0
    for (const { state, transitions } of adjacency.filter((_, i) => i % 5 === 0))
      for (const { event } of Object.values(transitions)) {
        const { context: before } = toAgentSnapshot(state)
        const after = transition(toAgentSnapshot(state), event).snapshot.context
        const changes = JSON.parse(JSON.stringify(listChanges(before, after))) as ReturnType<
          typeof listChanges
        >
        expect(omitCodes(revertChanges(after, changes))).toEqual(omitCodes(before))
        compared++
      }
    expect(compared).toBeGreaterThan(1000)
  })

  it('name counts by their tag, which may contain dots and brackets', () => {
    const [first] = adjacency
    if (!first) throw new Error('no state')
    const { context } = toAgentSnapshot(first.state)
    const tags = { 'com.example.ROUTES_1.0': 3, 'a[b].c]': 4 }
    const after = { ...context, usage: { ...context.usage, counts: { ...context.usage.counts, ...tags } } }
    const changes = listChanges(context, after)
    expect(changes.map(({ path }) => path)).toEqual([
      'usage.counts[com.example.ROUTES_1.0]',
      'usage.counts[a[b].c]]',
    ])
    expect(revertChanges(after, changes)).toEqual(context)
  })

  it('contain no code', () => {
    expect(omitCodes({ requestCode: 'A', list: [{ returnCode: 'B', confirmationCode: null }] })).toEqual({
      requestCode: '',
      list: [{ returnCode: '', confirmationCode: null }],
    })
  })
})
