import type { InspectedBundle } from '../../console/device/bundle.ts'
import { rewindContext } from '../../inspection/context-changes.ts'
import { toRegionValue } from '../../inspection/region-value.ts'
import type { HistoryRange, InspectionSource, Snapshot, Transition } from './source.ts'

/** Document of the inspector's server: a bundle, and what it is the bundle of. */
export interface ServedDocument {
  readonly kind: InspectionSource['kind']
  readonly bundle: InspectedBundle
}

/** Creates the source that reads one support bundle. @param read returns the document; called for each query */
export function createBundleSource(
  read: () => Promise<ServedDocument>,
  kind: InspectionSource['kind'],
): InspectionSource {
  const readBundle = async () => (await read()).bundle
  return {
    kind,
    key: ['bundle'],
    canAct: false,
    status: async () => (await readBundle()).status,
    explain: async () => (await readBundle()).explanation,
    history: async (range = {}) => {
      const { history } = await readBundle()
      return { history: selectRange(history, range), total: history.length }
    },
    stateChanges: async () => (await readBundle()).stateChanges,
    snapshot: async (id) => findSnapshot(await readBundle(), id),
    exchanges: async (limit = 50) => ({ exchanges: (await readBundle()).exchanges.slice(0, limit) }),
  }
}

function selectRange(
  history: readonly Transition[],
  { limit = 200, after, before }: HistoryRange,
): Transition[] {
  const inRange = history.filter(
    ({ id }) => (after === undefined || id > after) && (before === undefined || before === 0 || id < before),
  )
  return inRange.slice(-limit)
}

type Value = Snapshot['snapshot']['value']

/** Returns the snapshot after a transition, computed from the last one and the changes of all later transitions. */
function findSnapshot({ at, snapshot, history }: InspectedBundle, id: number): Snapshot {
  const row = history.find((transition) => transition.id === id)
  if (row === undefined) return { id: 0, at, snapshot }
  const later = history.filter((transition) => transition.id > id).map(({ changes }) => changes)
  const { license, registration, reservation, connection } = row.after
  const context = rewindContext(snapshot.context, later) as Snapshot['snapshot']['context']
  return {
    id,
    at: row.at,
    snapshot: {
      value: {
        license: toRegionValue(license) as Value['license'],
        registration: toRegionValue(registration) as Value['registration'],
        reservation,
        connection,
      },
      context: {
        ...context,
        evaluation: { ...context.evaluation, remainingSeconds: row.evaluationSeconds },
      },
    },
  }
}
