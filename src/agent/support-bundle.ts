import { toIsoString } from '../core/time.ts'
import { VERSION } from '../core/version.ts'
import { BUNDLE_FORMAT } from '../inspection/bundle-format.ts'
import { formatCertificateFingerprint } from '../pki/fingerprint.ts'
import type { SmartAgent } from './agent.ts'
import { toExchangeDocument, toStateChangesDocument, toTransitionDocument } from './inspection-documents.ts'

const MAX_TRANSITIONS = 1000
const MAX_EXCHANGES = 200

/**
 * Creates a support bundle: status, explanation and the stored past, without secrets, and the drawing of the machine.
 * `smart-agent inspect` opens it.
 */
export async function createSupportBundle(agent: SmartAgent): Promise<Record<string, unknown>> {
  const { default: drawing } = await import('../inspection/machine-drawing.json', { with: { type: 'json' } })
  const { reservation, ...status } = agent.status()
  const anchor = agent.trust.anchor()
  const { inspection } = agent
  const present = inspection.readSnapshot()
  return {
    format: BUNDLE_FORMAT,
    version: VERSION,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    at: toIsoString(present.at),
    status: {
      ...status,
      reservation: {
        ...reservation,
        requestCode: null,
        confirmationCode: null,
        returnCode: null,
        returned: [],
      },
    },
    explanation: agent.explain(),
    trust: anchor === null ? null : formatCertificateFingerprint(anchor),
    drawing,
    snapshot: present.snapshot,
    stateChanges: toStateChangesDocument(inspection.listStateChanges()),
    history: agent.history(MAX_TRANSITIONS).map(toTransitionDocument),
    exchanges: inspection.listExchanges(MAX_EXCHANGES).map(toExchangeDocument),
    usage: agent.usage.periods({ by: 'day', last: 90 }),
    denials: agent.usage.denials(200),
  }
}
