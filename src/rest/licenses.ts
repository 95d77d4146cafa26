import { z } from 'zod'
import type { LicenseDocument } from '../authority/inventory/accounts.ts'
import type { LicenseTransaction } from '../authority/inventory/license-transactions.ts'
import { createEndpoint, type RestCall } from './endpoint.ts'
import { sharedRoutes, cloudV2Routes } from './routes.ts'
import {
  limitField,
  outcomeSchema,
  pageFields,
  paginate,
  formatTermDate,
  virtualAccountsField,
  toOkStatus,
} from './fields.ts'
import { createVirtualAccountFilter } from './access-control.ts'

/** Returns Cisco's label for the compliance of a pool. */
export const complianceLabel = (status: 'in-compliance' | 'out-of-compliance'): string =>
  status === 'in-compliance' ? 'In Compliance' : 'Out Of Compliance'

/** A pool in the form of this API, which counts reserved licenses as in use. */
export interface PoolSummary extends LicenseDocument {
  readonly lots: readonly LicenseTransaction[]
  readonly futureQuantity: number
}

/** Returns the pools of a call with their lots that have not ended. */
export async function listPools(
  { authority, account }: Pick<RestCall, 'authority' | 'account'>,
  chosen: (one: { virtualAccount: string | null }) => boolean,
): Promise<PoolSummary[]> {
  const lots = (await authority.licenses.listTransactions({ account })).filter(
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
      futureQuantity: own
        .filter(({ status }) => status === 'not-started')
        .reduce((sum, { quantity }) => sum + quantity, 0),
    }
  })
}

export const getLicenseType = ({ type }: LicenseTransaction): 'TERM' | 'PERPETUAL' =>
  type === 'term' ? 'TERM' : 'PERPETUAL'
/** Returns the id of a subscription, which is Cisco's term for a lot of term licenses. */
export const getSubscriptionId = ({ type, id }: LicenseTransaction): string | null =>
  type === 'term' ? id : null
export const formatEndDate = ({ endsAt }: LicenseTransaction): string | null =>
  endsAt === null ? null : formatTermDate(endsAt)

const getLotStatus = ({ status }: LicenseTransaction): 'ACTIVE' | 'FUTURE' =>
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
  /** Always empty: licenses are not substituted. */
  licenseSubstitutions: z.array(substitution),
}

const toLicenseEntry = (pool: PoolSummary) => ({
  license: pool.name,
  virtualAccount: pool.virtualAccount,
  quantity: pool.quantity,
  inUse: pool.inUse,
  available: pool.available,
  status: pool.status === 'in-compliance' ? ('In Compliance' as const) : ('Out Of Compliance' as const),
  billingType: 'PREPAID' as const,
  reserved: pool.reserved,
  pendingQuantity: pool.futureQuantity,
  ahaApps: false,
  licenseSubstitutions: [],
})

const usageBody = z.object({ virtualAccounts: virtualAccountsField, ...pageFields }).default({
  limit: 50,
  offset: 0,
})

async function readUsagePage(call: RestCall<z.output<typeof usageBody>>) {
  const pools = await listPools(call, await createVirtualAccountFilter(call, call.body.virtualAccounts))
  return {
    ...toOkStatus('Licenses successfully read.'),
    totalRecords: pools.length,
    pools: paginate(pools, call.body),
  }
}

const getSubscriptionStatus = (lot: LicenseTransaction): 'Active' | 'Expired' | 'Future' =>
  lot.status === 'active' ? 'Active' : lot.status === 'expired' ? 'Expired' : 'Future'

const subscriptionBody = z
  .object({
    virtualAccounts: virtualAccountsField,
    /** Subscriptions are never canceled. */
    status: z
      .union([z.string().max(32), z.array(z.string().max(32)).max(10)])
      .transform((one) => (typeof one === 'string' ? [one] : one).map((text) => text.toLowerCase()))
      .nullish(),
    ...pageFields,
    limit: limitField(-1),
  })
  .default({ limit: -1, offset: 0 })

export const licenseEndpoints = [
  createEndpoint({
    name: 'licenses',
    method: 'POST',
    urls: sharedRoutes('/accounts/:domain/licenses'),
    scope: 'read',
    summary: 'Returns the pools of a smart account: purchased, in use, reserved, and the compliance.',
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
      const { pools, ...rest } = await readUsagePage(call)
      return {
        ...rest,
        licenses: pools.map((pool) => ({
          ...toLicenseEntry(pool),
          isPortable: false,
          licenseDetails: pool.lots.map((lot) => ({
            licenseType: getLicenseType(lot),
            quantity: lot.quantity,
            startDate: formatTermDate(lot.startsAt),
            endDate: formatEndDate(lot),
            subscriptionId: getSubscriptionId(lot),
            status: getLotStatus(lot),
          })),
        })),
      }
    },
  }),
  createEndpoint({
    name: 'report-usage-partner',
    method: 'POST',
    urls: cloudV2Routes('/licensing/v1/account/:domain/report-usage-partner'),
    scope: 'read',
    summary: 'Returns the pools of a smart account in the form for partners.',
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
      const { pools, ...rest } = await readUsagePage(call)
      return {
        ...rest,
        licenses: pools.map((pool) => ({
          ...toLicenseEntry(pool),
          portable: false,
          licenseDetails: pool.lots.map((lot) => ({
            license_type: getLicenseType(lot),
            entitled_quantity: lot.quantity,
            start_date: formatTermDate(lot.startsAt),
            end_date: formatEndDate(lot),
            sub_ref_id: getSubscriptionId(lot),
            status: getLotStatus(lot),
            product_sku: null,
          })),
        })),
      }
    },
  }),
  createEndpoint({
    name: 'license-subscriptions',
    method: 'POST',
    urls: [
      ...sharedRoutes('/accounts/:domain/license-subscriptions'),
      ...cloudV2Routes('/licensing/v1/account/:domain/licenses/subscription-usage'),
    ],
    scope: 'read',
    summary: 'Returns the term licenses. Quantities are text, as in Cisco’s API.',
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
      const chosen = await createVirtualAccountFilter(call, body.virtualAccounts)
      const wanted = body.status ?? []
      const found = (await authority.licenses.listTransactions({ account }))
        .filter(chosen)
        .filter((lot) => lot.type === 'term')
        .map((lot) => ({
          virtualAccount: lot.virtualAccount,
          license: lot.name,
          billingType: 'PREPAID' as const,
          quantity: String(lot.quantity),
          startDate: formatTermDate(lot.startsAt),
          endDate: formatEndDate(lot),
          status: getSubscriptionStatus(lot),
          subscriptionId: lot.id,
        }))
        .filter(({ status }) => wanted.length === 0 || wanted.includes(status.toLowerCase()))
      return {
        ...toOkStatus('Subscriptions successfully read.'),
        totalRecords: found.length,
        licenseSubscriptions: paginate(found, body),
      }
    },
  }),
]
