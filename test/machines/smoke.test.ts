import { expect, it } from 'vitest'
import { begin, step, stateWord, axisPath, type Position, type Event } from '../../machines/index.ts'
it('walks', () => {
  let { position, commands } = begin(0)
  const go = (e: Event) => { const s = step(position, e); position = s.position; console.log(e.type, stateWord(position.value), axisPath(position.value.registration), axisPath(position.value.license), position.value.link, JSON.stringify(s.commands)) ; return s }
  console.log(commands)
  go({ type: 'TICK', at: 1000, used: 60 })
  go({ type: 'REGISTER', at: 1000, force: false, again: false })
  go({ type: 'register.unreachable', at: 1000, failure: {code:'X',message:'m',remedy:'r'}, jitter: .5, retryAfter: null })
  go({ type: 'TICK', at: 40000, used: 60 })
  go({ type: 'register.accepted', at: 41000, registration: { instanceId:'i', smartAccount:'a', virtualAccount:'v', exportControlled:false, registeredAt: 41000, expiresAt: 365*86400e3 } })
  go({ type: 'authorize.accepted', at: 41000, counts: {}, compliant: true, entitlements: [], deadlineAt: 90*86400e3, nextContactAt: null, smartAccount:'a', virtualAccount:'v' })
  go({ type: 'USAGE', at: 42000, tag: 'HOST', count: 3 })
  go({ type: 'TICK', at: 80000, used: 60 })
  go({ type: 'authorize.accepted', at: 81000, counts: {HOST:3}, compliant: false, entitlements: [], deadlineAt: 90*86400e3, nextContactAt: null, smartAccount:'a', virtualAccount:'v' })
  go({ type: 'TICK', at: 91*86400e3, used: 60 })
  go({ type: 'TICK', at: 366*86400e3, used: 60 })
  expect(stateWord(position.value)).toBe('evaluation')
  console.log(JSON.stringify(position.context))
})
