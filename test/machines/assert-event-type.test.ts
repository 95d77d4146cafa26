import { expect, test } from 'vitest'
import { assertEventType } from '../../machines/assert-event-type.ts'

const refusing = (event: { type: string; code: string }, ...types: string[]) => {
  return () => {
    assertEventType(event, ...types)
  }
}

test('rejects an event of another type without printing the event, which may carry a code (R-NET-3)', () => {
  const event = { type: 'RETURN', code: 'AAAAA-BBBBB' }
  expect(refusing(event, 'tick', 'beat')).toThrow(
    new TypeError('unexpected event RETURN: expected tick or beat'),
  )
  expect(refusing(event, 'tick', 'RETURN')).not.toThrow()
})
