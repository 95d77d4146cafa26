import { z } from 'zod'
import type { AccountWithNumericId } from '../authority/inventory/numeric-ids.ts'
import { isSameDomain } from '../authority/inventory/accounts.ts'
import { notFoundError } from '../core/errors.ts'
import { createEndpoint, type RestCall } from './endpoint.ts'
import { sharedRoutes, cloudV1Routes, cloudV2Routes, onPremRoutes } from './routes.ts'
import { nameField, outcomeSchema, paginate, integerField, toOkStatus } from './fields.ts'
import { listAccessibleAccounts, assertWholeAccountAccess } from './access-control.ts'

const ACCOUNT_STATUS = 'ACTIVE'
const ACCOUNT_TYPE = 'CUSTOMER'
/** Maximum number of results, as in the search of Cisco Smart Software Manager. */
const MAX_SEARCH_RESULTS = 1_000

/** Returns the paths of a customer's virtual accounts, whose prefix clients send in lower and upper case. */
const virtualAccountRoutes = (rest = ''): string[] =>
  ['', '/customer', '/CUSTOMER'].flatMap((type) =>
    sharedRoutes(`/accounts/:domain${type}/virtual-accounts${rest}`),
  )

const getRoles = ({ caller }: RestCall) => [
  caller.virtualAccount === null
    ? { role: caller.scope === 'write' ? 'Smart Account Administrator' : 'Smart Account Viewer' }
    : {
        role: caller.scope === 'write' ? 'Virtual Account User' : 'Virtual Account Viewer',
        virtualAccount: caller.virtualAccount,
      },
]

const roleSchema = z.object({ role: z.string(), virtualAccount: z.string().optional() })

const matches = (text: string, wanted: string | undefined): boolean =>
  wanted === undefined || text.toLowerCase().includes(wanted.toLowerCase())

const toNoDataResponse = (message: string) => ({ status: 'COMPLETE', message_code: 'NO_DATA_FOUND', message })

const pnpQuery = z.object({
  accountDomain: nameField.optional(),
  startIdx: integerField(0, 10_000_000).default(0),
  rowsPerPage: integerField(1, 1_000).default(50),
})
const pnpFields = {
  status: z.string(),
  message: z.string(),
  messageCode: z.string(),
  totalRows: z.int(),
  pageSize: z.int(),
  startIdx: z.int(),
}

function toPnpPage<T>(rows: readonly T[], query: { startIdx: number; rowsPerPage: number }) {
  const data = paginate(rows, { limit: query.rowsPerPage, offset: query.startIdx })
  return {
    status: 'COMPLETE',
    message: 'Success',
    messageCode: 'DMS-SUCCESS',
    totalRows: rows.length,
    pageSize: data.length,
    startIdx: query.startIdx,
    data,
  }
}

async function getAccountFromPath(call: RestCall): Promise<AccountWithNumericId> {
  const found = (await listAccessibleAccounts(call)).find(({ domain }) =>
    isSameDomain(domain, call.account ?? ''),
  )
  if (found) return found
  throw notFoundError('smart-account', 'There is no such smart account.')
}

export const accountEndpoints = [
  createEndpoint({
    name: 'accounts',
    method: 'GET',
    urls: cloudV1Routes('/accounts'),
    scope: 'read',
    summary: 'Returns the accessible smart accounts and the roles of the caller.',
    schema: {
      response: outcomeSchema.extend({
        accounts: z.array(
          z.object({
            accountStatus: z.string(),
            accountDomain: z.string(),
            accountName: z.string(),
            accountType: z.string(),
            roles: z.array(roleSchema),
          }),
        ),
      }),
    },
    handler: async (call) => ({
      ...toOkStatus('Smart accounts successfully read.'),
      accounts: (await listAccessibleAccounts(call)).map(({ domain }) => ({
        accountStatus: ACCOUNT_STATUS,
        accountDomain: domain,
        accountName: domain,
        accountType: ACCOUNT_TYPE,
        roles: getRoles(call),
      })),
    }),
  }),
  createEndpoint({
    name: 'accounts-search',
    method: 'GET',
    urls: [...cloudV1Routes('/accounts/search', ['v1']), ...onPremRoutes('/accounts/search')],
    scope: 'read',
    summary: 'Searches for smart accounts by a part of the domain.',
    schema: {
      querystring: z.object({
        domain: nameField.optional(),
        type: z.string().max(32).optional(),
        limit: integerField(-1, 100_000)
          .transform((limit) => Math.min(limit, MAX_SEARCH_RESULTS))
          .default(50),
        offset: integerField(0, 10_000_000).default(0),
      }),
      response: outcomeSchema.extend({
        totalRecords: z.int(),
        accounts: z.array(
          z.object({
            domain: z.string(),
            name: z.string(),
            id: z.int(),
            type: z.string(),
            status: z.string(),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { domain, type } = call.query
      const found = (await listAccessibleAccounts(call)).filter(
        (one) => matches(one.domain, domain) && (type === undefined || type.toUpperCase() === ACCOUNT_TYPE),
      )
      return {
        ...toOkStatus('Smart accounts successfully read.'),
        totalRecords: found.length,
        accounts: paginate(found, call.query, MAX_SEARCH_RESULTS).map((one) => ({
          domain: one.domain,
          name: one.domain,
          id: one.number,
          type: ACCOUNT_TYPE,
          status: ACCOUNT_STATUS,
        })),
      }
    },
  }),
  createEndpoint({
    name: 'accounts-with-virtual-accounts',
    method: 'GET',
    urls: cloudV1Routes('/accounts/search', ['v2', 'v3']),
    scope: 'read',
    errorFormat: 'localizedWithCode',
    summary: 'Returns the smart accounts and virtual accounts with the numbers that other calls use.',
    schema: {
      querystring: z.object({ domain: nameField.optional() }),
      response: z.object({
        status: z.string(),
        message: z.string(),
        message_code: z.string(),
        accounts: z
          .array(
            z.object({
              account_id: z.string(),
              domain: z.string(),
              name: z.string(),
              virtual_accounts: z.array(
                z.object({ name: z.string(), default: z.boolean(), virtual_account_id: z.string() }),
              ),
            }),
          )
          .optional(),
      }),
    },
    handler: async (call) => {
      const found = (await listAccessibleAccounts(call)).filter((one) =>
        matches(one.domain, call.query.domain),
      )
      if (found.length === 0) return toNoDataResponse('No smart accounts were found.')
      return {
        status: 'COMPLETE',
        message: 'Smart accounts successfully read.',
        message_code: 'SUCCESS',
        accounts: found.map((one) => ({
          account_id: String(one.number),
          domain: one.domain,
          name: one.domain,
          virtual_accounts: one.virtualAccounts.map(({ number, name, isDefault }) => ({
            name,
            default: isDefault,
            virtual_account_id: String(number),
          })),
        })),
      }
    },
  }),
  createEndpoint({
    name: 'virtual-accounts',
    method: 'GET',
    urls: virtualAccountRoutes(),
    scope: 'read',
    summary: 'Returns the virtual accounts of a smart account.',
    schema: {
      response: outcomeSchema.extend({
        virtualAccounts: z.array(
          z.object({
            name: z.string(),
            description: z.string(),
            isDefault: z.enum(['true', 'false']),
            commerceAccessLevel: z.string(),
          }),
        ),
      }),
    },
    handler: async ({ authority, account, caller }) => ({
      ...toOkStatus('Virtual accounts successfully read.'),
      virtualAccounts: (await authority.accounts.listVirtualAccounts({ account }))
        .filter(({ name }) => caller.virtualAccount === null || caller.virtualAccount === name)
        .map(({ name, isDefault }) => ({
          name,
          description: '',
          isDefault: isDefault ? ('true' as const) : ('false' as const),
          commerceAccessLevel: 'PUBLIC',
        })),
    }),
  }),
  createEndpoint({
    name: 'virtual-account-create',
    method: 'POST',
    urls: virtualAccountRoutes(),
    scope: 'write',
    summary: 'Creates a virtual account. The description and the buyers are not stored.',
    schema: {
      body: z.object({
        name: z.string().min(1, 'it is missing').max(100),
        description: z.string().max(1000).nullish(),
        isDefault: z
          .union([z.literal(false), z.string().regex(/^(false|no|)$/i)], {
            error:
              'this call cannot set the default virtual account, only the authority’s administrators can',
          })
          .nullish(),
        commerceAccessLevel: z.string().max(32).nullish(),
      }),
      response: outcomeSchema,
    },
    auditSubject: ({ body }) => body.name,
    handler: async ({ authority, account, caller, body }) => {
      assertWholeAccountAccess(caller)
      await authority.accounts.addVirtualAccount(body.name, { account })
      return toOkStatus(`Virtual account '${body.name}' created successfully.`)
    },
  }),
  createEndpoint({
    name: 'virtual-account-delete',
    method: 'POST',
    urls: virtualAccountRoutes('/:virtualAccount/delete'),
    scope: 'write',
    summary: 'Removes an empty virtual account.',
    schema: { response: outcomeSchema },
    auditSubject: ({ virtualAccount = '' }) => virtualAccount,
    handler: async ({ authority, account, caller, virtualAccount = '' }) => {
      assertWholeAccountAccess(caller)
      await authority.accounts.removeVirtualAccount(virtualAccount, { account })
      return toOkStatus(`Virtual account '${virtualAccount}' deleted successfully.`)
    },
  }),
  createEndpoint({
    name: 'local-accounts',
    method: 'POST',
    urls: onPremRoutes('/upstream_satellites/accounts'),
    scope: 'read',
    summary: 'Returns the accounts of an on-premises server, without their accounts at the manager.',
    schema: {
      response: z.object({
        accounts: z.array(
          z.object({
            account_id: z.int(),
            domain: z.string(),
            name: z.string(),
            cslu_tenant_url: z.null(),
            cssm_smart_account_id: z.null(),
            cssm_smart_account_name: z.null(),
            cssm_virtual_account_name: z.null(),
          }),
        ),
      }),
    },
    handler: async (call) => ({
      accounts: (await listAccessibleAccounts(call)).map(({ number, domain }) => ({
        account_id: number,
        domain,
        name: domain,
        cslu_tenant_url: null,
        cssm_smart_account_id: null,
        cssm_smart_account_name: null,
        cssm_virtual_account_name: null,
      })),
    }),
  }),
  createEndpoint({
    name: 'pnp-accounts',
    method: 'GET',
    urls: cloudV2Routes('/pnp/v2/accounts'),
    scope: 'read',
    errorFormat: 'localizedWithCode',
    summary: 'Returns a page of the smart accounts.',
    schema: {
      querystring: pnpQuery,
      response: z.object({
        ...pnpFields,
        data: z.array(
          z.object({ companyName: z.string(), domainIdentifier: z.string(), accountIdentifier: z.int() }),
        ),
      }),
    },
    handler: async (call) =>
      toPnpPage(
        (await listAccessibleAccounts(call))
          .filter(({ domain }) => matches(domain, call.query.accountDomain))
          .map(({ domain, number }) => ({
            companyName: domain,
            domainIdentifier: domain,
            accountIdentifier: number,
          })),
        call.query,
      ),
  }),
  createEndpoint({
    name: 'pnp-virtual-accounts',
    method: 'GET',
    urls: cloudV2Routes('/pnp/v2/accounts/:domain/virtual-accounts'),
    scope: 'read',
    errorFormat: 'localizedWithCode',
    summary: 'Returns a page of the virtual accounts of a smart account.',
    schema: {
      querystring: pnpQuery,
      response: z.object({
        ...pnpFields,
        data: z.array(
          z.object({
            virtualAccountName: z.string(),
            virtualAccountId: z.int(),
            networkId: z.string(),
            organizationname: z.string(),
            default: z.enum(['true', 'false']),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { domain, virtualAccounts } = await getAccountFromPath(call)
      return toPnpPage(
        virtualAccounts.map(({ name, number, isDefault }) => ({
          virtualAccountName: name,
          virtualAccountId: number,
          networkId: '',
          organizationname: domain,
          default: isDefault ? ('true' as const) : ('false' as const),
        })),
        call.query,
      )
    },
  }),
  createEndpoint({
    name: 'search-smart-accounts',
    method: 'GET',
    urls: cloudV2Routes('/accounts/v1/user/search-smart-accounts'),
    scope: 'read',
    errorFormat: 'failureMessage',
    summary: 'Returns the accessible smart accounts. The user id is ignored.',
    schema: {
      querystring: z.object({
        userId: z.string('it is missing').min(1, 'it is missing').max(253),
        addVirtualAccounts: z.string().max(8).optional(),
        addRoleDipslayName: z.string().max(8).optional(),
        accountType: z.string().max(32).optional(),
        roleName: z.string().max(100).optional(),
        smartAccountDomain: nameField.optional(),
      }),
      response: z.object({
        status: z.string(),
        accounts: z.array(
          z.object({
            accountId: z.int(),
            accountName: z.string(),
            accountDomain: z.string(),
            accountType: z.string(),
            roles: z.array(roleSchema.extend({ roleDisplayName: z.string().optional() })),
            virtualAccounts: z
              .array(
                z.object({ virtualAccountId: z.int(), virtualAccountName: z.string(), default: z.boolean() }),
              )
              .optional(),
          }),
        ),
      }),
    },
    handler: async (call) => {
      const { accountType, smartAccountDomain, roleName, addVirtualAccounts, addRoleDipslayName } = call.query
      const roles = getRoles(call).filter(({ role }) => matches(role, roleName))
      const found = (await listAccessibleAccounts(call)).filter(
        ({ domain }) =>
          matches(domain, smartAccountDomain) &&
          (accountType === undefined || accountType.toUpperCase() === ACCOUNT_TYPE) &&
          roles.length > 0,
      )
      return {
        status: 'SUCCESS',
        accounts: found.map(({ number, domain, virtualAccounts }) => ({
          accountId: number,
          accountName: domain,
          accountDomain: domain,
          accountType: ACCOUNT_TYPE,
          roles: roles.map((one) => ({
            ...one,
            ...(addRoleDipslayName === 'true' && { roleDisplayName: one.role }),
          })),
          ...(addVirtualAccounts === 'true' && {
            virtualAccounts: virtualAccounts.map((one) => ({
              virtualAccountId: one.number,
              virtualAccountName: one.name,
              default: one.isDefault,
            })),
          }),
        })),
      }
    },
  }),
]
