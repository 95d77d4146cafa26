/** Meaning of a state by color: in order, in progress, reserved, failed, or nothing to say. */
export type Tone = 'ok' | 'info' | 'reserved' | 'error' | 'mute'

const TONES: Readonly<Record<string, Tone>> = {
  'registration.registered': 'ok',
  'registration.registering': 'info',
  'registration.deregistering': 'info',
  'reservation.requested': 'info',
  'reservation.installed': 'reserved',
  'reservation.returning': 'reserved',
  'connection.up': 'ok',
  'connection.down': 'error',
}

/** Returns the color of a top state of a region other than the license. */
export const getTone = (region: string, state: string): Tone => TONES[`${region}.${state}`] ?? 'mute'
