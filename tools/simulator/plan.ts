import type { ProductProfile } from '../../src/core/profile.ts'
import type { FaultName } from '../../src/faults/index.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/core/time.ts'
import { SeededRandom } from './seeded-random.ts'

/** Frequency of injected faults. With `none`, only user actions happen. */
export const FAULT_LEVELS = ['none', 'light', 'heavy'] as const
export type FaultLevel = (typeof FAULT_LEVELS)[number]

export interface PlanOptions {
  readonly seed: number
  /** Number of devices: 1 or more. */
  readonly devices: number
  /** Duration in days before all faults are removed: 1 or more. */
  readonly days: number
  readonly faults: FaultLevel
  /** Number of satellites: 0 by default. Devices are divided among the manager and its satellites. */
  readonly satellites?: number
  /** Profile of the simulated product: the conferencing profile by default. */
  readonly profile?: ProductProfile
}

/** Degradation of a link. Shares are from 0 to 1, and `for` is in milliseconds. */
export interface LinkConditions {
  readonly for: number
  readonly lost: number
  readonly lostAnswers: number
  readonly twice: number
  readonly garbled: number
  /** Share of answers that an attacker replaces by a recorded earlier answer. */
  readonly replayed: number
  /** Maximum delay of a message in milliseconds. */
  readonly slow: number
}

/** The manager is 0; its satellites are numbered from 1. */
interface AuthorityTarget {
  readonly authority: number
}

/** A user action or a fault. Devices are numbered from 0. */
export type Action =
  // Users of a device.
  | { readonly kind: 'register'; readonly device: number; readonly token: number; readonly force: boolean }
  | { readonly kind: 'deregister' | 'renew-registration' | 'renew-authorization'; readonly device: number }
  | { readonly kind: 'use'; readonly device: number; readonly tag: string; readonly count: number }
  | { readonly kind: 'upgrade'; readonly device: number; readonly version: string }
  | {
      readonly kind: 'change-transport'
      readonly device: number
      readonly transport: 'direct' | 'gateway' | 'proxy'
    }
  | { readonly kind: 'reservation-request' | 'reservation-cancel'; readonly device: number }
  | {
      readonly kind: 'reserve' | 'reservation-update'
      readonly device: number
      readonly tag: string
      readonly count: number
    }
  | { readonly kind: 'reservation-install' | 'reservation-discard'; readonly device: number }
  | { readonly kind: 'reservation-return' | 'reservation-take-back'; readonly device: number }
  // The computer of a device.
  | { readonly kind: 'power-cut'; readonly device: number; readonly after: number; readonly off: number }
  | { readonly kind: 'restart'; readonly device: number; readonly off: number; readonly reboot: boolean }
  | { readonly kind: 'suspend'; readonly device: number; readonly for: number }
  | { readonly kind: 'set-clock'; readonly device: number; readonly by: number }
  | { readonly kind: 'drift'; readonly device: number; readonly rate: number }
  | { readonly kind: 'full-disk'; readonly device: number; readonly for: number }
  | { readonly kind: 'keep-copy' | 'restore-copy'; readonly device: number }
  // The network.
  | { readonly kind: 'cut-off'; readonly device: number; readonly for: number }
  | ({ readonly kind: 'degrade-network'; readonly device: number } & LinkConditions)
  | { readonly kind: 'fault'; readonly device: number; readonly fault: FaultName; readonly times: number }
  // The authority, its computer and its administrators.
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
  | { readonly kind: 'remove-instance' | 'transfer-instance'; readonly device: number }
  | { readonly kind: 'transfer-licenses'; readonly tag: string; readonly quantity: number }
  | { readonly kind: 'rotate'; readonly what: 'signer' | 'issuing-ca' }

/** An action that affects one device. */
export type DeviceAction = Extract<Action, { readonly device: number }>
/** Upgrades, and reservation actions with codes and files. */
export type OfflineAction = Extract<
  DeviceAction,
  { readonly kind: 'upgrade' | 'reserve' | `reservation-${string}` }
>

/** An action with its time in milliseconds from the start. */
export interface PlannedAction {
  readonly at: number
  readonly action: Action
}

/** Input of a simulation. Random choices depend on the seed only, even if some of the steps are left out. */
export interface Plan extends PlanOptions {
  readonly steps: readonly PlannedAction[]
}

/** Entitlement tags that devices use. The first is used most, and is the one that is reserved. */
export type SimulatedTags = readonly [string, ...string[]]

/** Tags of the conferencing profile that a device of one data center can use. */
const CONFERENCING_TAGS: SimulatedTags = ['HOST', 'MDC-SMALL']

/** Returns the tags that the devices of a product use: all of them, except for the conferencing product. */
export function listTags({ profile }: Pick<PlanOptions, 'profile'>): SimulatedTags {
  const [first, ...others] = profile?.tags ?? []
  return first === undefined ? CONFERENCING_TAGS : [first.tag, ...others.map(({ tag }) => tag)]
}

/** Transport and answer faults that can be simulated without real sockets. */
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

/** Number of user actions and of faults for each device and year. */
const USER_ACTIONS_PER_YEAR = 60
const FAULT_ACTIONS_PER_YEAR: Readonly<Record<FaultLevel, number>> = { none: 0, light: 30, heavy: 300 }

/** Creates a random plan. The same options give the same plan. */
export function createPlan(options: PlanOptions): Plan {
  const { seed, devices, days, faults } = options
  const tags = listTags(options)
  const random = new SeededRandom(`${seed} plan`)
  const steps: PlannedAction[] = []
  const end = days * DAY
  const add = (at: number, action: Action) => steps.push({ at: Math.round(at), action })
  for (let device = 0; device < devices; device++) {
    if (random.nextBoolean(0.9))
      add(random.nextFloat() * Math.min(end, 20 * DAY), { kind: 'register', device, token: 0, force: false })
    add(random.nextFloat() * Math.min(end, 10 * DAY), createUsageAction(random, device, tags))
  }
  const years = (devices * days) / 365
  const times = (rate: number) =>
    Math.max(rate > 0 ? 3 : 0, Math.round(rate * years * (0.5 + random.nextFloat())))
  for (let left = times(USER_ACTIONS_PER_YEAR); left > 0; left--) {
    const at = random.nextFloat() * end
    if (random.nextBoolean(0.9)) add(at, createUserAction(random, options))
    else
      for (const step of createReservationSteps(random, random.nextInt(0, devices - 1), tags[0]))
        add(at + step.at, step.action)
  }
  for (let left = times(FAULT_ACTIONS_PER_YEAR[faults]); left > 0; left--)
    add(random.nextFloat() * end, createFaultAction(random, options))
  // Half of the steps move close to another step: bugs often need several faults at once.
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

function createUsageAction(random: SeededRandom, device: number, [first, ...others]: SimulatedTags): Action {
  const isFirst = random.nextBoolean(0.85)
  // One other tag takes no random number, so that the histories of the conferencing product stay the same.
  const other = others.length > 1 ? random.pick(others) : (others[0] ?? first)
  return { kind: 'use', device, tag: isFirst ? first : other, count: random.nextInt(0, 6) }
}

function createUserAction(random: SeededRandom, options: PlanOptions): Action {
  const { devices, satellites = 0 } = options
  const tags = listTags(options)
  const device = random.nextInt(0, devices - 1)
  const satellite = satellites > 0 ? random.nextInt(1, satellites) : 0
  const make = random.pickWeighted<() => Action>([
    [20, () => createUsageAction(random, device, tags)],
    [8, () => ({ kind: 'register', device, token: random.nextInt(0, 3), force: random.nextBoolean(0.4) })],
    [3, () => ({ kind: 'deregister', device })],
    [12, () => ({ kind: 'renew-authorization', device })],
    [3, () => ({ kind: 'renew-registration', device })],
    [1, () => ({ kind: 'upgrade', device, version: `${random.nextInt(4, 9)}.${random.nextInt(0, 3)}` })],
    [
      4,
      () => ({
        kind: 'change-transport',
        device,
        transport: random.pick(['direct', 'gateway', 'proxy'] as const),
      }),
    ],
    [2, () => ({ kind: 'reservation-request', device })],
    [1, () => ({ kind: 'reservation-cancel', device })],
    [3, () => ({ kind: 'reserve', device, tag: tags[0], count: random.nextInt(1, 8) })],
    [1, () => ({ kind: 'reservation-update', device, tag: tags[0], count: random.nextInt(1, 5) })],
    [4, () => ({ kind: 'reservation-install', device })],
    [1, () => ({ kind: 'reservation-discard', device })],
    [2, () => ({ kind: 'reservation-return', device })],
    [3, () => ({ kind: 'reservation-take-back', device })],
    [
      4,
      () => ({
        kind: 'order',
        tag: random.pick(tags),
        quantity: random.nextInt(1, 5),
        days: random.nextBoolean(0.6) ? random.nextInt(1, 120) : null,
      }),
    ],
    [satellites > 0 ? 8 : 0, () => ({ kind: 'synchronize', satellite })],
    [
      satellites > 0 ? 4 : 0,
      () => ({ kind: 'give-licenses', satellite, tag: random.pick(tags), quantity: random.nextInt(1, 4) }),
    ],
    [2, () => ({ kind: 'new-token' })],
    [2, () => ({ kind: 'revoke-token' })],
    [2, () => ({ kind: 'remove-instance', device })],
    [2, () => ({ kind: 'transfer-instance', device })],
    [2, () => ({ kind: 'transfer-licenses', tag: random.pick(tags), quantity: random.nextInt(1, 4) })],
    [1, () => ({ kind: 'rotate', what: random.pick(['signer', 'issuing-ca'] as const) })],
  ])
  return make()
}

/** Creates the steps of a reservation from its request to its return, sometimes incomplete or with long pauses. */
function createReservationSteps(random: SeededRandom, device: number, tag: string): PlannedAction[] {
  const pause = random.pick([MINUTE, HOUR, 2 * DAY])
  const actions: Action[] = [
    { kind: 'deregister', device },
    { kind: 'reservation-request', device },
    { kind: 'reserve', device, tag, count: random.nextInt(1, 8) },
    { kind: 'reservation-install', device },
    { kind: 'reservation-update', device, tag, count: random.nextInt(1, 5) },
    { kind: 'reservation-install', device },
    { kind: 'reservation-return', device },
    { kind: 'reservation-take-back', device },
  ]
  return actions
    .slice(0, random.nextInt(3, actions.length))
    .filter(() => random.nextBoolean(0.95))
    .map((action, number) => ({ at: number * pause * random.nextFloat(), action }))
}

/** Returns a duration in milliseconds: mostly short, sometimes many weeks. */
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
  // Devices send a request once a month, so an hour of bad conditions would rarely affect one.
  for: random.nextBoolean(0.5) ? randomDuration(random) : Math.round(random.nextFloat() * 40 * DAY),
  lost: random.nextFloat() * 0.5,
  lostAnswers: random.nextFloat() * 0.7,
  twice: random.nextFloat() * 0.5,
  garbled: random.nextFloat() * 0.3,
  replayed: random.nextFloat() * 0.3,
  slow: random.pick([SECOND, 20 * SECOND, 40 * SECOND]),
})

function createFaultAction(random: SeededRandom, { devices, satellites = 0 }: PlanOptions): Action {
  const device = random.nextInt(0, devices - 1)
  const authority = satellites > 0 ? random.nextInt(0, satellites) : 0
  const satellite = satellites > 0 ? random.nextInt(1, satellites) : 0
  const writes = () =>
    random.pickWeighted([
      [3, random.nextInt(1, 8)],
      [2, random.nextInt(1, 60)],
    ])
  const make = random.pickWeighted<() => Action>([
    [20, () => ({ kind: 'power-cut', device, after: writes(), off: randomDuration(random) })],
    [4, () => ({ kind: 'restart', device, off: randomDuration(random), reboot: random.nextBoolean(0.5) })],
    [3, () => ({ kind: 'suspend', device, for: randomDuration(random) })],
    [
      5,
      () => ({
        kind: 'set-clock',
        device,
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
    [
      2,
      () => ({ kind: 'drift', device, rate: 1 + (random.nextFloat() - 0.5) * random.pick([0.0001, 0.01]) }),
    ],
    [3, () => ({ kind: 'full-disk', device, for: randomDuration(random) })],
    [2, () => ({ kind: 'keep-copy', device })],
    [1, () => ({ kind: 'restore-copy', device })],
    [
      8,
      () => ({
        kind: 'cut-off',
        device,
        for: random.nextBoolean(0.1) ? random.nextInt(80, 200) * DAY : randomDuration(random),
      }),
    ],
    [
      8,
      () => ({
        kind: 'degrade-network',
        device,
        ...createBadConditions(random),
      }),
    ],
    [8, () => ({ kind: 'fault', device, fault: random.pick(FAULTS), times: random.nextInt(1, 4) })],
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
