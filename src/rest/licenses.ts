import { z } from 'zod'
import type { LicenseDocument } from '../authority/inventory/accounts.ts'
import type { LicenseTransaction } from '../authority/inventory/license-transactions.ts'
import { endpoint, type RestCall } from './endpoint.ts'
import { sharedRoutes, cloudV2Routes } from './routes.ts'
import {
  limitField,
  outcomeSchema,
  pageFields,
  pageOf,
  termDate,
  virtualAccountsField,
  success,
} from './fields.ts'
import { chosenVirtualAccounts } from './access-control.ts'

/** The words of the field for how a pool stands. */
export const complianceWords = (status: 'in-compliance' | 'out-of-compliance'): string =>
  status === 'in-compliance' ? 'In Compliance' : 'Out Of Compliance'

/** A pool as this API tells it: what is reserved is in use too, as the field counts. */
export interface PoolFacts extends LicenseDocument {
  readonly lots: readonly LicenseTransaction[]
  /** Licences that were bought and whose term has not begun. */
  readonly coming: number
}

/** The pools that a call is about, with the lots behind them that have not ended. */
export async function poolsOf(
  { authority, account }: Pick<RestCall, 'authority' | 'account'>,
  chosen: (one: { virtualAccount: string | null }) => boolean,
): Promise<PoolFacts[]> {
  const lots = (await authority.licenses.transactions({ account })).filter(
    ({ status }) => status !== 'expired',
  )
  return (await authority.licenses.list({ account })).filter(chosen).map((license) => {
    const own = lots.filter(
      ({ virtualAccount, tag }) => virtualAccount === license.virtualAccount && tag === license.tag,
    )
    return {
      ...license,
      inUse: license.inUse + license.reserved,
      lots: own,
      coming: own
        .filter(({ status }) => status === 'not-started')
        .reduce((sum, { quantity }) => sum + quantity, 0),
    }
  })
}

export const licenseType = ({ type }: LicenseTransaction): 'TERM' | 'PERPETUAL' =>
  type === 'term' ? 'TERM' : 'PERPETUAL'
/** A licence for a term is what the field calls a subscription; it is named by its lot. */
export const subscriptionId = ({ type, id }: LicenseTransaction): string | null =>
  type === 'term' ? id : null
export const endDate = ({ endsAt }: LicenseTransaction): string | null =>
  endsAt === null ? null : termDate(endsAt)

const lotStatus = ({ status }: LicenseTransaction): 'ACTIVE' | 'FUTURE' =>
  status === 'active' ? 'ACTIVE' : 'FUTURE'

const substitution = z.object({
  licenseName: z.string(),
  substitutedLicense: z.string(),
  substitutedQuantity: z.int(),
  substitutionType: z.string(),
})

const poolFields = {
  license: z.string(),
  virtualAccount: z.string(),
  quantity: z.int(),
  inUse: z.int(),
  available: z.int(),
  status: z.enum(['In Compliance', 'Out Of Compliance']),
  billingType: z.literal('PREPAID'),
  reserved: z.int(),
  pendingQuantity: z.int(),
  ahaApps: z.boolean(),
  /** No licence stands for another one here. */
  licenseSubstitutions: z.array(substitution),
}

const described = (pool: PoolFacts) => ({
  license: pool.name,
  virtualAccount: pool.virtualAccount,
  quantity: pool.quantity,
  inUse: pool.inUse,
  available: pool.available,
  status: pool.status === 'in-compliance' ? ('In Compliance' as const) : ('Out Of Compliance' as const),
  billingType: 'PREPAID' as const,
  reserved: pool.reserved,
  pendingQuantity: pool.coming,
  ahaApps: false,
  licenseSubstitutions: [],
})

const usageBody = z.object({ virtualAccounts: virtualAccountsField, ...pageFields }).default({
  limit: 50,
  offset: 0,
})

async function usagePage(call: RestCall<z.output<typeof usageBody>>) {
  const pools = await poolsOf(call, await chosenVirtualAccounts(call, call.body.virtualAccounts))
  return {
    ...success('Licenses successfully read.'),
    totalRecords: pools.length,
    pools: pageOf(pools, call.body),
  }
}

const statusOf = (lot: LicenseTransaction): 'Active' | 'Expired' | 'Future' =>
  lot.status === 'active' ? 'Active' : lot.status === 'expired' ? 'Expired' : 'Future'

const subscriptionBody = z
  .object({
    virtualAccounts: virtualAccountsField,
    /** None is cancelled here. */
    status: z
      .union([z.string().max(32), z.array(z.string().max(32)).max(10)])
      .transform((one) => (typeof one === 'string' ? [one] : one).map((text) => text.toLowerCase()))
      .nullish(),
    ...pageFields,
    limit: limitField(-1),
  })
  .default({ limit: -1, offset: 0 })

export const licenseEndpoints = [
  endpoint({
    name: 'licenses',
    method: 'POST',
    urls: sharedRoutes('/accounts/:domain/licenses'),
    scope: 'read',
    summary: 'The pools of a smart account: bought, in use, reserved, and whether that is enough.',
    schema: {
      body: usageBody,
      response: outcomeSchema.extend({
        totalRecords: z.int(),
        licenses: z.array(
          z.object({
            ...poolFields,
            isPortable: z.boolean(),
            licenseDetails: z.array(
              z.object({
                licenseType: z.enum(['TERM', 'DEMO', 'PERPETUAL']),
                quantity: z.int(),
                startDate: z.string(),
                endDate: z.string().nullable(),
                subscriptionId: z.string().nullable(),
                status: z.enum(['ACTIVE', 'FUTURE']),
              }),
            ),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { pools, ...rest } = await usagePage(call)
      return {
        ...rest,
        licenses: pools.map((pool) => ({
          ...described(pool),
          isPortable: false,
          licenseDetails: pool.lots.map((lot) => ({
            licenseType: licenseType(lot),
            quantity: lot.quantity,
            startDate: termDate(lot.startsAt),
            endDate: endDate(lot),
            subscriptionId: subscriptionId(lot),
            status: lotStatus(lot),
          })),
        })),
      }
    },
  }),
  endpoint({
    name: 'report-usage-partner',
    method: 'POST',
    urls: cloudV2Routes('/licensing/v1/account/:domain/report-usage-partner'),
    scope: 'read',
    summary: 'The same pools, as partners are told.',
    schema: {
      body: usageBody,
      response: outcomeSchema.extend({
        totalRecords: z.int(),
        licenses: z.array(
          z.object({
            ...poolFields,
            portable: z.boolean(),
            licenseDetails: z.array(
              z.object({
                license_type: z.enum(['TERM', 'DEMO', 'PERPETUAL']),
                entitled_quantity: z.int(),
                start_date: z.string(),
                end_date: z.string().nullable(),
                sub_ref_id: z.string().nullable(),
                status: z.enum(['ACTIVE', 'FUTURE']),
                product_sku: z.string().nullable(),
              }),
            ),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { pools, ...rest } = await usagePage(call)
      return {
        ...rest,
        licenses: pools.map((pool) => ({
          ...described(pool),
          portable: false,
          licenseDetails: pool.lots.map((lot) => ({
            license_type: licenseType(lot),
            entitled_quantity: lot.quantity,
            start_date: termDate(lot.startsAt),
            end_date: endDate(lot),
            sub_ref_id: subscriptionId(lot),
            status: lotStatus(lot),
            product_sku: null,
          })),
        })),
      }
    },
  }),
  endpoint({
    name: 'license-subscriptions',
    method: 'POST',
    urls: [
      ...sharedRoutes('/accounts/:domain/license-subscriptions'),
      ...cloudV2Routes('/licensing/v1/account/:domain/licenses/subscription-usage'),
    ],
    scope: 'read',
    summary: 'The licences for a term. Quantities are text, as the field’s are.',
    schema: {
      body: subscriptionBody,
      response: outcomeSchema.extend({
        totalRecords: z.int(),
        licenseSubscriptions: z.array(
          z.object({
            virtualAccount: z.string(),
            license: z.string(),
            billingType: z.literal('PREPAID'),
            quantity: z.string(),
            startDate: z.string(),
            endDate: z.string().nullable(),
            status: z.enum(['Active', 'Expired', 'Future']),
            subscriptionId: z.string(),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { body, authority, account } = call
      const chosen = await chosenVirtualAccounts(call, body.virtualAccounts)
      const wanted = body.status ?? []
      const found = (await authority.licenses.transactions({ account }))
        .filter(chosen)
        .filter((lot) => lot.type === 'term')
        .map((lot) => ({
          virtualAccount: lot.virtualAccount,
          license: lot.name,
          billingType: 'PREPAID' as const,
          quantity: String(lot.quantity),
          startDate: termDate(lot.startsAt),
          endDate: endDate(lot),
          status: statusOf(lot),
          subscriptionId: lot.id,
        }))
        .filter(({ status }) => wanted.length === 0 || wanted.includes(status.toLowerCase()))
      return {
        ...success('Subscriptions successfully read.'),
        totalRecords: found.length,
        licenseSubscriptions: pageOf(found, body),
      }
    },
  }),
]
