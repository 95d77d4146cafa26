import { z } from 'zod'
import type { EventDocument } from '../authority/events/event-log.ts'
import { DAY } from '../core/time.ts'
import { createEndpoint, type RestCall } from './endpoint.ts'
import { cloudV1Routes, cloudV2Routes } from './routes.ts'
import { daySchema, formatHistoryDate, MAX_BATCH_ITEMS, formatTermDate } from './fields.ts'
import {
  complianceLabel,
  formatEndDate,
  getLicenseType,
  type PoolSummary,
  listPools,
  getSubscriptionId,
} from './licenses.ts'
import { accountFromHeaders } from './access-control.ts'

/** Maximum number of events in one history. */
const MAX_EVENTS = 5_000

const nonce = z.union([z.string().max(1_000), z.number()])
const nonceField = nonce.nullish()
/** Schema of the client's time, a number or a text. The response has the authority's time. */
const timestampField = z.union([z.number(), z.string().max(40)]).nullish()
const tagsField = z.array(z.string().max(4_096)).max(MAX_BATCH_ITEMS).nullish()

const summaryBody = z.object({
  data: z.object({ timestamp: timestampField, nonce: nonceField, tags: tagsField }),
})

const detailFields = {
  quantity: z.int(),
  start_date: z.string(),
  end_date: z.string().nullable(),
  subscription_id: z.string().nullable(),
  license_type: z.enum(['TERM', 'PERPETUAL']),
}
const itemFields = {
  tag: z.string(),
  compliance_status: z.string(),
  display_name: z.string(),
  enforced: z.boolean(),
  export_restricted: z.boolean(),
}
const topFields = {
  status: z.string(),
  message_code: z.string(),
  message: z.string(),
  timestamp: z.int(),
  nonce: nonce.nullable(),
}
const summaryFields = { ...topFields, out_standing_reports: z.int() }

/** Returns the pools of the accounts in the headers, added up by tag for a whole smart account. */
async function sumPools(call: RestCall<z.output<typeof summaryBody>>): Promise<PoolSummary[]> {
  const { account, virtualAccount } = await accountFromHeaders(call)
  const { authority, body } = call
  const found = await listPools(
    { authority, account },
    (one) => virtualAccount === undefined || one.virtualAccount === virtualAccount,
  )
  const tags = body.data.tags ?? []
  const sums = new Map<string, PoolSummary>()
  for (const pool of found) {
    if (tags.length > 0 && !tags.includes(pool.tag)) continue
    const before = sums.get(pool.tag)
    sums.set(pool.tag, before ? addPools(before, pool) : pool)
  }
  return [...sums.values()]
}

const addPools = (a: PoolSummary, b: PoolSummary): PoolSummary => ({
  ...a,
  quantity: a.quantity + b.quantity,
  inUse: a.inUse + b.inUse,
  reserved: a.reserved + b.reserved,
  available: a.available + b.available,
  balance: a.balance + b.balance,
  futureQuantity: a.futureQuantity + b.futureQuantity,
  lots: [...a.lots, ...b.lots],
  status: a.status === 'in-compliance' ? b.status : a.status,
})

const toSummaryHeader = ({ at, body }: RestCall<z.output<typeof summaryBody>>) => ({
  status: 'SUCCESS',
  message_code: 'SUCCESS',
  message: 'License summary successfully read.',
  timestamp: at,
  nonce: body.data.nonce ?? null,
  out_standing_reports: 0,
})

const toSummaryItem = (pool: PoolSummary) => ({
  tag: pool.tag,
  compliance_status: complianceLabel(pool.status),
  display_name: pool.name,
  enforced: false,
  export_restricted: false,
})

const toLotDetails = (pool: PoolSummary) =>
  pool.lots.map((lot) => ({
    quantity: lot.quantity,
    start_date: formatTermDate(lot.startsAt),
    end_date: formatEndDate(lot),
    subscription_id: getSubscriptionId(lot),
    license_type: getLicenseType(lot),
    active: lot.status === 'active',
  }))

const historyFields = {
  timestamp: timestampField,
  nonce: nonceField,
  fromDate: daySchema,
  toDate: daySchema,
  tags: tagsField,
  softwareTags: tagsField,
  userDefinedTags: tagsField,
}
/** Schema of the body, which may be wrapped in `data` as in the other calls. */
const historyBody = z.union([
  z.object({ data: z.object(historyFields) }).transform(({ data }) => data),
  z.object(historyFields),
])

export const summaryEndpoints = [
  createEndpoint({
    name: 'get-summary',
    method: 'POST',
    urls: [
      ...cloudV2Routes('/licensing/v2/get-summary'),
      ...cloudV1Routes('/licenses/summary', ['v1', 'v2']),
    ],
    scope: 'read',
    errorFormat: 'localizedWithCode',
    summary: 'Returns the pools of the accounts whose numbers are in the headers X-CSW-*.',
    schema: {
      body: summaryBody,
      response: z.object({
        ...summaryFields,
        summary: z.array(
          z.object({
            ...itemFields,
            entitled: z.int().min(0),
            future_entitled: z.int().min(0),
            inuse: z.int().min(0),
            reserved: z.int().min(0),
            license_details: z.array(z.object(detailFields)),
          }),
        ),
      }),
    },
    handler: async (call) => ({
      ...toSummaryHeader(call),
      summary: (await sumPools(call)).map((pool) => ({
        ...toSummaryItem(pool),
        entitled: pool.quantity,
        future_entitled: pool.futureQuantity,
        inuse: pool.inUse,
        reserved: pool.reserved,
        license_details: toLotDetails(pool),
      })),
    }),
  }),
  createEndpoint({
    name: 'get-summary-v3',
    method: 'POST',
    urls: [...cloudV2Routes('/licensing/v3/get-summary'), ...cloudV1Routes('/licenses/summary', ['v3'])],
    scope: 'read',
    errorFormat: 'localizedWithCode',
    summary: 'Returns the same pools as prepaid licenses. Pay-per-use licenses do not exist.',
    schema: {
      body: summaryBody,
      response: z.object({
        ...summaryFields,
        summary: z.array(
          z.object({
            ...itemFields,
            prepaid_entitled: z.int().min(0),
            prepaid_inuse: z.int().min(0),
            prepaid_reserved: z.int().min(0),
            prepaid_future_entitled: z.int().min(0),
            license_details: z.array(
              z.object({
                ...detailFields,
                billing_type: z.literal('PREPAID'),
                postpaid_usage: z.literal(0),
                status: z.enum(['ACTIVE', 'FUTURE']),
                billing_model: z.literal('COMMITTED'),
              }),
            ),
          }),
        ),
      }),
    },
    handler: async (call) => ({
      ...toSummaryHeader(call),
      summary: (await sumPools(call)).map((pool) => ({
        ...toSummaryItem(pool),
        prepaid_entitled: pool.quantity,
        prepaid_inuse: pool.inUse,
        prepaid_reserved: pool.reserved,
        prepaid_future_entitled: pool.futureQuantity,
        license_details: toLotDetails(pool).map(({ active, ...one }) => ({
          ...one,
          billing_type: 'PREPAID' as const,
          postpaid_usage: 0 as const,
          status: active ? ('ACTIVE' as const) : ('FUTURE' as const),
          billing_model: 'COMMITTED' as const,
        })),
      })),
    }),
  }),
  createEndpoint({
    name: 'get-history',
    method: 'POST',
    urls: cloudV2Routes('/licensing/v2/get-history'),
    scope: 'read',
    errorFormat: 'localizedWithCode',
    summary: 'Returns the events about licenses by day, without the usage, which is not recorded by day.',
    schema: {
      body: historyBody,
      response: z.object({
        ...topFields,
        data: z.array(
          z.object({
            tag: z.string(),
            display_name: z.string(),
            enforced: z.boolean(),
            export_restricted: z.boolean(),
            billing_type: z.literal('PREPAID'),
            userDefinedTags: z.array(z.string()),
            history: z.array(
              z.object({
                date: z.string(),
                events: z.array(z.object({ at: z.string(), type: z.string(), message: z.string() })),
              }),
            ),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { authority, body, at } = call
      const { account, virtualAccount } = await accountFromHeaders(call)
      const wanted = body.tags ?? []
      const data = []
      for (const { tag, name } of authority.licenses.profile.current.tags) {
        if (wanted.length > 0 && !wanted.includes(tag)) continue
        const events = await authority.operations.events.list({
          account,
          virtualAccount,
          tag,
          since: body.fromDate,
          until: body.toDate + DAY,
          ownOnly: true,
          limit: MAX_EVENTS,
        })
        if (events.length > 0)
          data.push({
            tag,
            display_name: name,
            enforced: false,
            export_restricted: false,
            billing_type: 'PREPAID' as const,
            userDefinedTags: [],
            history: groupByDay(events),
          })
      }
      return {
        status: 'SUCCESS',
        message_code: data.length === 0 ? 'NO_DATA_FOUND' : 'SUCCESS',
        message: data.length === 0 ? 'No events are recorded for these days.' : 'History successfully read.',
        timestamp: at,
        nonce: body.nonce ?? null,
        data,
      }
    },
  }),
]

function groupByDay(events: readonly EventDocument[]) {
  const days = new Map<string, { at: string; type: string; message: string }[]>()
  for (const { at, type, message } of events) {
    const date = formatHistoryDate(at)
    days.set(date, [...(days.get(date) ?? []), { at, type, message }])
  }
  return [...days].map(([date, list]) => ({ date, events: list }))
}
