/**
 * Asserts that an event has one of the given types.
 *
 * @throws TypeError for any other type. The message names only types, because events may carry secret codes.
 */
export function assertEventType<AnyEvent extends { type: string }, Type extends AnyEvent['type']>(
  event: AnyEvent,
  ...types: Type[]
): asserts event is Extract<AnyEvent, { type: Type }> {
  if (!types.some((type) => type === event.type))
    throw new TypeError(`unexpected event ${event.type}: expected ${types.join(' or ')}`)
}
