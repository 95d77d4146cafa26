import type { FaultName } from '../../src/faults/index.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/core/time.ts'
import { Dice } from './seeded-random.ts'

/** How much goes wrong: nothing but what people do, a little, or everything at once. */
export const HARMS = ['none', 'light', 'heavy'] as const
export type Harm = (typeof HARMS)[number]

export interface PlanOptions {
  readonly seed: number
  /** Boxes: 1 or more. */
  readonly boxes: number
  /** Days that the history lasts, before everything is mended: 1 or more. */
  readonly days: number
  readonly faults: Harm
  /** Satellites of the manager: none unless given. Boxes are divided among all of them. */
  readonly satellites?: number
}

/** Bad weather on a road: shares of what passes, and for how long. */
export interface Weather {
  readonly for: number
  readonly lost: number
  readonly lostAnswers: number
  readonly twice: number
  readonly garbled: number
  /** Answers in whose place an earlier one comes: somebody has recorded it. */
  readonly replayed: number
  /** Milliseconds that a message takes at most. */
  readonly slow: number
}

/** The manager is 0; its satellites are numbered from 1. */
interface OfAuthority {
  readonly authority: number
}

/** What somebody does, or what happens to somebody. Boxes are numbered from 0. */
export type Deed =
  // People at a box.
  | { readonly kind: 'register'; readonly box: number; readonly token: number; readonly force: boolean }
  | { readonly kind: 'deregister' | 'renew-registration' | 'renew-authorization'; readonly box: number }
  | { readonly kind: 'use'; readonly box: number; readonly tag: string; readonly count: number }
  | { readonly kind: 'upgrade'; readonly box: number; readonly version: string }
  | { readonly kind: 'change-road'; readonly box: number; readonly road: 'direct' | 'gateway' | 'proxy' }
  | { readonly kind: 'reservation-request' | 'reservation-cancel'; readonly box: number }
  | { readonly kind: 'reserve' | 'reservation-update'; readonly box: number; readonly count: number }
  | { readonly kind: 'reservation-install' | 'reservation-discard'; readonly box: number }
  | { readonly kind: 'reservation-return' | 'reservation-take-back'; readonly box: number }
  // A box's computer.
  | { readonly kind: 'power-cut'; readonly box: number; readonly after: number; readonly off: number }
  | { readonly kind: 'restart'; readonly box: number; readonly off: number; readonly reboot: boolean }
  | { readonly kind: 'suspend'; readonly box: number; readonly for: number }
  | { readonly kind: 'set-clock'; readonly box: number; readonly by: number }
  | { readonly kind: 'drift'; readonly box: number; readonly rate: number }
  | { readonly kind: 'full-disk'; readonly box: number; readonly for: number }
  | { readonly kind: 'keep-copy' | 'restore-copy'; readonly box: number }
  // The network.
  | { readonly kind: 'cut-off'; readonly box: number; readonly for: number }
  | ({ readonly kind: 'weather'; readonly box: number } & Weather)
  | { readonly kind: 'fault'; readonly box: number; readonly fault: FaultName; readonly times: number }
  // The authority, its computer, and its people.
  | ({ readonly kind: 'authority-power-cut'; readonly after: number; readonly off: number } & OfAuthority)
  | ({ readonly kind: 'authority-away'; readonly for: number } & OfAuthority)
  | ({ readonly kind: 'authority-full-disk'; readonly for: number } & OfAuthority)
  | ({ readonly kind: 'authority-set-clock'; readonly by: number } & OfAuthority)
  | { readonly kind: 'satellite-cut-off'; readonly satellite: number; readonly for: number }
  | ({ readonly kind: 'satellite-weather'; readonly satellite: number } & Weather)
  | { readonly kind: 'synchronise'; readonly satellite: number }
  | {
      readonly kind: 'give-licenses'
      readonly satellite: number
      readonly tag: string
      readonly quantity: number
    }
  | { readonly kind: 'order'; readonly tag: string; readonly quantity: number; readonly days: number | null }
  | { readonly kind: 'new-token' | 'revoke-token' }
  | { readonly kind: 'remove-instance' | 'transfer-instance'; readonly box: number }
  | { readonly kind: 'transfer-licenses'; readonly tag: string; readonly quantity: number }
  | { readonly kind: 'rotate'; readonly what: 'signer' | 'issuing-ca' }

/** What is done to one box, or at it. */
export type BoxDeed = Extract<Deed, { readonly box: number }>
/** What people do with codes and files, and upgrades. */
export type PaperDeed = Extract<BoxDeed, { readonly kind: 'upgrade' | 'reserve' | `reservation-${string}` }>

/** One deed of a plan, and when: milliseconds from the beginning. */
export interface Step {
  readonly at: number
  readonly deed: Deed
}

/** A history that is to happen. What it leaves to chance is thrown from the seed, whichever of its steps are left out. */
export interface Plan extends PlanOptions {
  readonly steps: readonly Step[]
}

/** What boxes count, of the conferencing server's profile. */
export const TAGS = ['HOST', 'MDC-SMALL'] as const

/** The faults that are of the road or of the answer, and not of a kind that needs real sockets to be seen. */
const FAULTS: readonly FaultName[] = [
  'network-error',
  'lost-answer',
  'silence',
  'dripping',
  'truncated',
  'half-json',
  'empty',
  'captive-portal',
  'redirect',
  'error404',
  'error429',
  'error500',
  'error502',
  'error503',
  'unsigned-refusal',
  'wrong-schema',
  'tampered-payload',
  'tampered-signature',
  'forged',
  'replayed',
  'refused',
  'reset',
  'tls-expired',
  'tls-inspected',
  'proxy-auth-required',
  'proxy-gateway-timeout',
]

/** Deeds of people for each box and year, and of fate for each box and year, by how much goes wrong. */
const PEOPLE = 60
const FATE: Readonly<Record<Harm, number>> = { none: 0, light: 30, heavy: 300 }

/** Plans a history. The same options, the same plan. */
export function makePlan(options: PlanOptions): Plan {
  const { seed, boxes, days, faults } = options
  const dice = new Dice(`${seed} plan`)
  const steps: Step[] = []
  const end = days * DAY
  const add = (at: number, deed: Deed) => steps.push({ at: Math.round(at), deed })
  for (let box = 0; box < boxes; box++) {
    if (dice.chance(0.9))
      add(dice.fraction() * Math.min(end, 20 * DAY), { kind: 'register', box, token: 0, force: false })
    add(dice.fraction() * Math.min(end, 10 * DAY), use(dice, box))
  }
  const years = (boxes * days) / 365
  const times = (rate: number) =>
    Math.max(rate > 0 ? 3 : 0, Math.round(rate * years * (0.5 + dice.fraction())))
  for (let left = times(PEOPLE); left > 0; left--) {
    const at = dice.fraction() * end
    if (dice.chance(0.9)) add(at, people(dice, options))
    else for (const step of reservation(dice, dice.between(0, boxes - 1))) add(at + step.at, step.deed)
  }
  for (let left = times(FATE[faults]); left > 0; left--) add(dice.fraction() * end, fate(dice, options))
  // What goes wrong together is what nobody thought of: some of it is gathered about one moment.
  if (faults === 'heavy')
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]
      if (step && dice.chance(0.5)) {
        const near = dice.pick(steps).at + dice.between(0, dice.pick([MINUTE, HOUR, 12 * HOUR]))
        steps[i] = { ...step, at: Math.min(near, end) }
      }
    }
  return { ...options, steps: steps.sort((a, b) => a.at - b.at) }
}

const use = (dice: Dice, box: number): Deed => ({
  kind: 'use',
  box,
  tag: dice.chance(0.85) ? TAGS[0] : TAGS[1],
  count: dice.between(0, 6),
})

function people(dice: Dice, { boxes, satellites = 0 }: PlanOptions): Deed {
  const box = dice.between(0, boxes - 1)
  const satellite = satellites > 0 ? dice.between(1, satellites) : 0
  const make = dice.weighted<() => Deed>([
    [20, () => use(dice, box)],
    [8, () => ({ kind: 'register', box, token: dice.between(0, 3), force: dice.chance(0.4) })],
    [3, () => ({ kind: 'deregister', box })],
    [12, () => ({ kind: 'renew-authorization', box })],
    [3, () => ({ kind: 'renew-registration', box })],
    [1, () => ({ kind: 'upgrade', box, version: `${dice.between(4, 9)}.${dice.between(0, 3)}` })],
    [4, () => ({ kind: 'change-road', box, road: dice.pick(['direct', 'gateway', 'proxy'] as const) })],
    [2, () => ({ kind: 'reservation-request', box })],
    [1, () => ({ kind: 'reservation-cancel', box })],
    [3, () => ({ kind: 'reserve', box, count: dice.between(1, 8) })],
    [1, () => ({ kind: 'reservation-update', box, count: dice.between(1, 5) })],
    [4, () => ({ kind: 'reservation-install', box })],
    [1, () => ({ kind: 'reservation-discard', box })],
    [2, () => ({ kind: 'reservation-return', box })],
    [3, () => ({ kind: 'reservation-take-back', box })],
    [
      4,
      () => ({
        kind: 'order',
        tag: dice.pick(TAGS),
        quantity: dice.between(1, 5),
        days: dice.chance(0.6) ? dice.between(1, 120) : null,
      }),
    ],
    [satellites > 0 ? 8 : 0, () => ({ kind: 'synchronise', satellite })],
    [
      satellites > 0 ? 4 : 0,
      () => ({ kind: 'give-licenses', satellite, tag: dice.pick(TAGS), quantity: dice.between(1, 4) }),
    ],
    [2, () => ({ kind: 'new-token' })],
    [2, () => ({ kind: 'revoke-token' })],
    [2, () => ({ kind: 'remove-instance', box })],
    [2, () => ({ kind: 'transfer-instance', box })],
    [2, () => ({ kind: 'transfer-licenses', tag: dice.pick(TAGS), quantity: dice.between(1, 4) })],
    [1, () => ({ kind: 'rotate', what: dice.pick(['signer', 'issuing-ca'] as const) })],
  ])
  return make()
}

/** A reservation as the guide has it, from its request to its return; not all of it always, and sometimes with much time between. */
function reservation(dice: Dice, box: number): Step[] {
  const pause = dice.pick([MINUTE, HOUR, 2 * DAY])
  const deeds: Deed[] = [
    { kind: 'deregister', box },
    { kind: 'reservation-request', box },
    { kind: 'reserve', box, count: dice.between(1, 8) },
    { kind: 'reservation-install', box },
    { kind: 'reservation-update', box, count: dice.between(1, 5) },
    { kind: 'reservation-install', box },
    { kind: 'reservation-return', box },
    { kind: 'reservation-take-back', box },
  ]
  return deeds
    .slice(0, dice.between(3, deeds.length))
    .filter(() => dice.chance(0.95))
    .map((deed, number) => ({ at: number * pause * dice.fraction(), deed }))
}

/** Mostly soon over, sometimes not for weeks. */
const while_ = (dice: Dice): number =>
  Math.round(
    dice.fraction() *
      dice.weighted([
        [4, 10 * MINUTE],
        [4, 6 * HOUR],
        [3, 3 * DAY],
        [1, 200 * DAY],
      ]),
  )

const badWeather = (dice: Dice): Weather => ({
  // Boxes ask once a month: bad weather of an hour would meet hardly anybody.
  for: dice.chance(0.5) ? while_(dice) : Math.round(dice.fraction() * 40 * DAY),
  lost: dice.fraction() * 0.5,
  lostAnswers: dice.fraction() * 0.7,
  twice: dice.fraction() * 0.5,
  garbled: dice.fraction() * 0.3,
  replayed: dice.fraction() * 0.3,
  slow: dice.pick([SECOND, 20 * SECOND, 40 * SECOND]),
})

function fate(dice: Dice, { boxes, satellites = 0 }: PlanOptions): Deed {
  const box = dice.between(0, boxes - 1)
  const authority = satellites > 0 ? dice.between(0, satellites) : 0
  const satellite = satellites > 0 ? dice.between(1, satellites) : 0
  const writes = () =>
    dice.weighted([
      [3, dice.between(1, 8)],
      [2, dice.between(1, 60)],
    ])
  const make = dice.weighted<() => Deed>([
    [20, () => ({ kind: 'power-cut', box, after: writes(), off: while_(dice) })],
    [4, () => ({ kind: 'restart', box, off: while_(dice), reboot: dice.chance(0.5) })],
    [3, () => ({ kind: 'suspend', box, for: while_(dice) })],
    [
      5,
      () => ({
        kind: 'set-clock',
        box,
        by: Math.round(
          (dice.chance(0.5) ? 1 : -1) *
            dice.weighted([
              [3, HOUR],
              [2, 3 * DAY],
              [1, 400 * DAY],
            ]) *
            dice.fraction(),
        ),
      }),
    ],
    [2, () => ({ kind: 'drift', box, rate: 1 + (dice.fraction() - 0.5) * dice.pick([0.0001, 0.01]) })],
    [3, () => ({ kind: 'full-disk', box, for: while_(dice) })],
    [2, () => ({ kind: 'keep-copy', box })],
    [1, () => ({ kind: 'restore-copy', box })],
    [8, () => ({ kind: 'cut-off', box, for: dice.chance(0.1) ? dice.between(80, 200) * DAY : while_(dice) })],
    [
      8,
      () => ({
        kind: 'weather',
        box,
        ...badWeather(dice),
      }),
    ],
    [8, () => ({ kind: 'fault', box, fault: dice.pick(FAULTS), times: dice.between(1, 4) })],
    [10, () => ({ kind: 'authority-power-cut', authority, after: writes(), off: while_(dice) })],
    [4, () => ({ kind: 'authority-away', authority, for: while_(dice) })],
    [2, () => ({ kind: 'authority-full-disk', authority, for: while_(dice) })],
    [
      1,
      () => ({
        kind: 'authority-set-clock',
        authority,
        by: (dice.chance(0.5) ? 1 : -1) * dice.between(0, 2 * HOUR),
      }),
    ],
    [satellites > 0 ? 10 : 0, () => ({ kind: 'satellite-cut-off', satellite, for: while_(dice) })],
    [satellites > 0 ? 10 : 0, () => ({ kind: 'satellite-weather', satellite, ...badWeather(dice) })],
  ])
  return make()
}
