import { expect, test } from 'vitest'
import { assertEventType } from '../../machines/assert-event-type.ts'

const refusing = (event: { type: string; code: string }, ...types: string[]) => {
  return () => {
    assertEventType(event, ...types)
  }
}

test('R-NET-3: an event of another type is refused by its type alone; what it carries may be a code', () => {
  const event = { type: 'RETURN', code: 'AAAAA-BBBBB' }
  expect(refusing(event, 'tick', 'beat')).toThrow(
    new TypeError('RETURN came where only tick or beat is understood'),
  )
  expect(refusing(event, 'tick', 'RETURN')).not.toThrow()
})
