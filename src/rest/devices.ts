import { z } from 'zod'
import type { InstanceDocument } from '../authority/inventory/instances.ts'
import type { InstanceFilter } from '../authority/inventory/instance-list.ts'
import { notFoundError } from '../core/errors.ts'
import { takeItems } from '../core/take-items.ts'
import { JsonStream, StreamedList } from '../http/json-stream.ts'
import { createEndpoint, type RestCall } from './endpoint.ts'
import { sharedRoutes, cloudV1Routes, cloudV2Routes, onPremRoutes } from './routes.ts'
import {
  runBatch,
  MAX_BATCH_ITEMS,
  nameField,
  toOutcome,
  outcomeSchema,
  pageFields,
  virtualAccountsField,
  toOkStatus,
  toRefusedStatus,
} from './fields.ts'
import {
  selectVirtualAccounts,
  listAccessibleAccounts,
  assertVirtualAccountAccess,
  assertWholeAccountAccess,
} from './access-control.ts'

const text = z.string().max(4_096).nullish()

/** Schema of a device name. The product and serial number identify the device. Every other part may be null. */
export const sudiInput = z.object({
  suvi: text,
  uuid: text,
  hostIdentifier: text,
  udiPid: z.string().min(1, 'it is missing').max(200),
  udiSerialNumber: z.string().min(1, 'it is missing').max(200),
  udiVid: text,
  macAddress: text,
})
export type Sudi = z.output<typeof sudiInput>

export const sudiSchema = z.object({
  suvi: z.null(),
  uuid: z.null(),
  hostIdentifier: z.null(),
  udiPid: z.string(),
  udiSerialNumber: z.string(),
  udiVid: z.null(),
  macAddress: z.null(),
})

export const toSudi = ({ pid, serial }: { pid: string; serial: string }): z.infer<typeof sudiSchema> => ({
  suvi: null,
  uuid: null,
  hostIdentifier: null,
  udiPid: pid,
  udiSerialNumber: serial,
  udiVid: null,
  macAddress: null,
})

/** Formats a name as Cisco does, with its trailing separator: `UDI_PID:CWMS-K9; UDI_SN:0001; `. */
export const formatDisplayName = ({ pid, serial }: { pid: string; serial: string }): string =>
  `UDI_PID:${pid}; UDI_SN:${serial}; `

const formatInstanceName = ({ hostname, udi }: InstanceDocument): string =>
  hostname ?? formatDisplayName(udi).trim()

const briefSchema = z.object({ instanceName: z.string(), productTagName: z.string(), sudi: sudiSchema })

const toBriefDevice = ({ authority }: Pick<RestCall, 'authority'>, one: InstanceDocument) => ({
  instanceName: formatInstanceName(one),
  productTagName: authority.licenses.profile.current.name,
  sudi: toSudi(one.udi),
})

/** Returns the named devices of a virtual account, or of all that the caller has access to. */
export async function findAccessibleInstances(
  { authority, account, caller }: Pick<RestCall, 'authority' | 'account' | 'caller'>,
  virtualAccount: string | undefined,
  sudis: readonly Sudi[],
): Promise<InstanceDocument[]> {
  if (virtualAccount !== undefined) {
    assertVirtualAccountAccess(caller, virtualAccount)
    await assertVirtualAccountExists({ authority, account }, virtualAccount)
  }
  const serials = sudis.map(({ udiSerialNumber }) => udiSerialNumber)
  return (await authority.instances.findBySerial(serials, { account })).filter(
    (one) =>
      (caller.virtualAccount === null || caller.virtualAccount === one.virtualAccount) &&
      (virtualAccount === undefined || one.virtualAccount === virtualAccount),
  )
}

/** Entries of a page that a response has at once. The entries of a longer page are read in slices. */
const MAX_PAGE_SIZE = 1_000

/**
 * Returns a page of devices for a response, and the number of all.
 *
 * @param toEntry converts an instance to its entry in the response
 */
async function readDevicePage<E>(
  { authority, account }: Pick<RestCall, 'authority' | 'account'>,
  filter: InstanceFilter,
  page: { limit: number; offset: number },
  toEntry: (one: InstanceDocument) => E,
): Promise<{ totalRecords: number; devices: E[] | StreamedList<E> }> {
  const { limit, offset: skip } = page
  const isLong = limit === -1 || limit > MAX_PAGE_SIZE
  const part = { skip, limit: isLong ? 1 : limit }
  const { instances, total } = await authority.instances.page({ account }, filter, part)
  if (!isLong || total <= skip) return { totalRecords: total, devices: instances.map(toEntry) }
  const wanted = limit === -1 ? total : limit
  const slices = takeItems(authority.instances.readAll({ account }, filter), wanted, skip)
  return {
    totalRecords: total,
    devices: new StreamedList(mapSlices(slices, toEntry)),
  }
}

async function* mapSlices<T, E>(
  slices: AsyncIterable<readonly T[]>,
  convert: (item: T) => E,
): AsyncGenerator<readonly E[]> {
  for await (const slice of slices) yield slice.map(convert)
}

/** Finds a named device. @throws LicensingError NOT_FOUND */
export function findInstance(there: readonly InstanceDocument[], { udiPid, udiSerialNumber }: Sudi) {
  const found = there.find(({ udi }) => udi.pid === udiPid && udi.serial === udiSerialNumber)
  if (found) return found
  throw notFoundError('product-instance', `The account has no product instance ${udiPid}:${udiSerialNumber}.`)
}

const formatDevices = (list: readonly { sudi: Sudi }[]): string =>
  `${list
    .slice(0, 5)
    .map(({ sudi }) => `${sudi.udiPid}:${sudi.udiSerialNumber}`)
    .join(', ')}${list.length > 5 ? ` and ${list.length - 5} more` : ''}`

const removal = z.object({
  sudi: sudiInput,
  productTagName: text,
  returnCode: z.string().max(2_000).nullish(),
})
const removals = z.array(removal).max(MAX_BATCH_ITEMS)
/** Schema of a removal. The first spelling is documented, and some clients send both. */
const removeBody = z
  .object({
    productInstacesRemoveRequests: removals.nullish(),
    productInstancesRemoveRequests: removals.nullish(),
  })
  .transform(({ productInstacesRemoveRequests: real, productInstancesRemoveRequests: other }) =>
    real && real.length > 0 ? real : (other ?? []),
  )
  .pipe(removals.min(1, 'no device is named'))

const removeAnswer = outcomeSchema.extend({
  removeProductInstancesStatus: z.array(outcomeSchema.extend({ device: z.string() })),
})

/** Removes devices. Reserved devices need a return code. */
async function remove(
  { authority, account, caller }: RestCall,
  virtualAccount: string | undefined,
  requests: z.output<typeof removals>,
) {
  const sudis = requests.map(({ sudi }) => sudi)
  const there = await findAccessibleInstances({ authority, account, caller }, virtualAccount, sudis)
  const { results, done } = await runBatch(requests, async ({ sudi, returnCode }) => {
    const { id } = findInstance(there, sudi)
    if (returnCode === null || returnCode === undefined || returnCode === '')
      await authority.instances.remove(id, { account })
    else await authority.reservations.acceptReturnCode(id, returnCode, { account })
  })
  return {
    status: toOutcome(done, results.length),
    statusMessage: `${done} of ${results.length} product instances removed successfully`,
    removeProductInstancesStatus: results.map((one, i) => {
      const sudi = requests[i]?.sudi
      return {
        status: one.done ? ('SUCCESS' as const) : ('ERROR' as const),
        statusMessage: one.done ? 'The product instance was removed.' : one.message,
        device: `udiPid:${sudi?.udiPid ?? ''} udiSerialNumber:${sudi?.udiSerialNumber ?? ''}`,
      }
    }),
  }
}

export const deviceEndpoints = [
  createEndpoint({
    name: 'virtual-account-devices',
    method: 'GET',
    urls: sharedRoutes('/accounts/:domain/virtual-accounts/:virtualAccount/devices'),
    scope: 'read',
    summary: 'Returns the product instances of a virtual account.',
    schema: {
      querystring: z.object({ ...pageFields, limit: pageFields.limit.default(-1) }),
      response: outcomeSchema.extend({ totalRecords: z.int(), devices: z.array(briefSchema) }),
    },
    handler: async (call) => {
      const { virtualAccount = '', query } = call
      assertVirtualAccountAccess(call.caller, virtualAccount)
      await assertVirtualAccountExists(call, virtualAccount)
      const filter = { virtualAccounts: [virtualAccount] }
      return new JsonStream({
        ...toOkStatus('Devices successfully read.'),
        ...(await readDevicePage(call, filter, query, (one) => toBriefDevice(call, one))),
      })
    },
  }),
  createEndpoint({
    name: 'devices',
    method: 'POST',
    urls: sharedRoutes('/accounts/:domain/devices'),
    scope: 'read',
    summary: 'Returns the product instances of a smart account with their usage.',
    schema: {
      body: z
        .object({ virtualAccounts: virtualAccountsField, ...pageFields })
        .default({ limit: 50, offset: 0 }),
      response: outcomeSchema.extend({
        totalRecords: z.int(),
        devices: z.array(
          z.object({
            displayName: z.string(),
            hostName: z.string().nullable(),
            sudi: sudiSchema,
            productTagName: z.string(),
            productName: z.string(),
            productDescription: z.string(),
            productType: z.string(),
            virtualAccount: z.string(),
            status: z.string(),
            registrationDate: z.string(),
            lastContactDate: z.string().nullable(),
            licenseUsage: z.array(z.object({ license: z.string(), quantity: z.int() })),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { authority, body } = call
      const virtualAccounts = await selectVirtualAccounts(call, body.virtualAccounts)
      const { tags, name } = authority.licenses.profile.current
      const names = new Map(tags.map((one) => [one.tag, one.name]))
      return new JsonStream({
        ...toOkStatus('Devices successfully read.'),
        ...(await readDevicePage(call, { virtualAccounts }, body, (one) => ({
          displayName: formatDisplayName(one.udi),
          hostName: one.hostname,
          sudi: toSudi(one.udi),
          productTagName: name,
          productName: one.udi.pid,
          productDescription: name,
          productType: name,
          virtualAccount: one.virtualAccount,
          status: DEVICE_STATUS_LABELS[one.status],
          registrationDate: one.registeredAt,
          lastContactDate: one.lastContactAt,
          licenseUsage: one.entitlements.map(({ tag, count }) => ({
            license: names.get(tag) ?? tag,
            quantity: count,
          })),
        }))),
      })
    },
  }),
  createEndpoint({
    name: 'devices-by-name',
    method: 'GET',
    urls: cloudV2Routes('/licensing/v2/accounts/:domain/devices'),
    scope: 'read',
    errorFormat: 'localized',
    summary:
      'Searches for product instances of a virtual account by a part of the host name or serial number.',
    schema: {
      querystring: z.object({
        virtualAccountName: nameField.optional(),
        instanceName: z.string().max(400).optional(),
        ...pageFields,
      }),
      response: outcomeSchema.extend({ totalRecords: z.int(), devices: z.array(briefSchema) }),
    },
    handler: async (call) => {
      const { virtualAccountName, instanceName } = call.query
      const filter: InstanceFilter = {
        virtualAccounts: await selectVirtualAccounts(
          call,
          virtualAccountName === undefined ? [] : [virtualAccountName],
        ),
        ...(instanceName !== undefined && { search: { text: instanceName, in: 'display-name' } }),
      }
      return new JsonStream({
        ...toOkStatus('Devices successfully read.'),
        ...(await readDevicePage(call, filter, call.query, (one) => toBriefDevice(call, one))),
      })
    },
  }),
  createEndpoint({
    name: 'device-search',
    method: 'GET',
    urls: cloudV2Routes('/licensing/v2/device/search'),
    scope: 'read',
    errorFormat: 'localizedWithCode',
    summary: 'Finds a device by its serial number in all accessible smart accounts.',
    schema: {
      querystring: z.object({
        udi_serial_number: z.string('it is missing').min(1, 'it is missing').max(200),
        udi_pid: z.string().max(200).optional(),
      }),
      response: z.object({
        status: z.literal('COMPLETE'),
        message_code: z.string(),
        message: z.string(),
        data: z.array(
          z.object({
            sudi: sudiSchema,
            software_tag: z.string(),
            account: z.object({
              name: z.string(),
              domain: z.string(),
              account_id: z.int(),
              virtual_account_name: z.string(),
              virtual_account_id: z.int(),
              default: z.boolean(),
            }),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { udi_serial_number: serial, udi_pid: pid } = call.query
      const data = []
      for (const { domain, number, virtualAccounts } of await listAccessibleAccounts(call))
        for (const { udi, virtualAccount } of await call.authority.instances.findBySerial([serial], {
          account: domain,
        })) {
          const location = virtualAccounts.find(({ name }) => name === virtualAccount)
          if (!location || (pid !== undefined && udi.pid !== pid)) continue
          data.push({
            sudi: toSudi(udi),
            software_tag: call.authority.licenses.profile.current.name,
            account: {
              name: domain,
              domain,
              account_id: number,
              virtual_account_name: virtualAccount,
              virtual_account_id: location.number,
              default: location.isDefault,
            },
          })
        }
      return {
        status: 'COMPLETE' as const,
        message_code: data.length === 0 ? 'NO_DATA_FOUND' : 'SUCCESS',
        message: data.length === 0 ? 'No device with that serial number was found.' : 'Device found.',
        data,
      }
    },
  }),
  createEndpoint({
    name: 'devices-transfer',
    method: 'POST',
    urls: sharedRoutes('/accounts/:domain/virtual-accounts/:virtualAccount/devices/transfer'),
    scope: 'write',
    summary: 'Moves product instances with their usage to other virtual accounts.',
    schema: {
      body: z.object({
        productInstances: z
          .array(
            z.object({
              sudi: sudiInput,
              productTagName: text,
              targetVirtualAccount: nameField.min(1, 'it is missing'),
            }),
          )
          .min(1, 'no device is named')
          .max(MAX_BATCH_ITEMS),
      }),
      response: outcomeSchema.extend({ productInstancesTransferStatus: z.array(outcomeSchema) }),
    },
    auditSubject: ({ body }) => formatDevices(body.productInstances),
    handler: async (call) => {
      const { authority, account, caller, virtualAccount = '', body } = call
      assertWholeAccountAccess(caller)
      const sudis = body.productInstances.map(({ sudi }) => sudi)
      const there = await findAccessibleInstances(call, virtualAccount, sudis)
      const { results, done } = await runBatch(
        body.productInstances,
        async ({ sudi, targetVirtualAccount }) => {
          await authority.instances.transfer(findInstance(there, sudi).id, {
            account,
            to: targetVirtualAccount,
          })
        },
      )
      return {
        status: toOutcome(done, results.length),
        statusMessage: `${done} of ${results.length} product instances transferred successfully`,
        productInstancesTransferStatus: results.map((one) =>
          one.done ? toOkStatus('The product instance was transferred.') : toRefusedStatus(one.message),
        ),
      }
    },
  }),
  createEndpoint({
    name: 'devices-remove',
    method: 'POST',
    urls: sharedRoutes('/accounts/:domain/virtual-accounts/:virtualAccount/devices/remove'),
    scope: 'write',
    summary: 'Removes product instances. Reserved ones need a return code.',
    schema: { body: removeBody, response: removeAnswer },
    auditSubject: ({ body }) => formatDevices(body),
    handler: (call) => remove(call, call.virtualAccount, call.body),
  }),
  createEndpoint({
    name: 'devices-remove-v3',
    method: 'POST',
    urls: [
      ...cloudV2Routes('/licensing/v3/accounts/:domain/devices/remove'),
      ...cloudV1Routes('/accounts/:domain/devices/remove'),
      ...onPremRoutes('/accounts/:domain/devices/remove'),
    ],
    scope: 'write',
    errorFormat: 'localized',
    summary: 'Removes product instances of the virtual account in the query.',
    schema: {
      body: removeBody,
      querystring: z.object({ virtualAccountName: nameField.optional() }),
      response: removeAnswer,
    },
    auditSubject: ({ body }) => formatDevices(body),
    handler: (call) => remove(call, call.query.virtualAccountName, call.body),
  }),
]

const DEVICE_STATUS_LABELS = {
  'in-compliance': 'In Compliance',
  'out-of-compliance': 'Out Of Compliance',
  reserved: 'Reserved',
} as const

/** Refuses a virtual account that does not exist. @throws LicensingError NOT_FOUND */
export async function assertVirtualAccountExists(
  { authority, account }: Pick<RestCall, 'authority' | 'account'>,
  virtualAccount: string,
): Promise<void> {
  const there = await authority.accounts.listVirtualAccounts({ account })
  if (!there.some(({ name }) => name === virtualAccount))
    throw notFoundError('virtual-account', 'There is no such virtual account.')
}
