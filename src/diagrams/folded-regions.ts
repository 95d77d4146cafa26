import type { Region } from '../../machines/state-names.ts'
import type { Box, Point } from './overview.ts'

/**
 * Columns of the regions that are not open: their top states and the lines between them, placed by hand. Returns to an
 * earlier state share a line at the right. `test/diagrams/folded-regions.test.ts` compares the moves with the machine.
 */

export interface FoldedLine {
  readonly id: string
  readonly moves: readonly (readonly [from: string, to: string])[]
  readonly points: readonly Point[]
}
export interface FoldedRegion {
  readonly width: number
  readonly height: number
  readonly states: Readonly<Record<string, Box>>
  readonly lines: readonly FoldedLine[]
  readonly labels: readonly {
    readonly lines: readonly string[]
    readonly at: Point
    readonly text: readonly string[]
  }[]
}

const HEIGHT = 40
const PITCH = 97

/** Places states below each other. */
const createColumn = (names: readonly string[], x: number, width: number, pitch = PITCH) =>
  Object.fromEntries(
    names.map((name, i): [string, Box] => [name, { x, y: i * pitch, width, height: HEIGHT }]),
  )

const REGISTRATION: FoldedRegion = {
  width: 174,
  height: 380,
  states: createColumn(['unregistered', 'registering', 'registered', 'deregistering'], 22, 136),
  lines: [
    {
      id: 'starts',
      moves: [['unregistered', 'registering']],
      points: [
        [90, 40],
        [90, 97],
      ],
    },
    {
      id: 'accepted',
      moves: [['registering', 'registered']],
      points: [
        [90, 137],
        [90, 194],
      ],
    },
    {
      id: 'deregisters',
      moves: [['registered', 'deregistering']],
      points: [
        [90, 234],
        [90, 291],
      ],
    },
    {
      id: 'previous-ends',
      moves: [['registered', 'registering']],
      points: [
        [22, 214],
        [8, 214],
        [8, 117],
        [22, 117],
      ],
    },
    {
      id: 'registering-ends',
      moves: [['registering', 'unregistered']],
      points: [
        [158, 117],
        [172, 117],
        [172, 20],
        [158, 20],
      ],
    },
    {
      id: 'registered-ends',
      moves: [['registered', 'unregistered']],
      points: [
        [158, 214],
        [172, 214],
        [172, 20],
        [158, 20],
      ],
    },
    {
      id: 'deregistering-ends',
      moves: [['deregistering', 'unregistered']],
      points: [
        [90, 331],
        [90, 362],
        [172, 362],
        [172, 20],
        [158, 20],
      ],
    },
  ],
  labels: [
    { lines: ['starts'], at: [90, 68], text: ['token entered'] },
    { lines: ['accepted'], at: [90, 165], text: ['accepted'] },
    { lines: ['previous-ends'], at: [30, 165], text: ['previous', 'ends'] },
    { lines: ['deregisters'], at: [90, 262], text: ['deregisters'] },
    {
      lines: ['registering-ends', 'registered-ends', 'deregistering-ends'],
      at: [90, 363],
      text: ['refused, ended,', 'expired, or done'],
    },
  ],
}

const RESERVATION: FoldedRegion = {
  width: 118,
  height: 380,
  states: createColumn(['none', 'requested', 'installed', 'returning'], 0, 102),
  lines: [
    {
      id: 'request',
      moves: [['none', 'requested']],
      points: [
        [51, 40],
        [51, 97],
      ],
    },
    {
      id: 'install',
      moves: [['requested', 'installed']],
      points: [
        [51, 137],
        [51, 194],
      ],
    },
    {
      id: 'return-code',
      moves: [['installed', 'returning']],
      points: [
        [51, 234],
        [51, 291],
      ],
    },
    {
      id: 'cancel',
      moves: [['requested', 'none']],
      points: [
        [102, 117],
        [116, 117],
        [116, 20],
        [102, 20],
      ],
    },
    {
      id: 'return',
      moves: [['returning', 'none']],
      points: [
        [51, 331],
        [51, 362],
        [116, 362],
        [116, 20],
        [102, 20],
      ],
    },
  ],
  labels: [
    { lines: ['request'], at: [51, 68], text: ['code created'] },
    { lines: ['install'], at: [51, 165], text: ['file installed'] },
    { lines: ['return-code'], at: [51, 262], text: ['return begins'] },
    { lines: ['cancel', 'return'], at: [51, 363], text: ['returned,', 'or canceled'] },
  ],
}

const CONNECTION: FoldedRegion = {
  width: 166,
  height: 282,
  states: createColumn(['unknown', 'up', 'down'], 14, 92),
  lines: [
    {
      id: 'first-answer',
      moves: [['unknown', 'up']],
      points: [
        [60, 40],
        [60, 97],
      ],
    },
    {
      id: 'fails',
      moves: [['up', 'down']],
      points: [
        [60, 137],
        [60, 194],
      ],
    },
    {
      id: 'first-failure',
      moves: [['unknown', 'down']],
      points: [
        [14, 20],
        [2, 20],
        [2, 214],
        [14, 214],
      ],
    },
    {
      id: 'answered-again',
      moves: [['down', 'up']],
      points: [
        [60, 234],
        [60, 264],
        [122, 264],
        [122, 122],
        [106, 122],
      ],
    },
    {
      id: 'up-changed',
      moves: [['up', 'unknown']],
      points: [
        [106, 110],
        [138, 110],
        [138, 20],
        [106, 20],
      ],
    },
    {
      id: 'down-changed',
      moves: [['down', 'unknown']],
      points: [
        [106, 214],
        [138, 214],
        [138, 20],
        [106, 20],
      ],
    },
  ],
  labels: [
    { lines: ['first-answer'], at: [60, 68], text: ['answer'] },
    { lines: ['fails', 'first-failure'], at: [34, 165], text: ['no answer'] },
    { lines: ['answered-again'], at: [60, 264], text: ['answer'] },
    { lines: ['up-changed', 'down-changed'], at: [138, 66], text: ['settings', 'changed'] },
  ],
}

const LICENSE: FoldedRegion = {
  width: 170,
  height: 7 * 52,
  states: createColumn(
    [
      'evaluation',
      'unregistered',
      'registered',
      'authorized',
      'out-of-compliance',
      'auth-expired',
      'reserved',
    ],
    0,
    170,
    52,
  ),
  lines: [],
  labels: [],
}

export const FOLDED_REGIONS: Readonly<Record<Region, FoldedRegion>> = {
  license: LICENSE,
  registration: REGISTRATION,
  reservation: RESERVATION,
  connection: CONNECTION,
}
