import type { LicenseState } from '../../machines/state-names.ts'
import type { Box, Point } from './overview.ts'

/** Cause of a transition, with its words for people. */
export interface InsideCause {
  /** Event type. `always` for an eventless transition. */
  readonly event: string
  readonly guard: string | null
  readonly label: string
  readonly description: string
}

export interface InsideNode extends Box {
  readonly id: string
  /** True for a state with child states. */
  readonly isFrame: boolean
}

export interface InsideEdge {
  readonly id: string
  readonly from: string
  readonly to: string
  /** True for a transition from any state inside `from`. */
  readonly isFromParent: boolean
  readonly causes: readonly InsideCause[]
  readonly points: readonly Point[]
  /** Lines of the label, and its center. */
  readonly label: { readonly at: Point; readonly text: readonly string[] }
}

/** Layout of the states inside a state, in pixels from its upper left corner. */
export interface Inside {
  readonly width: number
  readonly height: number
  readonly nodes: readonly InsideNode[]
  readonly edges: readonly InsideEdge[]
}

/** Words of the machine and layouts of its insides, computed at build time. */
export interface MachineDrawing {
  /** Hash of the machine's configuration. */
  readonly machine: string
  readonly states: Readonly<Record<string, { readonly label: string; readonly description: string }>>
  /** Moves of the overview with their causes. */
  readonly moves: readonly {
    readonly from: LicenseState
    readonly to: LicenseState
    readonly causes: readonly InsideCause[]
  }[]
  /** Moves between the top states of the other regions, as their columns show them. */
  readonly regionMoves: readonly {
    readonly region: string
    /** Id of the line in the column. */
    readonly line: string
    readonly from: string
    readonly to: string
    readonly causes: readonly InsideCause[]
  }[]
  /** Layouts of the top states with child states, by id. */
  readonly insides: Readonly<Record<string, Inside>>
  /** Descriptions of all events of the machine, by type. */
  readonly events: Readonly<Record<string, string>>
  readonly notices: Readonly<Record<string, { readonly severity: number; readonly text: string }>>
}
