/**
 * Holds that an event is of one of some types; what is done on an event may only be asked for on those that carry what it needs.
 * @throws TypeError for any other: it names the types alone, for an event may carry a code that nobody else may read.
 */
export function assertEventType<AnyEvent extends { type: string }, Type extends AnyEvent['type']>(
  event: AnyEvent,
  ...types: Type[]
): asserts event is Extract<AnyEvent, { type: Type }> {
  if (!types.some((type) => type === event.type))
    throw new TypeError(`${event.type} came where only ${types.join(' or ')} is understood`)
}
