import { useMemo } from 'react'
import type { inspectionContract } from '../../console/device/inspection-contract.ts'
import { Inspector } from '../inspector/inspector.tsx'
import type { Explanation, InspectionSource } from '../inspector/source.ts'
import { createApi } from '../shared/api.ts'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { api } from './queries.ts'

const inspection = createApi<typeof inspectionContract>()

/** Creates the source that reads the device over the API of its console. */
const createDeviceSource = (canAct: boolean): InspectionSource => ({
  kind: 'device',
  key: [],
  canAct,
  status: () => api.query('status'),
  explain: async () => (await api.query('explain')) as Explanation,
  history: (range = {}) => inspection.query('history', range),
  stateChanges: () => inspection.query('state-changes'),
  snapshot: (id) => inspection.query('snapshot', { id }),
  exchanges: (limit) => inspection.query('exchanges', limit === undefined ? {} : { limit }),
})

/** Statechart of this device. */
export default function StatechartPage({ me }: { me: CurrentUser }) {
  const source = useMemo(() => createDeviceSource(me.role !== 'viewer'), [me.role])
  return <Inspector source={source} />
}
