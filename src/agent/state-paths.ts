import {
  type AgentSnapshot,
  type AgentStateValue,
  type ConnectionState,
  getLicenseState,
  type LicenseState,
  type ReservationStage,
  toRegionPath,
} from '../../machines/index.ts'
import { toRegionValue } from '../inspection/region-value.ts'

/** States of the machine as the history stores them: the license state, and the path of each region's state. */
export interface StatePaths {
  readonly state: LicenseState
  readonly license: string
  readonly registration: string
  readonly reservation: ReservationStage
  readonly connection: ConnectionState
}

const toStatePaths = ({ value }: Pick<AgentSnapshot, 'value'>): StatePaths => ({
  state: getLicenseState(value),
  license: toRegionPath(value.license),
  registration: toRegionPath(value.registration),
  reservation: value.reservation,
  connection: value.connection,
})

/** Encodes the states of a snapshot for the history. */
export const encodeStatePaths = (snapshot: Pick<AgentSnapshot, 'value'>): string =>
  JSON.stringify(toStatePaths(snapshot))

/** Decodes states of the history, or reads those of a snapshot. */
export const decodeStatePaths = (stored: string | AgentSnapshot): StatePaths =>
  typeof stored === 'string' ? (JSON.parse(stored) as StatePaths) : toStatePaths(stored)

/** Converts paths back to the state value of the machine. */
export const toStateValue = ({
  license,
  registration,
  reservation,
  connection,
}: StatePaths): AgentStateValue => ({
  license: toRegionValue(license),
  registration: toRegionValue(registration),
  reservation,
  connection,
})
