import type { FaultName } from '../../src/faults/index.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/core/time.ts'
import { SeededRandom } from './seeded-random.ts'

/** How much goes wrong: nothing but what people do, a little, or everything at once. */
export const FAULT_LEVELS = ['none', 'light', 'heavy'] as const
export type FaultLevel = (typeof FAULT_LEVELS)[number]

export interface PlanOptions {
  readonly seed: number
  /** Boxes: 1 or more. */
  readonly boxes: number
  /** Days that the history lasts, before everything is mended: 1 or more. */
  readonly days: number
  readonly faults: FaultLevel
  /** Satellites of the manager: none unless given. Boxes are divided among all of them. */
  readonly satellites?: number
}

/** Bad weather on a road: shares of what passes, and for how long. */
export interface LinkConditions {
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
interface AuthorityTarget {
  readonly authority: number
}

/** What somebody does, or what happens to somebody. Boxes are numbered from 0. */
export type Action =
  // People at a box.
  | { readonly kind: 'register'; readonly box: number; readonly token: number; readonly force: boolean }
  | { readonly kind: 'deregister' | 'renew-registration' | 'renew-authorization'; readonly box: number }
  | { readonly kind: 'use'; readonly box: number; readonly tag: string; readonly count: number }
  | { readonly kind: 'upgrade'; readonly box: number; readonly version: string }
  | {
      readonly kind: 'change-transport'
      readonly box: number
      readonly transport: 'direct' | 'gateway' | 'proxy'
    }
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
  | ({ readonly kind: 'degrade-network'; readonly box: number } & LinkConditions)
  | { readonly kind: 'fault'; readonly box: number; readonly fault: FaultName; readonly times: number }
  // The authority, its computer, and its people.
  | ({ readonly kind: 'authority-power-cut'; readonly after: number; readonly off: number } & AuthorityTarget)
  | ({ readonly kind: 'authority-away'; readonly for: number } & AuthorityTarget)
  | ({ readonly kind: 'authority-full-disk'; readonly for: number } & AuthorityTarget)
  | ({ readonly kind: 'authority-set-clock'; readonly by: number } & AuthorityTarget)
  | { readonly kind: 'satellite-cut-off'; readonly satellite: number; readonly for: number }
  | ({ readonly kind: 'degrade-satellite-network'; readonly satellite: number } & LinkConditions)
  | { readonly kind: 'synchronize'; readonly satellite: number }
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
export type DeviceAction = Extract<Action, { readonly box: number }>
/** What people do with codes and files, and upgrades. */
export type OfflineAction = Extract<
  DeviceAction,
  { readonly kind: 'upgrade' | 'reserve' | `reservation-${string}` }
>

/** One deed of a plan, and when: milliseconds from the beginning. */
export interface PlannedAction {
  readonly at: number
  readonly action: Action
}

/** A history that is to happen. What it leaves to chance is thrown from the seed, whichever of its steps are left out. */
export interface Plan extends PlanOptions {
  readonly steps: readonly PlannedAction[]
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
const USER_ACTIONS_PER_YEAR = 60
const FAULT_ACTIONS_PER_YEAR: Readonly<Record<FaultLevel, number>> = { none: 0, light: 30, heavy: 300 }

/** Plans a history. The same options, the same plan. */
export function createPlan(options: PlanOptions): Plan {
  const { seed, boxes, days, faults } = options
  const random = new SeededRandom(`${seed} plan`)
  const steps: PlannedAction[] = []
  const end = days * DAY
  const add = (at: number, action: Action) => steps.push({ at: Math.round(at), action })
  for (let box = 0; box < boxes; box++) {
    if (random.nextBoolean(0.9))
      add(random.nextFloat() * Math.min(end, 20 * DAY), { kind: 'register', box, token: 0, force: false })
    add(random.nextFloat() * Math.min(end, 10 * DAY), createUsageAction(random, box))
  }
  const years = (boxes * days) / 365
  const times = (rate: number) =>
    Math.max(rate > 0 ? 3 : 0, Math.round(rate * years * (0.5 + random.nextFloat())))
  for (let left = times(USER_ACTIONS_PER_YEAR); left > 0; left--) {
    const at = random.nextFloat() * end
    if (random.nextBoolean(0.9)) add(at, createUserAction(random, options))
    else
      for (const step of createReservationSteps(random, random.nextInt(0, boxes - 1)))
        add(at + step.at, step.action)
  }
  for (let left = times(FAULT_ACTIONS_PER_YEAR[faults]); left > 0; left--)
    add(random.nextFloat() * end, createFaultAction(random, options))
  // What goes wrong together is what nobody thought of: some of it is gathered about one moment.
  if (faults === 'heavy')
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]
      if (step && random.nextBoolean(0.5)) {
        const near = random.pick(steps).at + random.nextInt(0, random.pick([MINUTE, HOUR, 12 * HOUR]))
        steps[i] = { ...step, at: Math.min(near, end) }
      }
    }
  return { ...options, steps: steps.sort((a, b) => a.at - b.at) }
}

const createUsageAction = (random: SeededRandom, box: number): Action => ({
  kind: 'use',
  box,
  tag: random.nextBoolean(0.85) ? TAGS[0] : TAGS[1],
  count: random.nextInt(0, 6),
})

function createUserAction(random: SeededRandom, { boxes, satellites = 0 }: PlanOptions): Action {
  const box = random.nextInt(0, boxes - 1)
  const satellite = satellites > 0 ? random.nextInt(1, satellites) : 0
  const make = random.pickWeighted<() => Action>([
    [20, () => createUsageAction(random, box)],
    [8, () => ({ kind: 'register', box, token: random.nextInt(0, 3), force: random.nextBoolean(0.4) })],
    [3, () => ({ kind: 'deregister', box })],
    [12, () => ({ kind: 'renew-authorization', box })],
    [3, () => ({ kind: 'renew-registration', box })],
    [1, () => ({ kind: 'upgrade', box, version: `${random.nextInt(4, 9)}.${random.nextInt(0, 3)}` })],
    [
      4,
      () => ({
        kind: 'change-transport',
        box,
        transport: random.pick(['direct', 'gateway', 'proxy'] as const),
      }),
    ],
    [2, () => ({ kind: 'reservation-request', box })],
    [1, () => ({ kind: 'reservation-cancel', box })],
    [3, () => ({ kind: 'reserve', box, count: random.nextInt(1, 8) })],
    [1, () => ({ kind: 'reservation-update', box, count: random.nextInt(1, 5) })],
    [4, () => ({ kind: 'reservation-install', box })],
    [1, () => ({ kind: 'reservation-discard', box })],
    [2, () => ({ kind: 'reservation-return', box })],
    [3, () => ({ kind: 'reservation-take-back', box })],
    [
      4,
      () => ({
        kind: 'order',
        tag: random.pick(TAGS),
        quantity: random.nextInt(1, 5),
        days: random.nextBoolean(0.6) ? random.nextInt(1, 120) : null,
      }),
    ],
    [satellites > 0 ? 8 : 0, () => ({ kind: 'synchronize', satellite })],
    [
      satellites > 0 ? 4 : 0,
      () => ({ kind: 'give-licenses', satellite, tag: random.pick(TAGS), quantity: random.nextInt(1, 4) }),
    ],
    [2, () => ({ kind: 'new-token' })],
    [2, () => ({ kind: 'revoke-token' })],
    [2, () => ({ kind: 'remove-instance', box })],
    [2, () => ({ kind: 'transfer-instance', box })],
    [2, () => ({ kind: 'transfer-licenses', tag: random.pick(TAGS), quantity: random.nextInt(1, 4) })],
    [1, () => ({ kind: 'rotate', what: random.pick(['signer', 'issuing-ca'] as const) })],
  ])
  return make()
}

/** A reservation as the guide has it, from its request to its return; not all of it always, and sometimes with much time between. */
function createReservationSteps(random: SeededRandom, box: number): PlannedAction[] {
  const pause = random.pick([MINUTE, HOUR, 2 * DAY])
  const actions: Action[] = [
    { kind: 'deregister', box },
    { kind: 'reservation-request', box },
    { kind: 'reserve', box, count: random.nextInt(1, 8) },
    { kind: 'reservation-install', box },
    { kind: 'reservation-update', box, count: random.nextInt(1, 5) },
    { kind: 'reservation-install', box },
    { kind: 'reservation-return', box },
    { kind: 'reservation-take-back', box },
  ]
  return actions
    .slice(0, random.nextInt(3, actions.length))
    .filter(() => random.nextBoolean(0.95))
    .map((action, number) => ({ at: number * pause * random.nextFloat(), action }))
}

/** Mostly soon over, sometimes not for weeks. */
const randomDuration = (random: SeededRandom): number =>
  Math.round(
    random.nextFloat() *
      random.pickWeighted([
        [4, 10 * MINUTE],
        [4, 6 * HOUR],
        [3, 3 * DAY],
        [1, 200 * DAY],
      ]),
  )

const createBadConditions = (random: SeededRandom): LinkConditions => ({
  // Boxes ask once a month: bad weather of an hour would meet hardly anybody.
  for: random.nextBoolean(0.5) ? randomDuration(random) : Math.round(random.nextFloat() * 40 * DAY),
  lost: random.nextFloat() * 0.5,
  lostAnswers: random.nextFloat() * 0.7,
  twice: random.nextFloat() * 0.5,
  garbled: random.nextFloat() * 0.3,
  replayed: random.nextFloat() * 0.3,
  slow: random.pick([SECOND, 20 * SECOND, 40 * SECOND]),
})

function createFaultAction(random: SeededRandom, { boxes, satellites = 0 }: PlanOptions): Action {
  const box = random.nextInt(0, boxes - 1)
  const authority = satellites > 0 ? random.nextInt(0, satellites) : 0
  const satellite = satellites > 0 ? random.nextInt(1, satellites) : 0
  const writes = () =>
    random.pickWeighted([
      [3, random.nextInt(1, 8)],
      [2, random.nextInt(1, 60)],
    ])
  const make = random.pickWeighted<() => Action>([
    [20, () => ({ kind: 'power-cut', box, after: writes(), off: randomDuration(random) })],
    [4, () => ({ kind: 'restart', box, off: randomDuration(random), reboot: random.nextBoolean(0.5) })],
    [3, () => ({ kind: 'suspend', box, for: randomDuration(random) })],
    [
      5,
      () => ({
        kind: 'set-clock',
        box,
        by: Math.round(
          (random.nextBoolean(0.5) ? 1 : -1) *
            random.pickWeighted([
              [3, HOUR],
              [2, 3 * DAY],
              [1, 400 * DAY],
            ]) *
            random.nextFloat(),
        ),
      }),
    ],
    [2, () => ({ kind: 'drift', box, rate: 1 + (random.nextFloat() - 0.5) * random.pick([0.0001, 0.01]) })],
    [3, () => ({ kind: 'full-disk', box, for: randomDuration(random) })],
    [2, () => ({ kind: 'keep-copy', box })],
    [1, () => ({ kind: 'restore-copy', box })],
    [
      8,
      () => ({
        kind: 'cut-off',
        box,
        for: random.nextBoolean(0.1) ? random.nextInt(80, 200) * DAY : randomDuration(random),
      }),
    ],
    [
      8,
      () => ({
        kind: 'degrade-network',
        box,
        ...createBadConditions(random),
      }),
    ],
    [8, () => ({ kind: 'fault', box, fault: random.pick(FAULTS), times: random.nextInt(1, 4) })],
    [10, () => ({ kind: 'authority-power-cut', authority, after: writes(), off: randomDuration(random) })],
    [4, () => ({ kind: 'authority-away', authority, for: randomDuration(random) })],
    [2, () => ({ kind: 'authority-full-disk', authority, for: randomDuration(random) })],
    [
      1,
      () => ({
        kind: 'authority-set-clock',
        authority,
        by: (random.nextBoolean(0.5) ? 1 : -1) * random.nextInt(0, 2 * HOUR),
      }),
    ],
    [satellites > 0 ? 10 : 0, () => ({ kind: 'satellite-cut-off', satellite, for: randomDuration(random) })],
    [
      satellites > 0 ? 10 : 0,
      () => ({ kind: 'degrade-satellite-network', satellite, ...createBadConditions(random) }),
    ],
  ])
  return make()
}
