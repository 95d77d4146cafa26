import {
  toExchangeDocument,
  toStateChangesDocument,
  toTransitionDocument,
} from '../../agent/inspection-documents.ts'
import { toIsoString } from '../../core/time.ts'
import { implement } from '../../http/procedures.ts'
import type { DeviceAgent } from './device-agent.ts'
import { inspectionContract, snapshotSchema } from './inspection-contract.ts'

export const createInspectionProcedures = (agent: DeviceAgent) =>
  implement(inspectionContract, {
    history: ({ limit, after, before }) => {
      const { inspection } = agent
      return {
        history: inspection
          .listTransitions({ limit, after, ...(before > 0 && { before }) })
          .map(toTransitionDocument),
        total: inspection.countTransitions(),
      }
    },
    'state-changes': () => toStateChangesDocument(agent.inspection.listStateChanges()),
    snapshot: ({ id }) => {
      const past = agent.inspection.readSnapshot(id)
      return { ...past, at: toIsoString(past.at), snapshot: snapshotSchema.parse(past.snapshot) }
    },
    exchanges: ({ limit }) => ({ exchanges: agent.inspection.listExchanges(limit).map(toExchangeDocument) }),
  })
