import type { AuthorityBehavior } from '../../../../machines/what-if.ts'
import type { ExternalEvent, ExternalEventType } from '../../../inspection/event-schemas.ts'

/** Longest run that the machine permits, in days. A test compares it with the machine's own limit. */
export const MAX_DAYS = 3650

export const UNITS = ['days', 'hours'] as const
export type Unit = (typeof UNITS)[number]

/** Assumptions of a run. */
export interface WhatIfForm {
  readonly authority: AuthorityBehavior
  /** Time that passes, as typed. */
  readonly amount: string
  readonly unit: Unit
  readonly eventType: ExternalEventType | null
  /** Event of the form below, once it is complete. */
  readonly event: ExternalEvent | null
  /** Start at an instant between two transitions, as typed. Null to start at a transition or now. */
  readonly customAt: string | null
}

export const INITIAL_FORM: WhatIfForm = {
  authority: 'unreachable',
  amount: '120',
  unit: 'days',
  eventType: null,
  event: null,
  customAt: null,
}

export const getMaxAmount = (unit: Unit): number => (unit === 'days' ? MAX_DAYS : MAX_DAYS * 24)

/** Returns the duration in days. Null if the amount is not a number in the range. */
export function toDuration({ amount, unit }: Pick<WhatIfForm, 'amount' | 'unit'>): number | null {
  const value = amount.trim() === '' ? NaN : Number(amount)
  if (!(value >= 0 && value <= getMaxAmount(unit))) return null
  return unit === 'days' ? value : value / 24
}

/** Formats the command that runs the same in a terminal, one option a line. */
export const formatCommand = (options: {
  readonly days: number
  readonly authority: AuthorityBehavior
}): string =>
  [
    'smart-agent what-if',
    `--days ${Number(options.days.toFixed(4))}`,
    `--authority ${options.authority}`,
  ].join('\n  ')
