import { z } from 'zod'
import type { Quantities } from '../authority/reservations/authorization-issue.ts'
import type { IssuedAuthorization } from '../authority/reservations/reservations.ts'
import { LicensingError } from '../core/errors.ts'
import { createEndpoint, type RestCall } from './endpoint.ts'
import {
  formatDisplayName,
  assertVirtualAccountExists,
  findInstance,
  findAccessibleInstances,
  sudiInput,
  toSudi,
  sudiSchema,
} from './devices.ts'
import { sharedRoutes, cloudV1Routes, cloudV2Routes } from './routes.ts'
import {
  runBatch,
  MAX_BATCH_ITEMS,
  nameField,
  type Outcome,
  toOutcome,
  outcomeSchema,
  formatTermDate,
  integerField,
  enumField,
} from './fields.ts'
import { resolveTag } from './license-transfer.ts'
import { assertVirtualAccountAccess } from './access-control.ts'

const licensesField = z
  .array(
    z.object({
      entitlementTag: z.string().min(1, 'it is missing').max(4_096),
      quantity: integerField(0, 10_000_000),
      precedence: enumField(['LONGEST_TERM_FIRST', 'LONGEST_TERM_LAST']),
    }),
  )
  .max(MAX_BATCH_ITEMS)
type Licenses = z.output<typeof licensesField>

const requestSchema = z.object({
  reservationCode: z.string().min(1, 'it is missing').max(16_384),
  reservationType: enumField(['SPECIFIC', 'UNIVERSAL']),
  licenses: licensesField.nullish(),
})
type Request = z.output<typeof requestSchema>
const requestsField = z.array(requestSchema).min(1, 'no request is given').max(MAX_BATCH_ITEMS)

const codeSchema = outcomeSchema.extend({
  reservationCode: z.string().optional(),
  authorizationCode: z.string().nullable(),
  sudi: sudiSchema.nullable(),
  productInstance: z.string().nullable(),
  productTagName: z.string().nullable(),
  productType: z.string().nullable(),
  licenses: z.array(
    z.object({
      name: z.string(),
      quantity: z.int(),
      licenseType: z.enum(['TERM', 'PERPETUAL']),
      endDate: z.string().nullable(),
    }),
  ),
})
type Code = z.input<typeof codeSchema>

const toFailedEntry = (statusMessage: string, reservationCode?: string): Code => ({
  status: 'ERROR',
  statusMessage,
  ...(reservationCode !== undefined && { reservationCode }),
  authorizationCode: null,
  sudi: null,
  productInstance: null,
  productTagName: null,
  productType: null,
  licenses: [],
})

/** Returns the requested quantities by tag. @throws LicensingError INVALID_ARGUMENT, UNKNOWN_TAG */
function toQuantities(
  { authority }: Pick<RestCall, 'authority'>,
  licenses: Licenses,
  least: 0 | 1,
): Quantities {
  const wanted: Record<string, number> = {}
  for (const { entitlementTag, quantity, precedence } of licenses) {
    const tag = resolveTag(authority.licenses.profile.current, entitlementTag)
    if (Object.hasOwn(wanted, tag))
      throw new LicensingError('INVALID_ARGUMENT', `The license ${tag} is named twice.`)
    if (quantity < least) throw new LicensingError('INVALID_ARGUMENT', `The quantity of ${tag} is 0.`)
    if (precedence === 'LONGEST_TERM_LAST')
      throw new LicensingError(
        'INVALID_ARGUMENT',
        'LONGEST_TERM_LAST is not supported: the licenses with the longest term are reserved first.',
      )
    wanted[tag] = quantity
  }
  return wanted
}

function toAuthorizedEntry(
  call: Pick<RestCall, 'authority'>,
  issued: IssuedAuthorization,
  code?: string,
): Code {
  const product = call.authority.licenses.profile.current
  return {
    status: 'SUCCESS',
    statusMessage: 'Authorization code generated successfully',
    ...(code !== undefined && { reservationCode: code }),
    authorizationCode: issued.file,
    sudi: toSudi(issued.udi),
    productInstance: formatDisplayName(issued.udi).replace(/; $/, ''),
    productTagName: product.name,
    productType: product.name,
    licenses: issued.licenses.map(({ tag, count, endsAt }) => ({
      name: product.tags.find((one) => one.tag === tag)?.name ?? tag,
      quantity: count,
      licenseType: endsAt === null ? 'PERPETUAL' : 'TERM',
      endDate: endsAt === null ? null : formatTermDate(endsAt),
    })),
  }
}

async function reserve(
  call: RestCall,
  virtualAccount: string,
  requests: readonly Request[],
): Promise<{ codes: Code[]; done: number }> {
  const { authority, account } = call
  const { results, done } = await runBatch(requests, async (request) => {
    if (request.reservationType === 'UNIVERSAL')
      throw new LicensingError(
        'API_NOT_SERVED',
        'Universal reservations are not supported: every license is reserved by its tag.',
        { remedy: 'Request a SPECIFIC reservation.' },
      )
    const licenses = toQuantities(call, request.licenses ?? [], 1)
    const issued = await authority.reservations.reserve({
      account,
      virtualAccount,
      request: request.reservationCode,
      licenses,
      reissue: true,
    })
    return toAuthorizedEntry(call, issued, request.reservationCode)
  })
  return {
    done,
    codes: results.map((one) =>
      one.done ? one.value : toFailedEntry(one.message, one.part.reservationCode),
    ),
  }
}

const formatProcessed = (done: number): string => `${done} reservation requests processed successfully`

const codesAnswer = outcomeSchema.extend({ authorizationCodes: z.array(codeSchema) })

const createReserveEndpoint = (name: string, routes: readonly string[]) =>
  createEndpoint({
    name,
    method: 'POST',
    urls: routes,
    scope: 'write',
    summary:
      'Reserves licenses for devices, each request separately. Takes request codes, and returns authorization files.',
    schema: { body: z.object({ reservationRequests: requestsField }), response: codesAnswer },
    auditSubject: ({ virtualAccount = '', body }) =>
      `${body.reservationRequests.length} requests, from ${virtualAccount}`,
    handler: async (call) => {
      const { virtualAccount = '', body } = call
      await assertVirtualAccountExists(call, virtualAccount)
      const { codes, done } = await reserve(call, virtualAccount, body.reservationRequests)
      return {
        status: toOutcome(done, codes.length),
        statusMessage: formatProcessed(done),
        authorizationCodes: codes,
      }
    },
  })

const updateFields = z.object({
  reservationUpdateRequests: z
    .array(
      z.object({
        licenses: licensesField.min(1, 'no request is given'),
        sudi: sudiInput,
        productTagName: z.string().max(4_096).nullish(),
      }),
    )
    .min(1, 'no request is given')
    .max(MAX_BATCH_ITEMS),
})
/** Schema of the response. The key is misspelled in Cisco's API. */
const updateAnswer = outcomeSchema.extend({ autorizationCodes: z.array(codeSchema) })

async function update(
  call: RestCall,
  virtualAccount: string | undefined,
  requests: z.output<typeof updateFields>['reservationUpdateRequests'],
) {
  const { authority, account } = call
  const there = await findAccessibleInstances(
    call,
    virtualAccount,
    requests.map(({ sudi }) => sudi),
  )
  const { results, done } = await runBatch(requests, async ({ sudi, licenses }) => {
    const { id } = findInstance(there, sudi)
    return toAuthorizedEntry(
      call,
      await authority.reservations.update(id, toQuantities(call, licenses, 0), { account, reissue: true }),
    )
  })
  return {
    status: toOutcome(done, results.length),
    statusMessage: formatProcessed(done),
    autorizationCodes: results.map((one) => (one.done ? one.value : toFailedEntry(one.message))),
  }
}

const confirmFields = z.object({
  reservationConfirmationRequests: z
    .array(
      z.object({
        sudi: sudiInput,
        productTagName: z.string().max(4_096).nullish(),
        confirmationCode: z.string().min(1, 'it is missing').max(2_000),
      }),
    )
    .min(1, 'no request is given')
    .max(MAX_BATCH_ITEMS),
})
const confirmedSchema = outcomeSchema.extend({
  confirmation_code: z.string(),
  sudi: sudiSchema,
  productInstance: z.string(),
})
const confirmAnswer = outcomeSchema.extend({ data: z.union([confirmedSchema, z.array(confirmedSchema)]) })

async function confirm(
  call: RestCall,
  virtualAccount: string | undefined,
  requests: z.output<typeof confirmFields>['reservationConfirmationRequests'],
) {
  const { authority, account } = call
  const there = await findAccessibleInstances(
    call,
    virtualAccount,
    requests.map(({ sudi }) => sudi),
  )
  const { results, done } = await runBatch(requests, async ({ sudi, confirmationCode }) => {
    await authority.reservations.confirm(findInstance(there, sudi).id, confirmationCode, { account })
  })
  const data = requests.map(({ sudi: { udiPid, udiSerialNumber }, confirmationCode }, i) => {
    const one = results[i]
    const udi = { pid: udiPid, serial: udiSerialNumber }
    return {
      status: one?.done === true ? ('SUCCESS' as const) : ('ERROR' as const),
      statusMessage: one?.done === false ? one.message : 'Update confirmed',
      confirmation_code: confirmationCode,
      sudi: toSudi(udi),
      productInstance: formatDisplayName(udi).replace(/; $/, ''),
    }
  })
  const [only] = data
  const status: Outcome = toOutcome(done, requests.length)
  return {
    status,
    statusMessage: `${done} of ${requests.length} updates confirmed`,
    // Clients expect a single result without a list.
    data: only && data.length === 1 ? only : data,
  }
}

const querySchema = z.object({ virtualAccountName: nameField.optional() })
const VIRTUAL_ACCOUNT_PATH = '/accounts/:domain/virtual-accounts/:virtualAccount'
const formatDevices = (list: readonly { sudi: { udiPid: string; udiSerialNumber: string } }[]): string =>
  list
    .slice(0, 5)
    .map(({ sudi }) => `${sudi.udiPid}:${sudi.udiSerialNumber}`)
    .join(', ')

export const reservationEndpoints = [
  createReserveEndpoint('reserve-licenses', sharedRoutes(`${VIRTUAL_ACCOUNT_PATH}/reserve-licenses`)),
  createReserveEndpoint(
    'licenses-reserve',
    cloudV2Routes(
      '/licensing/v1/account/:domain/virtual-account/:virtualAccount/licenses/reserve',
      '/licensing/v2/account/:domain/virtual-account/:virtualAccount/licenses/reserve',
    ),
  ),
  createEndpoint({
    name: 'reserve-bulk',
    method: 'POST',
    urls: cloudV2Routes('/licensing/v2/account/:domain/licenses/reserve-bulk'),
    scope: 'write',
    summary: 'Reserves licenses of several virtual accounts.',
    schema: {
      body: z.object({
        virtualAccounts: z
          .array(z.object({ name: nameField, reservationRequests: requestsField }))
          .min(1, 'no request is given')
          .max(100),
        forSingleVirtualAccount: z.union([z.boolean(), z.string().max(8)]).nullish(),
      }),
      response: codesAnswer,
    },
    auditSubject: ({ body }) => `from ${body.virtualAccounts.map(({ name }) => name).join(', ')}`,
    handler: async (call) => {
      for (const { name } of call.body.virtualAccounts) {
        assertVirtualAccountAccess(call.caller, name)
        await assertVirtualAccountExists(call, name)
      }
      const codes: Code[] = []
      let done = 0
      for (const { name, reservationRequests } of call.body.virtualAccounts) {
        const part = await reserve(call, name, reservationRequests)
        codes.push(...part.codes)
        done += part.done
      }
      return {
        status: toOutcome(done, codes.length),
        statusMessage: formatProcessed(done),
        authorizationCodes: codes,
      }
    },
  }),
  createEndpoint({
    name: 'update-slr',
    method: 'POST',
    urls: sharedRoutes(`${VIRTUAL_ACCOUNT_PATH}/update-slr`),
    scope: 'write',
    summary: 'Changes the reservations of devices, and returns the next authorization file of each.',
    schema: { body: updateFields, response: updateAnswer },
    auditSubject: ({ body }) => formatDevices(body.reservationUpdateRequests),
    handler: (call) => update(call, call.virtualAccount, call.body.reservationUpdateRequests),
  }),
  createEndpoint({
    name: 'licenses-update',
    method: 'POST',
    urls: cloudV2Routes('/licensing/v2/accounts/:domain/licenses/update'),
    scope: 'write',
    errorFormat: 'localized',
    summary: 'Changes the reservations of devices of the virtual account in the query.',
    schema: { body: updateFields, querystring: querySchema, response: updateAnswer },
    auditSubject: ({ body }) => formatDevices(body.reservationUpdateRequests),
    handler: (call) => update(call, call.query.virtualAccountName, call.body.reservationUpdateRequests),
  }),
  createEndpoint({
    name: 'confirm-slr-update',
    method: 'POST',
    urls: sharedRoutes(`${VIRTUAL_ACCOUNT_PATH}/confirm-slr-update`),
    scope: 'write',
    summary:
      'Accepts the confirmation codes of updates. Until then another update of the same device is refused.',
    schema: { body: confirmFields, response: confirmAnswer },
    auditSubject: ({ body }) => formatDevices(body.reservationConfirmationRequests),
    handler: (call) => confirm(call, call.virtualAccount, call.body.reservationConfirmationRequests),
  }),
  createEndpoint({
    name: 'licenses-confirm',
    method: 'POST',
    urls: cloudV2Routes('/licensing/v2/accounts/:domain/licenses/confirm'),
    scope: 'write',
    errorFormat: 'localized',
    summary: 'Accepts the confirmation codes of updates in the virtual account in the query.',
    schema: { body: confirmFields, querystring: querySchema, response: confirmAnswer },
    auditSubject: ({ body }) => formatDevices(body.reservationConfirmationRequests),
    handler: (call) =>
      confirm(call, call.query.virtualAccountName, call.body.reservationConfirmationRequests),
  }),
  createEndpoint({
    name: 'search-slr-details',
    method: 'POST',
    urls: [...cloudV2Routes('/licensing/v1/search-slr-details'), ...cloudV1Routes('/search-slr-details')],
    scope: 'read',
    errorFormat: 'failureMessage',
    summary: 'Returns the entitlement tags that can be reserved for a product, by its software tag.',
    schema: {
      body: z.object({
        softwareTags: z.array(z.string().max(4_096)).min(1, 'no software tag is named').max(MAX_BATCH_ITEMS),
      }),
      response: z.object({
        status: z.string(),
        status_message: z.string(),
        data: z.array(
          z.object({
            softwareTag: z.string(),
            entitlements: z.array(
              z.object({
                type: z.literal('SPECIFIC'),
                entitlementTag: z.string(),
                Export: z.literal('False'),
                UDI_PID: z.string().nullable(),
              }),
            ),
          }),
        ),
      }),
    },
    handler: ({ authority, body }) => {
      const { name, tags } = authority.licenses.profile.current
      return Promise.resolve({
        status: 'SUCCESS',
        status_message: 'Entitlements successfully read.',
        data: body.softwareTags
          .filter((softwareTag) => softwareTag === name)
          .map((softwareTag) => ({
            softwareTag,
            entitlements: tags.map(({ tag }) => ({
              type: 'SPECIFIC' as const,
              entitlementTag: tag,
              Export: 'False' as const,
              UDI_PID: null,
            })),
          })),
      })
    },
  }),
]
