import { z } from 'zod'
import type { InstanceDocument } from '../authority/inventory/instances.ts'
import type { Quantities } from '../authority/reservations/authorization-issue.ts'
import type { IssuedAuthorization } from '../authority/reservations/reservations.ts'
import { LicensingError } from '../core/errors.ts'
import { endpoint, type RestCall } from './endpoint.ts'
import {
  displayName,
  inPath,
  instanceOfSudi,
  reachableInstances,
  sudiInput,
  sudiOf,
  sudiSchema,
} from './devices.ts'
import { sharedRoutes, cloudV1Routes, cloudV2Routes } from './routes.ts'
import {
  eachPart,
  MOST_AT_ONCE,
  nameText,
  type Outcome,
  outcomeOf,
  outcomeSchema,
  termDate,
  wholeNumber,
  wordField,
} from './fields.ts'
import { tagOf } from './license-transfer.ts'
import { requireVirtualAccount } from './access-control.ts'

const licensesField = z
  .array(
    z.object({
      entitlementTag: z.string().min(1, 'it is missing').max(4_096),
      quantity: wholeNumber(0, 10_000_000),
      precedence: wordField(['LONGEST_TERM_FIRST', 'LONGEST_TERM_LAST']),
    }),
  )
  .max(MOST_AT_ONCE)
type Licenses = z.output<typeof licensesField>

const requestSchema = z.object({
  reservationCode: z.string().min(1, 'it is missing').max(16_384),
  reservationType: wordField(['SPECIFIC', 'UNIVERSAL']),
  licenses: licensesField.nullish(),
})
type Request = z.output<typeof requestSchema>
const requestsField = z.array(requestSchema).min(1, 'nothing is asked for').max(MOST_AT_ONCE)

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

const failed = (statusMessage: string, reservationCode?: string): Code => ({
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

/** What is wanted, by tag. @throws LicensingError INVALID_ARGUMENT, UNKNOWN_TAG */
function quantitiesOf(
  { authority }: Pick<RestCall, 'authority'>,
  licenses: Licenses,
  least: 0 | 1,
): Quantities {
  const wanted: Record<string, number> = {}
  for (const { entitlementTag, quantity, precedence } of licenses) {
    const tag = tagOf(authority.licenses.product, entitlementTag)
    if (Object.hasOwn(wanted, tag))
      throw new LicensingError('INVALID_ARGUMENT', `The licence ${tag} is named twice.`)
    if (quantity < least) throw new LicensingError('INVALID_ARGUMENT', `The quantity of ${tag} is 0.`)
    if (precedence === 'LONGEST_TERM_LAST')
      throw new LicensingError(
        'INVALID_ARGUMENT',
        'The licences that last longest are reserved first here: LONGEST_TERM_LAST cannot be asked for.',
      )
    wanted[tag] = quantity
  }
  return wanted
}

function authorized(call: Pick<RestCall, 'authority'>, issued: IssuedAuthorization, code?: string): Code {
  const { product } = call.authority.licenses
  return {
    status: 'SUCCESS',
    statusMessage: 'Authorization code generated successfully',
    ...(code !== undefined && { reservationCode: code }),
    authorizationCode: issued.file,
    sudi: sudiOf(issued.udi),
    productInstance: displayName(issued.udi).replace(/; $/, ''),
    productTagName: product.name,
    productType: product.name,
    licenses: issued.licenses.map(({ tag, count, endsAt }) => ({
      name: product.tags.find((one) => one.tag === tag)?.name ?? tag,
      quantity: count,
      licenseType: endsAt === null ? 'PERPETUAL' : 'TERM',
      endDate: endsAt === null ? null : termDate(endsAt),
    })),
  }
}

async function reserve(
  call: RestCall,
  virtualAccount: string,
  requests: readonly Request[],
): Promise<{ codes: Code[]; done: number }> {
  const { authority, account } = call
  const { results, done } = await eachPart(requests, async (request) => {
    if (request.reservationType === 'UNIVERSAL')
      throw new LicensingError(
        'API_NOT_SERVED',
        'A universal reservation is not given here: every licence is reserved by its tag.',
        { remedy: 'Ask for a SPECIFIC one.' },
      )
    const licenses = quantitiesOf(call, request.licenses ?? [], 1)
    const issued = await authority.reservations.reserve({
      account,
      virtualAccount,
      request: request.reservationCode,
      licenses,
      again: true,
    })
    return authorized(call, issued, request.reservationCode)
  })
  return {
    done,
    codes: results.map((one) => (one.done ? one.value : failed(one.message, one.part.reservationCode))),
  }
}

const processed = (done: number): string => `${done} reservation requests processed successfully`

const codesAnswer = outcomeSchema.extend({ authorizationCodes: z.array(codeSchema) })

const reserveIn = (name: string, routes: readonly string[]) =>
  endpoint({
    name,
    method: 'POST',
    urls: routes,
    scope: 'write',
    summary:
      'Reserves licences for boxes, each request on its own: request codes in, authorization files of this authority out.',
    schema: { body: z.object({ reservationRequests: requestsField }), response: codesAnswer },
    auditSubject: ({ virtualAccount = '', body }) =>
      `${body.reservationRequests.length} requests, from ${virtualAccount}`,
    handler: async (call) => {
      const { virtualAccount = '', body } = call
      await inPath(call, virtualAccount)
      const { codes, done } = await reserve(call, virtualAccount, body.reservationRequests)
      return {
        status: outcomeOf(done, codes.length),
        statusMessage: processed(done),
        authorizationCodes: codes,
      }
    },
  })

const updateFields = z.object({
  reservationUpdateRequests: z
    .array(
      z.object({
        licenses: licensesField.min(1, 'nothing is asked for'),
        sudi: sudiInput,
        productTagName: z.string().max(4_096).nullish(),
      }),
    )
    .min(1, 'nothing is asked for')
    .max(MOST_AT_ONCE),
})
/** The key is spelled so, with one letter missing. */
const updateAnswer = outcomeSchema.extend({ autorizationCodes: z.array(codeSchema) })

async function update(
  call: RestCall,
  virtualAccount: string | undefined,
  requests: z.output<typeof updateFields>['reservationUpdateRequests'],
) {
  const { authority, account } = call
  const there = await instancesThere(call, virtualAccount)
  const { results, done } = await eachPart(requests, async ({ sudi, licenses }) => {
    const { id } = instanceOfSudi(there, sudi)
    return authorized(
      call,
      await authority.reservations.update(id, quantitiesOf(call, licenses, 0), { account, again: true }),
    )
  })
  return {
    status: outcomeOf(done, results.length),
    statusMessage: processed(done),
    autorizationCodes: results.map((one) => (one.done ? one.value : failed(one.message))),
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
    .min(1, 'nothing is asked for')
    .max(MOST_AT_ONCE),
})
const confirmed = outcomeSchema.extend({
  confirmation_code: z.string(),
  sudi: sudiSchema,
  productInstance: z.string(),
})
const confirmAnswer = outcomeSchema.extend({ data: z.union([confirmed, z.array(confirmed)]) })

async function confirm(
  call: RestCall,
  virtualAccount: string | undefined,
  requests: z.output<typeof confirmFields>['reservationConfirmationRequests'],
) {
  const { authority, account } = call
  const there = await instancesThere(call, virtualAccount)
  const { results, done } = await eachPart(requests, async ({ sudi, confirmationCode }) => {
    await authority.reservations.confirm(instanceOfSudi(there, sudi).id, confirmationCode, { account })
  })
  const data = requests.map(({ sudi: { udiPid, udiSerialNumber }, confirmationCode }, i) => {
    const one = results[i]
    const udi = { pid: udiPid, serial: udiSerialNumber }
    return {
      status: one?.done === true ? ('SUCCESS' as const) : ('ERROR' as const),
      statusMessage: one?.done === false ? one.message : 'Update confirmed',
      confirmation_code: confirmationCode,
      sudi: sudiOf(udi),
      productInstance: displayName(udi).replace(/; $/, ''),
    }
  })
  const [only] = data
  const status: Outcome = outcomeOf(done, requests.length)
  return {
    status,
    statusMessage: `${done} of ${requests.length} updates confirmed`,
    // Of one it is told alone, as clients read it.
    data: only && data.length === 1 ? only : data,
  }
}

async function instancesThere(
  call: RestCall,
  virtualAccount: string | undefined,
): Promise<InstanceDocument[]> {
  if (virtualAccount !== undefined) {
    requireVirtualAccount(call.caller, virtualAccount)
    await inPath(call, virtualAccount)
  }
  return (await reachableInstances(call, call.account)).filter(
    (one) => virtualAccount === undefined || one.virtualAccount === virtualAccount,
  )
}

const inQuery = z.object({ virtualAccountName: nameText.optional() })
const VIRTUAL = '/accounts/:domain/virtual-accounts/:virtualAccount'
const devicesOf = (list: readonly { sudi: { udiPid: string; udiSerialNumber: string } }[]): string =>
  list
    .slice(0, 5)
    .map(({ sudi }) => `${sudi.udiPid}:${sudi.udiSerialNumber}`)
    .join(', ')

export const reservationEndpoints = [
  reserveIn('reserve-licenses', sharedRoutes(`${VIRTUAL}/reserve-licenses`)),
  reserveIn(
    'licenses-reserve',
    cloudV2Routes(
      '/licensing/v1/account/:domain/virtual-account/:virtualAccount/licenses/reserve',
      '/licensing/v2/account/:domain/virtual-account/:virtualAccount/licenses/reserve',
    ),
  ),
  endpoint({
    name: 'reserve-bulk',
    method: 'POST',
    urls: cloudV2Routes('/licensing/v2/account/:domain/licenses/reserve-bulk'),
    scope: 'write',
    summary: 'Reserves licences from several virtual accounts.',
    schema: {
      body: z.object({
        virtualAccounts: z
          .array(z.object({ name: nameText, reservationRequests: requestsField }))
          .min(1, 'nothing is asked for')
          .max(100),
        forSingleVirtualAccount: z.union([z.boolean(), z.string().max(8)]).nullish(),
      }),
      response: codesAnswer,
    },
    auditSubject: ({ body }) => `from ${body.virtualAccounts.map(({ name }) => name).join(', ')}`,
    handler: async (call) => {
      for (const { name } of call.body.virtualAccounts) {
        requireVirtualAccount(call.caller, name)
        await inPath(call, name)
      }
      const codes: Code[] = []
      let done = 0
      for (const { name, reservationRequests } of call.body.virtualAccounts) {
        const part = await reserve(call, name, reservationRequests)
        codes.push(...part.codes)
        done += part.done
      }
      return {
        status: outcomeOf(done, codes.length),
        statusMessage: processed(done),
        authorizationCodes: codes,
      }
    },
  }),
  endpoint({
    name: 'update-slr',
    method: 'POST',
    urls: sharedRoutes(`${VIRTUAL}/update-slr`),
    scope: 'write',
    summary: 'Changes what is reserved for boxes: the next authorization file of each.',
    schema: { body: updateFields, response: updateAnswer },
    auditSubject: ({ body }) => devicesOf(body.reservationUpdateRequests),
    handler: (call) => update(call, call.virtualAccount, call.body.reservationUpdateRequests),
  }),
  endpoint({
    name: 'licenses-update',
    method: 'POST',
    urls: cloudV2Routes('/licensing/v2/accounts/:domain/licenses/update'),
    scope: 'write',
    errorFormat: 'E3',
    summary: 'The same, with the virtual account in the query.',
    schema: { body: updateFields, querystring: inQuery, response: updateAnswer },
    auditSubject: ({ body }) => devicesOf(body.reservationUpdateRequests),
    handler: (call) => update(call, call.query.virtualAccountName, call.body.reservationUpdateRequests),
  }),
  endpoint({
    name: 'confirm-slr-update',
    method: 'POST',
    urls: sharedRoutes(`${VIRTUAL}/confirm-slr-update`),
    scope: 'write',
    summary: 'Takes the confirmation codes of updates; until then another update of the same box is refused.',
    schema: { body: confirmFields, response: confirmAnswer },
    auditSubject: ({ body }) => devicesOf(body.reservationConfirmationRequests),
    handler: (call) => confirm(call, call.virtualAccount, call.body.reservationConfirmationRequests),
  }),
  endpoint({
    name: 'licenses-confirm',
    method: 'POST',
    urls: cloudV2Routes('/licensing/v2/accounts/:domain/licenses/confirm'),
    scope: 'write',
    errorFormat: 'E3',
    summary: 'The same, with the virtual account in the query.',
    schema: { body: confirmFields, querystring: inQuery, response: confirmAnswer },
    auditSubject: ({ body }) => devicesOf(body.reservationConfirmationRequests),
    handler: (call) =>
      confirm(call, call.query.virtualAccountName, call.body.reservationConfirmationRequests),
  }),
  endpoint({
    name: 'search-slr-details',
    method: 'POST',
    urls: [...cloudV2Routes('/licensing/v1/search-slr-details'), ...cloudV1Routes('/search-slr-details')],
    scope: 'read',
    errorFormat: 'E4',
    summary: 'Which entitlement tags can be reserved for a product, by its software tag.',
    schema: {
      body: z.object({
        softwareTags: z.array(z.string().max(4_096)).min(1, 'none is named').max(MOST_AT_ONCE),
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
      const { name, tags } = authority.licenses.product
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
