import type { inspectionContract } from '../../console/device/inspection-contract.ts'
import type { statusContract } from '../../console/device/status-contract.ts'
import type { Output } from '../shared/contract-output.ts'

export type Status = Output<typeof statusContract, 'status'>
export type LicenseState = Status['state']
export type HistoryPage = Output<typeof inspectionContract, 'history'>
/** Transition of the machine in the stored history. */
export type Transition = HistoryPage['history'][number]
export type StateChanges = Output<typeof inspectionContract, 'state-changes'>
/** Change of the license state. */
export type StateChange = StateChanges['changes'][number]
export type Snapshot = Output<typeof inspectionContract, 'snapshot'>
export type Exchanges = Output<typeof inspectionContract, 'exchanges'>
export type Exchange = Exchanges['exchanges'][number]

export type Explanation = Output<typeof statusContract, 'explain'>
/** Event that would change the license state now, as tried on a copy of the machine. */
export type PossibleChange = Explanation['wouldChange'][number]

/** Part of the history: the newest transitions, or those next to a given transition. */
export interface HistoryRange {
  readonly limit?: number
  /** Only transitions after the one with this id. */
  readonly after?: number
  /** Only transitions before the one with this id. */
  readonly before?: number
}

/**
 * Data of one device for the inspector. The console reads it over its API, a support bundle from one document, and a
 * sandbox from a run of the machine in the page. Each function rejects with a `Failure`.
 */
export interface InspectionSource {
  readonly kind: 'device' | 'bundle' | 'sandbox'
  /** Beginning of all query keys. Empty for the device, whose server events update the same keys. */
  readonly key: readonly string[]
  /** True if the page may offer actions that change the device. */
  readonly canAct: boolean
  readonly status: () => Promise<Status>
  readonly explain: () => Promise<Explanation>
  readonly history: (range?: HistoryRange) => Promise<HistoryPage>
  /** Returns the changes of the license state and the outages of the connection, without the events between them. */
  readonly stateChanges: () => Promise<StateChanges>
  /** Returns the snapshot after a transition of the history. 0 for now. */
  readonly snapshot: (id: number) => Promise<Snapshot>
  readonly exchanges: (limit?: number) => Promise<Exchanges>
}
