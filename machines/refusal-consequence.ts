/**
 * Consequences of a refusal on the device:
 *
 * - `none`: nothing, until an administrator acts on the device
 * - `repeat`: the agent repeats the request, because the cause ends without any action on the device
 * - `divergence`: another copy of this device has continued its history
 * - `end`: the authority has ended the registration
 */
export const REFUSAL_CONSEQUENCES = ['none', 'repeat', 'divergence', 'end'] as const
export type RefusalConsequence = (typeof REFUSAL_CONSEQUENCES)[number]
