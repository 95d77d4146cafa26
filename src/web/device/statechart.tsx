import { useMemo } from 'react'
import { Inspector } from '../inspector/inspector.tsx'
import type { InspectionSource } from '../inspector/source.ts'
import type { CurrentUser } from '../shared/sign-in.tsx'
import { api } from './queries.ts'

/** Creates the source that reads the device over the API of its console. */
const createDeviceSource = (canAct: boolean): InspectionSource => ({
  kind: 'device',
  key: [],
  canAct,
  status: () => api.query('status'),
  explain: () => api.query('explain'),
  history: (range = {}) => api.query('history', range),
  stateChanges: () => api.query('state-changes'),
  snapshot: (id) => api.query('snapshot', { id }),
  exchanges: (limit) => api.query('exchanges', limit === undefined ? {} : { limit }),
})

/** Statechart of this device. */
export default function StatechartPage({ me }: { me: CurrentUser }) {
  const source = useMemo(() => createDeviceSource(me.role !== 'viewer'), [me.role])
  return <Inspector source={source} />
}
