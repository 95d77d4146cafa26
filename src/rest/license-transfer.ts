import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import { DAY, type Instant } from '../core/time.ts'
import type { ProductProfile } from '../core/profile.ts'
import type { ChosenLot } from '../authority/inventory/transfers.ts'
import { createEndpoint } from './endpoint.ts'
import { sharedRoutes } from './routes.ts'
import {
  daySchema,
  runBatch,
  MAX_BATCH_ITEMS,
  nameField,
  toOutcome,
  outcomeSchema,
  integerField,
  enumField,
  toOkStatus,
  toRefusedStatus,
} from './fields.ts'
import { assertWholeAccountAccess } from './access-control.ts'

const partSchema = z.object({
  license: z.string().min(1, 'it is missing').max(200),
  licenseType: enumField(['TERM', 'PERPETUAL', 'DEMO']),
  quantity: integerField(1, 10_000_000),
  targetVirtualAccount: nameField.min(1, 'it is missing'),
  precedence: enumField(['LONGEST_TERM_FIRST', 'LONGEST_TERM_LAST']),
  subsriptionId: z.string().max(100).nullish(),
  subscriptionId: z.string().max(100).nullish(),
  startDate: z.union([z.literal(''), daySchema]).nullish(),
  endDate: z.union([z.literal(''), daySchema]).nullish(),
})
type Part = z.output<typeof partSchema>

/** Returns the tag of a license given by tag or by name. @throws LicensingError UNKNOWN_TAG */
export function resolveTag(profile: ProductProfile, license: string): string {
  const found = profile.tags.find(({ tag, name }) => tag === license || name === license)
  if (found) return found.tag
  throw new LicensingError(
    'UNKNOWN_TAG',
    `There is no license ${JSON.stringify(license.slice(0, 100))}. The licenses are ${profile.tags.map(({ tag }) => tag).join(', ')}.`,
  )
}

/** Returns a filter for the lots that a part of a transfer selects. */
function createLotFilter({ licenseType, subsriptionId, subscriptionId, startDate, endDate }: Part) {
  const id = subsriptionId ?? subscriptionId ?? ''
  const sameDay = (wanted: Instant | '' | null | undefined, at: Instant | null): boolean =>
    typeof wanted !== 'number' || (at !== null && at >= wanted && at < wanted + DAY)
  return (lot: ChosenLot): boolean =>
    (id === '' || lot.id === id) &&
    sameDay(startDate, lot.startsAt) &&
    sameDay(endDate, lot.endsAt) &&
    (licenseType === null ||
      licenseType === undefined ||
      (licenseType === 'TERM' ? lot.endsAt !== null : licenseType === 'PERPETUAL' && lot.endsAt === null))
}

export const transferEndpoints = [
  createEndpoint({
    name: 'licenses-transfer',
    method: 'POST',
    urls: sharedRoutes('/accounts/:domain/virtual-accounts/:virtualAccount/licenses/transfer'),
    scope: 'write',
    summary:
      'Transfers licenses to other virtual accounts, each part separately. A part that puts a pool out of compliance is refused.',
    schema: {
      body: z.object({ licenses: z.array(partSchema).min(1, 'no license is named').max(MAX_BATCH_ITEMS) }),
      response: outcomeSchema.extend({ licensesTransferStatus: z.array(outcomeSchema) }),
    },
    auditSubject: ({ virtualAccount = '', body }) =>
      `from ${virtualAccount}: ${body.licenses
        .slice(0, 5)
        .map((one) => `${one.quantity} of ${one.license} to ${one.targetVirtualAccount}`)
        .join(', ')}${body.licenses.length > 5 ? ` and ${body.licenses.length - 5} more` : ''}`,
    handler: async ({ authority, account, caller, virtualAccount = '', body }) => {
      assertWholeAccountAccess(caller)
      const { results, done } = await runBatch(body.licenses, async (part) => {
        const { status } = await authority.licenses.transfer({
          account,
          from: virtualAccount,
          to: part.targetVirtualAccount,
          tag: resolveTag(authority.licenses.profile.current, part.license),
          quantity: part.quantity,
          takesLot: createLotFilter(part),
          longestFirst: part.precedence === 'LONGEST_TERM_FIRST',
        })
        return `${part.quantity} of ${part.license} ${status === 'waiting' ? 'will move with the next synchronization of the satellite' : 'transferred successfully'}`
      })
      return {
        status: toOutcome(done, results.length),
        statusMessage:
          done === results.length
            ? `${done} licenses transferred successfully`
            : `${done} of ${results.length} licenses transferred successfully`,
        licensesTransferStatus: results.map((one) =>
          one.done ? toOkStatus(one.value) : toRefusedStatus(one.message),
        ),
      }
    },
  }),
]
