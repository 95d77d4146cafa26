import { z } from 'zod'
import type { InstanceDocument } from '../authority/inventory/instances.ts'
import { notFoundError } from '../core/errors.ts'
import { createEndpoint, type RestCall } from './endpoint.ts'
import { sharedRoutes, cloudV1Routes, cloudV2Routes, onPremRoutes } from './routes.ts'
import {
  runBatch,
  MAX_BATCH_ITEMS,
  nameField,
  toOutcome,
  outcomeSchema,
  pageFields,
  paginate,
  virtualAccountsField,
  toOkStatus,
  toRefusedStatus,
} from './fields.ts'
import {
  createVirtualAccountFilter,
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

/** Returns the product instances that the caller has access to. */
export async function listAccessibleInstances(
  { authority, caller }: Pick<RestCall, 'authority' | 'caller'>,
  account: string | undefined,
): Promise<InstanceDocument[]> {
  return (await authority.instances.list({ account })).filter(
    ({ virtualAccount }) => caller.virtualAccount === null || caller.virtualAccount === virtualAccount,
  )
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
  if (virtualAccount !== undefined) {
    assertVirtualAccountAccess(caller, virtualAccount)
    await createPathAccountFilter({ authority, account }, virtualAccount)
  }
  const there = (await listAccessibleInstances({ authority, caller }, account)).filter(
    (one) => virtualAccount === undefined || one.virtualAccount === virtualAccount,
  )
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
      const { account, virtualAccount = '' } = call
      const chosen = await createPathAccountFilter(call, virtualAccount)
      const found = (await listAccessibleInstances(call, account)).filter(chosen)
      return {
        ...toOkStatus('Devices successfully read.'),
        totalRecords: found.length,
        devices: paginate(found, call.query).map((one) => toBriefDevice(call, one)),
      }
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
      const { authority, account, body } = call
      const chosen = await createVirtualAccountFilter(call, body.virtualAccounts)
      const found = (await authority.instances.list({ account })).filter(chosen)
      const names = new Map(authority.licenses.profile.current.tags.map(({ tag, name }) => [tag, name]))
      return {
        ...toOkStatus('Devices successfully read.'),
        totalRecords: found.length,
        devices: paginate(found, body).map((one) => ({
          displayName: formatDisplayName(one.udi),
          hostName: one.hostname,
          sudi: toSudi(one.udi),
          productTagName: authority.licenses.profile.current.name,
          productName: one.udi.pid,
          productDescription: authority.licenses.profile.current.name,
          productType: authority.licenses.profile.current.name,
          virtualAccount: one.virtualAccount,
          status: DEVICE_STATUS_LABELS[one.status],
          registrationDate: one.registeredAt,
          lastContactDate: one.lastContactAt,
          licenseUsage: one.entitlements.map(({ tag, count }) => ({
            license: names.get(tag) ?? tag,
            quantity: count,
          })),
        })),
      }
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
      const { virtualAccountName, instanceName: wanted } = call.query
      const chosen = await createVirtualAccountFilter(
        call,
        virtualAccountName === undefined ? [] : [virtualAccountName],
      )
      const found = (await call.authority.instances.list({ account: call.account }))
        .filter(chosen)
        .filter(
          (one) =>
            wanted === undefined ||
            [formatInstanceName(one), one.udi.serial, formatDisplayName(one.udi), one.id].some((name) =>
              name.toLowerCase().includes(wanted.toLowerCase()),
            ),
        )
      return {
        ...toOkStatus('Devices successfully read.'),
        totalRecords: found.length,
        devices: paginate(found, call.query).map((one) => toBriefDevice(call, one)),
      }
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
        for (const { udi, virtualAccount } of await listAccessibleInstances(call, domain)) {
          if (udi.serial !== serial || (pid !== undefined && udi.pid !== pid)) continue
          const location = virtualAccounts.find(({ name }) => name === virtualAccount)
          data.push({
            sudi: toSudi(udi),
            software_tag: call.authority.licenses.profile.current.name,
            account: {
              name: domain,
              domain,
              account_id: number,
              virtual_account_name: virtualAccount,
              virtual_account_id: location?.number ?? 0,
              default: location?.isDefault ?? false,
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
      const chosen = await createPathAccountFilter(call, virtualAccount)
      const there = (await authority.instances.list({ account })).filter(chosen)
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

/** Returns a filter for the virtual account of a path. @throws LicensingError NOT_FOUND */
export async function createPathAccountFilter(
  { authority, account }: Pick<RestCall, 'authority' | 'account'>,
  virtualAccount: string,
): Promise<(one: { virtualAccount: string | null }) => boolean> {
  if (
    !(await authority.accounts.listVirtualAccounts({ account })).some(({ name }) => name === virtualAccount)
  )
    throw notFoundError('virtual-account', 'There is no such virtual account.')
  return (one) => one.virtualAccount === virtualAccount
}
