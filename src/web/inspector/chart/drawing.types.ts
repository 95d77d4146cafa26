import type { Box, Point } from '../../../diagrams/overview.ts'
import type { LicenseState } from '../source.ts'
import type { Tone } from '../tones.ts'

/** Emphasis of a line and its label, weakest first. */
export const EMPHASES = ['rest', 'possible', 'last', 'selected'] as const
export type Emphasis = (typeof EMPHASES)[number]

export interface DrawnLine {
  readonly key: string
  /** Value of the location's `line` that selects the line. */
  readonly select: string
  readonly points: readonly Point[]
  readonly emphasis: Emphasis
  /** License state whose color the last move has. */
  readonly color: LicenseState | null
  readonly hasArrow: boolean
  readonly isDashed: boolean
}

export interface DrawnLabel {
  readonly key: string
  readonly select: string
  readonly at: Point
  readonly text: readonly string[]
  readonly emphasis: Emphasis
  /** Surface below the label, whose color its plate has. */
  readonly ground: 'canvas' | 'frame' | 'card'
}

/** Text without a line: the title of a frame, the heading of a region, a loop. */
export interface DrawnText {
  readonly key: string
  readonly text: string
  readonly at: Point
  readonly kind: 'title' | 'note' | 'heading'
  /** Region that a click on the text opens. */
  readonly opens?: string
}

export interface DrawnFrame extends Box {
  readonly key: string
  readonly kind: 'group' | 'opened' | 'compound'
  /** License state of an opened frame. */
  readonly state: LicenseState | null
  /** Color of an opened state of another region. */
  readonly tone: Tone | null
  readonly title: string | null
  /** Text at the right of the title, such as the beginning of the active state. */
  readonly note: string | null
  readonly isActive: boolean
}

export interface DrawnState extends Box {
  /** Id of the state in the machine, such as `license.authorized.current`. */
  readonly id: string
  readonly name: string
  readonly licenseState: LicenseState | null
  readonly kind: 'top' | 'inner' | 'folded'
  /** Color of a state of another region. Null for a license state. */
  readonly tone: Tone | null
  readonly isActive: boolean
  readonly mayComeNext: boolean
  readonly isSelected: boolean
  readonly details: readonly string[]
  /** Words for screen readers after the name, for what the drawing says by color. */
  readonly spoken: string | null
}

/** Row below an opened state: a way out, with its target. */
export interface DrawnExit {
  /** License state to which it leads. Null for a state of another region. */
  readonly state: LicenseState | null
  readonly tone: Tone | null
  readonly name: string
  readonly label: string
  readonly select: string
  readonly emphasis: Emphasis
  readonly at: Point
}

/** Picture of one view of the chart, in pixels at zoom 1. */
export interface Drawing {
  readonly key: string
  /** False for a position in the past. */
  readonly isNow: boolean
  readonly width: number
  readonly height: number
  readonly frames: readonly DrawnFrame[]
  readonly texts: readonly DrawnText[]
  readonly lines: readonly DrawnLine[]
  readonly labels: readonly DrawnLabel[]
  readonly states: readonly DrawnState[]
  readonly exits: readonly DrawnExit[]
  readonly choice: Point | null
  /** Positions of the dashed lines between regions. */
  readonly dividers: readonly number[]
}
