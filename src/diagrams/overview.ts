import type { LicenseState } from '../../machines/state-names.ts'

/**
 * Overview of the license region: the seven states and their lines, placed by hand. States with the same exits share a
 * frame, and the exit starts at the frame. `test/diagrams/overview.test.ts` compares the moves with the machine.
 */

/** Pair of license states that the machine can move between. */
export type Move = readonly [from: LicenseState, to: LicenseState]
export type Point = readonly [x: number, y: number]
export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

const REGISTERED = ['registered', 'authorized', 'out-of-compliance', 'auth-expired'] as const
const createMoves = (from: readonly LicenseState[], to: LicenseState): Move[] =>
  from.map((state) => [state, to])

/** Moves of each line. A move through the choice, such as the end of a registration, takes two lines. */
export const OVERVIEW_LINES = {
  registers: createMoves(['evaluation', 'unregistered'], 'registered'),
  'evaluation-used-up': [['evaluation', 'unregistered']],
  'reservation-installed': createMoves(['evaluation', 'unregistered'], 'reserved'),
  'reservation-returned': [
    ['reserved', 'evaluation'],
    ['reserved', 'unregistered'],
  ],
  'registration-ends': [...createMoves(REGISTERED, 'evaluation'), ...createMoves(REGISTERED, 'unregistered')],
  'time-left': createMoves([...REGISTERED, 'reserved'], 'evaluation'),
  'none-left': createMoves([...REGISTERED, 'reserved'], 'unregistered'),
  'registered-authorized': [['registered', 'authorized']],
  'registered-out-of-compliance': [['registered', 'out-of-compliance']],
  'authorized-out-of-compliance': [['authorized', 'out-of-compliance']],
  'out-of-compliance-authorized': [['out-of-compliance', 'authorized']],
  'authorized-expired': [['authorized', 'auth-expired']],
  'out-of-compliance-expired': [['out-of-compliance', 'auth-expired']],
  'expired-authorized': [['auth-expired', 'authorized']],
  'expired-out-of-compliance': [['auth-expired', 'out-of-compliance']],
} as const satisfies Record<string, readonly Move[]>

export type LineId = keyof typeof OVERVIEW_LINES
export const LINE_IDS = Object.keys(OVERVIEW_LINES) as LineId[]

/** Moves that the map writes as a text, because a line would return to its own frame. */
export const OVERVIEW_LOOPS = {
  upgrade: createMoves(['evaluation', 'unregistered'], 'evaluation'),
  'registers-again': createMoves(REGISTERED, 'registered'),
} as const satisfies Record<string, readonly Move[]>

/** Returns the lines of a move, in their order along it. */
export const findLines = (from: LicenseState, to: LicenseState): LineId[] =>
  LINE_IDS.filter((id) => OVERVIEW_LINES[id].some((move) => move[0] === from && move[1] === to))

/** Returns the first move on the shortest way between two states. Null without a way. */
export function findFirstMove(from: LicenseState, to: LicenseState): Move | null {
  const moves: readonly Move[] = [
    ...LINE_IDS.flatMap((id): readonly Move[] => OVERVIEW_LINES[id]),
    ...OVERVIEW_LOOPS['registers-again'],
  ]
  const reached = new Map<LicenseState, Move | null>([[from, null]])
  for (const [state, first] of reached)
    for (const move of moves)
      if (move[0] === state && !reached.has(move[1])) reached.set(move[1], first ?? move)
  return reached.get(to) ?? null
}

/** Label of one line, or of several lines with one cause. Centered at its point. */
export interface MapLabel {
  readonly lines: readonly LineId[]
  readonly at: Point
  readonly text: readonly string[]
  /** True where a date replaces the last words. */
  readonly isDated?: boolean
}

export interface MapFrame extends Box {
  readonly title: string
  readonly titleAt: Point
  readonly loop: { readonly text: string; readonly at: Point }
}

export interface OverviewMap {
  readonly width: number
  readonly height: number
  readonly states: Readonly<Record<LicenseState, Box>>
  readonly frames: readonly MapFrame[]
  /** Center of the choice: is evaluation time left? */
  readonly choice: Point
  readonly lines: Readonly<Record<LineId, readonly Point[]>>
  /** Lines that end without an arrow, because another line goes on from there. */
  readonly withoutArrow: readonly LineId[]
  readonly labels: readonly MapLabel[]
}

const createBox = (x: number, y: number, width: number, height = 66): Box => ({ x, y, width, height })
const FRAME_TITLES = ['Not registered', 'Registered with a license server'] as const
const LOOP_TEXTS = ['↻ upgrade: Evaluation', '↻ registers again: back to Registered'] as const
const WITHOUT_ARROW: readonly LineId[] = ['registration-ends', 'reservation-returned']

export const WIDE_MAP: OverviewMap = {
  width: 912,
  height: 556,
  states: {
    evaluation: createBox(12, 118, 140),
    unregistered: createBox(12, 340, 140),
    registered: createBox(300, 118, 124),
    authorized: createBox(505, 118, 148),
    'out-of-compliance': createBox(727, 118, 174),
    'auth-expired': createBox(593, 336, 200),
    reserved: createBox(12, 490, 140),
  },
  frames: [
    {
      ...createBox(0, 57, 164, 371),
      title: FRAME_TITLES[0],
      titleAt: [14, 66],
      loop: { text: LOOP_TEXTS[0], at: [14, 85] },
    },
    {
      ...createBox(285, 0, 627, 444),
      title: FRAME_TITLES[1],
      titleAt: [299, 9],
      loop: { text: LOOP_TEXTS[1], at: [299, 418] },
    },
  ],
  choice: [102, 262],
  lines: {
    registers: [
      [164, 151],
      [300, 151],
    ],
    'evaluation-used-up': [
      [36, 184],
      [36, 340],
    ],
    'reservation-installed': [
      [74, 428],
      [74, 490],
    ],
    'reservation-returned': [
      [152, 523],
      [186, 523],
      [186, 262],
      [113, 262],
    ],
    'registration-ends': [
      [285, 262],
      [113, 262],
    ],
    'time-left': [
      [102, 251],
      [102, 184],
    ],
    'none-left': [
      [102, 273],
      [102, 340],
    ],
    'registered-authorized': [
      [424, 158],
      [505, 158],
    ],
    'registered-out-of-compliance': [
      [362, 118],
      [362, 52],
      [846, 52],
      [846, 118],
    ],
    'authorized-out-of-compliance': [
      [579, 118],
      [579, 86],
      [775, 86],
      [775, 118],
    ],
    'out-of-compliance-authorized': [
      [727, 158],
      [653, 158],
    ],
    'authorized-expired': [
      [621, 184],
      [621, 222],
      [693, 222],
      [693, 336],
    ],
    'out-of-compliance-expired': [
      [765, 184],
      [765, 222],
      [693, 222],
      [693, 336],
    ],
    'expired-authorized': [
      [593, 369],
      [548, 369],
      [548, 184],
    ],
    'expired-out-of-compliance': [
      [793, 369],
      [848, 369],
      [848, 184],
    ],
  },
  withoutArrow: WITHOUT_ARROW,
  labels: [
    { lines: ['registers'], at: [224, 151], text: ['registers'] },
    { lines: ['evaluation-used-up'], at: [36, 262], text: ['time', 'used', 'up'] },
    { lines: ['reservation-installed'], at: [76, 459], text: ['reservation installed'] },
    { lines: ['reservation-returned'], at: [192, 478], text: ['reservation', 'returned'] },
    { lines: ['registration-ends'], at: [236, 262], text: ['registration', 'ends'] },
    { lines: ['time-left'], at: [102, 218], text: ['evaluation', 'time left'] },
    { lines: ['none-left'], at: [102, 305], text: ['none left'] },
    { lines: ['registered-authorized'], at: [464, 136], text: ['enough', 'licenses'] },
    { lines: ['registered-out-of-compliance'], at: [596, 52], text: ['more in use than purchased'] },
    { lines: ['authorized-out-of-compliance'], at: [677, 86], text: ['more in use than purchased'] },
    { lines: ['out-of-compliance-authorized'], at: [690, 136], text: ['enough', 'licenses'] },
    {
      lines: ['authorized-expired', 'out-of-compliance-expired'],
      at: [693, 273],
      text: ['no contact until', 'the deadline'],
      isDated: true,
    },
    { lines: ['expired-authorized'], at: [548, 273], text: ['contact again,', 'enough licenses'] },
    { lines: ['expired-out-of-compliance'], at: [846, 273], text: ['contact again,', 'too few licenses'] },
  ],
}

export const TALL_MAP: OverviewMap = {
  width: 358,
  height: 836,
  states: {
    evaluation: createBox(11, 56, 140),
    unregistered: createBox(207, 56, 140),
    reserved: createBox(60, 236, 136),
    registered: createBox(11, 392, 128),
    authorized: createBox(11, 516, 148),
    'out-of-compliance': createBox(176, 632, 174),
    'auth-expired': createBox(11, 752, 200),
  },
  frames: [
    {
      ...createBox(0, 0, 358, 136),
      title: FRAME_TITLES[0],
      titleAt: [14, 9],
      loop: { text: LOOP_TEXTS[0], at: [14, 28] },
    },
    {
      ...createBox(0, 350, 358, 486),
      title: FRAME_TITLES[1],
      titleAt: [64, 359],
      loop: { text: '↻ registers again', at: [226, 812] },
    },
  ],
  choice: [276, 184],
  lines: {
    registers: [
      [30, 136],
      [30, 392],
    ],
    'evaluation-used-up': [
      [151, 100],
      [207, 100],
    ],
    'reservation-installed': [
      [82, 136],
      [82, 236],
    ],
    'reservation-returned': [
      [196, 286],
      [276, 286],
      [276, 195],
    ],
    'registration-ends': [
      [276, 350],
      [276, 195],
    ],
    'time-left': [
      [265, 184],
      [132, 184],
      [132, 122],
    ],
    'none-left': [
      [287, 184],
      [324, 184],
      [324, 122],
    ],
    'registered-authorized': [
      [64, 458],
      [64, 516],
    ],
    'registered-out-of-compliance': [
      [139, 425],
      [304, 425],
      [304, 632],
    ],
    'authorized-out-of-compliance': [
      [159, 540],
      [236, 540],
      [236, 632],
    ],
    'out-of-compliance-authorized': [
      [176, 665],
      [140, 665],
      [140, 582],
    ],
    'authorized-expired': [
      [46, 582],
      [46, 752],
    ],
    'out-of-compliance-expired': [
      [238, 698],
      [238, 774],
      [211, 774],
    ],
    'expired-authorized': [
      [106, 752],
      [106, 582],
    ],
    'expired-out-of-compliance': [
      [211, 800],
      [326, 800],
      [326, 698],
    ],
  },
  withoutArrow: WITHOUT_ARROW,
  labels: [
    { lines: ['registers'], at: [32, 290], text: ['registers'] },
    { lines: ['evaluation-used-up'], at: [179, 72], text: ['time', 'used up'] },
    { lines: ['reservation-installed'], at: [82, 182], text: ['reservation', 'installed'] },
    { lines: ['reservation-returned'], at: [236, 264], text: ['reservation', 'returned'] },
    { lines: ['registration-ends'], at: [276, 322], text: ['registration ends'] },
    { lines: ['time-left'], at: [190, 184], text: ['evaluation', 'time left'] },
    { lines: ['none-left'], at: [322, 153], text: ['none left'] },
    { lines: ['registered-authorized'], at: [64, 487], text: ['enough licenses'] },
    { lines: ['registered-out-of-compliance'], at: [304, 486], text: ['more in use', 'than purchased'] },
    { lines: ['authorized-out-of-compliance'], at: [236, 588], text: ['more in use', 'than purchased'] },
    { lines: ['out-of-compliance-authorized'], at: [140, 624], text: ['enough', 'licenses'] },
    {
      lines: ['authorized-expired'],
      at: [46, 664],
      text: ['no contact', 'until the', 'deadline'],
      isDated: true,
    },
    { lines: ['expired-authorized'], at: [106, 716], text: ['contact,', 'enough'] },
    {
      lines: ['out-of-compliance-expired'],
      at: [238, 734],
      text: ['no contact until', 'the deadline'],
      isDated: true,
    },
    { lines: ['expired-out-of-compliance'], at: [326, 749], text: ['contact,', 'too few'] },
  ],
}
