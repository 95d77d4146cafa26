import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { createActor, createMachine, transition as xstateTransition } from 'xstate'
import { describe, expect, it } from 'vitest'
import {
  agentMachine,
  exportConfig,
  implementations,
  initialContext,
  toMachineSnapshot,
  transition,
} from '../../machines/index.ts'
import { runMacrostep } from '../../machines/run-macrostep.ts'
import { T0 } from './events.ts'
import { adjacency, listEvents, START, toAgentSnapshot } from './reachable-states.ts'

const config = JSON.parse(JSON.stringify(exportConfig())) as object
/** Machine that another tool would make from the exported file. */
const imported = createMachine({ ...config, context: initialContext(START) } as never).provide(
  implementations as never,
)

describe('R-INS-5: the exported configuration of the agent machine', () => {
  it('is the committed file docs/agent.machine.json', () => {
    expect(JSON.parse(readFileSync('docs/agent.machine.json', 'utf8'))).toEqual(config)
  })

  it('names every guard and action, and each name has an implementation', () => {
    const names = { guards: new Set<string>(), actions: new Set<string>() }
    const collect = (value: unknown, key = '') => {
      if (Array.isArray(value)) for (const item of value) collect(item, key)
      else if (typeof value === 'string') {
        if (key === 'guard') names.guards.add(value)
        if (key === 'actions' || key === 'entry') names.actions.add(value)
      } else if (typeof value === 'object' && value !== null) {
        if ((key === 'actions' || key === 'entry') && 'type' in value) names.actions.add(String(value.type))
        else for (const [inner, child] of Object.entries(value)) collect(child, inner)
      }
    }
    collect(config)
    expect(names.guards.size).toBeGreaterThan(20)
    expect([...names.guards].filter((name) => !(name in implementations.guards))).toEqual([])
    expect([...names.actions].filter((name) => !(name in implementations.actions))).toEqual([])
  })

  it('builds and starts without implementations', () => {
    const actor = createActor(createMachine(config as never)).start()
    expect(actor.getSnapshot().value).toEqual(
      createActor(agentMachine, { input: { at: 0 } })
        .start()
        .getSnapshot().value,
    )
    actor.stop()
  })

  it('has the same transitions as the machine itself, for each reachable state and event', () => {
    let compared = 0
    for (const { state, transitions } of adjacency.filter((_, i) => i % 7 === 0))
      for (const { event } of Object.values(transitions)) {
        const given = imported.resolveState({ value: state.value, context: state.context })
        const [next] = xstateTransition(imported, given as never, event as never)
        const { snapshot } = transition(toAgentSnapshot(state), event)
        expect({ value: next.value, context: next.context }).toEqual(snapshot)
        compared++
      }
    expect(compared).toBeGreaterThan(1000)
  })

  it('takes the same path as the machine through 1,000 random histories', () => {
    const choices = fc.array(fc.nat(), { minLength: 1, maxLength: 10 })
    fc.assert(
      fc.property(choices, (picks) => {
        let ours = toMachineSnapshot({
          value: createActor(agentMachine, { input: { at: START } }).getSnapshot().value,
          context: initialContext(START),
        })
        let theirs: { value: unknown; context: unknown } = imported.resolveState({
          value: ours.value,
          context: ours.context,
        })
        for (const pick of picks) {
          const events = listEvents(ours)
          const event = events[pick % events.length]
          if (!event) return
          ;[ours] = runMacrostep(ours, event)
          ;[theirs] = xstateTransition(imported, theirs as never, event as never)
          expect({ value: theirs.value, context: theirs.context }).toEqual({
            value: ours.value,
            context: ours.context,
          })
        }
      }),
      { numRuns: 1000, seed: 1 },
    )
  })

  it('tells listeners of a running actor about notices', () => {
    const actor = createActor(imported)
    const notices: unknown[] = []
    actor.on('notice' as never, (event: never) => notices.push(event))
    actor.start()
    actor.send({ type: 'clock.tick', at: T0, used: 90 * 86_400 })
    expect(notices).toContainEqual({ type: 'notice', notice: 'EVAL_EXPIRED' })
    actor.stop()
  })

  it('gives what the public transition() of XState gives, for a sample of states', () => {
    for (const { state, transitions } of adjacency.filter((_, i) => i % 50 === 0))
      for (const { event } of Object.values(transitions)) {
        const [next, actions] = xstateTransition(agentMachine, state, event)
        const [fast, fastActions] = runMacrostep(state, event)
        expect([fast.value, fast.context]).toEqual([next.value, next.context])
        expect(fastActions.map(({ type, params }) => ({ type, params }))).toEqual(
          actions.map(({ type, params }) => ({ type, params })),
        )
      }
  })
})
