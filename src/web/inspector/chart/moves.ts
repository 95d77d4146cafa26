import type { InsideCause, MachineDrawing } from '../../../diagrams/inside-layout.types.ts'
import { findFirstMove, type Move } from '../../../diagrams/overview.ts'
import { toLicenseState } from '../state-style.tsx'
import type { Explanation, LicenseState, PossibleChange, StateChanges } from '../source.ts'
import { texts } from '../texts.ts'

/** Formats a move as the location's `line`: `authorized>auth-expired`. */
export const formatMove = ([from, to]: Move): string => `${from}>${to}`

export function parseMove(line: string | null): Move | null {
  const [from, to] = (line ?? '').split('>').map(toLicenseState)
  return from && to ? [from, to] : null
}

/** Way out of a license state, with what the machine says about it. */
export interface Exit {
  readonly move: Move
  readonly causes: readonly InsideCause[]
  /** Changes that are possible now, as tried on the machine. Empty if none is. */
  readonly possible: readonly PossibleChange[]
  /** Instant at which the exit is taken by itself. */
  readonly at: string | null
  /** Plain label, such as `no contact until the deadline`. */
  readonly label: string
}

/** Order in which exits are listed: first where the next contact leads, last what takes an administrator. */
const EXIT_ORDER: readonly LicenseState[] = [
  'authorized',
  'out-of-compliance',
  'auth-expired',
  'registered',
  'evaluation',
  'unregistered',
  'reserved',
]

const getEarliest = (instants: readonly (string | null)[]): string | null =>
  instants.filter((at) => at !== null).toSorted()[0] ?? null

/** Joins the labels of causes, without repetitions and without those that begin with another label. */
export function joinCauses(causes: readonly Pick<InsideCause, 'label'>[]): string {
  const labels = [...new Set(causes.map(({ label }) => label).filter((label) => label !== ''))]
  return labels
    .filter((label) => !labels.some((other) => other !== label && label.startsWith(`${other},`)))
    .join(', or ')
}

/**
 * Lists the ways out of a license state, those that are possible now first. `explanation` is null for a state that is
 * not active.
 */
export function listExits(
  machine: MachineDrawing,
  state: LicenseState,
  explanation: Explanation | null,
): Exit[] {
  const changes = explanation?.state === state ? explanation.wouldChange : []
  const exits = machine.moves
    .filter(({ from, to }) => from === state && to !== state)
    .map(({ from, to, causes }): Exit => {
      const possible = changes.filter((change) => {
        const first = findFirstMove(state, change.state)
        return first !== null && first[1] === to
      })
      return {
        move: [from, to],
        causes,
        possible,
        at: getEarliest(possible.map(({ at }) => at)),
        label: joinCauses(causes),
      }
    })
  const rank = ({ possible, move }: Exit) =>
    (possible.length > 0 ? 0 : EXIT_ORDER.length) + EXIT_ORDER.indexOf(move[1])
  return exits.toSorted((a, b) => rank(a) - rank(b))
}

/** Returns the last move between license states. Null without one. */
export function findLastMove(changes: StateChanges | undefined, until: number | null): Move | null {
  const rows = changes?.changes.filter(({ id }) => until === null || id <= until)
  const last = rows?.at(-1)
  return last ? [last.from, last.to] : null
}

/** Returns the words of a possible change, as a sentence. */
export const describeChange = ({ event }: PossibleChange): string =>
  event.replace(/^./, (first) => first.toUpperCase())

/** Formats the ends of a move: `Authorized → Out of compliance`. */
export const formatMoveName = ([from, to]: Move): string => `${texts.states[from]} → ${texts.states[to]}`
