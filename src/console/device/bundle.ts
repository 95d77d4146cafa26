import { z } from 'zod'
import { ENGLISH } from '../../core/english.ts'
import { LicensingError } from '../../core/errors.ts'
import { BUNDLE_FORMAT } from '../../inspection/bundle-format.ts'
import { inspectionContract, snapshotSchema, transitionSchema } from './inspection-contract.ts'
import { machineDrawingSchema } from './machine-drawing-schema.ts'
import { statusSchema } from './schemas.ts'
import { explanationSchema } from './status-contract.ts'

/** Parts of a support bundle that the inspector shows. */
const bundleSchema = z.object({
  format: z.literal(BUNDLE_FORMAT),
  version: z.string(),
  at: z.string(),
  status: statusSchema,
  explanation: explanationSchema,
  drawing: machineDrawingSchema,
  snapshot: snapshotSchema,
  stateChanges: inspectionContract['state-changes'].schema.response,
  history: z.array(transitionSchema),
  exchanges: inspectionContract.exchanges.schema.response.shape.exchanges,
})
export type InspectedBundle = z.infer<typeof bundleSchema>

/** Parses a support bundle. Other parts than those of the inspector are left out. @throws LicensingError BUNDLE_MALFORMED, BUNDLE_TOO_NEW */
export function parseBundle(text: string): InspectedBundle {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw malformedError('it is not JSON')
  }
  const { format } = z.object({ format: z.int() }).catch({ format: 0 }).parse(document)
  if (format > BUNDLE_FORMAT)
    throw new LicensingError(
      'BUNDLE_TOO_NEW',
      `The support bundle has format ${format}, but this program reads formats up to ${BUNDLE_FORMAT}.`,
    )
  const parsed = bundleSchema.safeParse(document, ENGLISH)
  if (parsed.success) return parsed.data
  throw malformedError(`the field ${parsed.error.issues[0]?.path.join('.') ?? ''} is missing or not valid`)
}

const malformedError = (reason: string) =>
  new LicensingError('BUNDLE_MALFORMED', `The file is no support bundle: ${reason}.`)
