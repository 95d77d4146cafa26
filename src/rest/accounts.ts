import { z } from 'zod'
import type { NumberedAccount } from '../authority/inventory/numeric-ids.ts'
import { isSameDomain } from '../authority/inventory/accounts.ts'
import { notFound } from '../core/errors.ts'
import { endpoint, type RestCall } from './endpoint.ts'
import { sharedRoutes, cloudV1Routes, cloudV2Routes, onPremRoutes } from './routes.ts'
import { nameText, outcomeSchema, pageOf, wholeNumber, success } from './fields.ts'
import { reachableAccounts, requireWholeAccount } from './access-control.ts'

const ACCOUNT_STATUS = 'ACTIVE'
const ACCOUNT_TYPE = 'CUSTOMER'
/** As many as the field's own search tells at most. */
const MOST_FOUND = 1_000

/** The smart accounts are at paths of customers, in small letters and in capitals. */
const virtualAccountRoutes = (rest = ''): string[] =>
  ['', '/customer', '/CUSTOMER'].flatMap((type) =>
    sharedRoutes(`/accounts/:domain${type}/virtual-accounts${rest}`),
  )

const rolesOf = ({ caller }: RestCall) => [
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

const noData = (message: string) => ({ status: 'COMPLETE', message_code: 'NO_DATA_FOUND', message })

const pnpQuery = z.object({
  accountDomain: nameText.optional(),
  startIdx: wholeNumber(0, 10_000_000).default(0),
  rowsPerPage: wholeNumber(1, 1_000).default(50),
})
const pnpFields = {
  status: z.string(),
  message: z.string(),
  messageCode: z.string(),
  totalRows: z.int(),
  pageSize: z.int(),
  startIdx: z.int(),
}

function pnpPage<T>(rows: readonly T[], query: { startIdx: number; rowsPerPage: number }) {
  const data = pageOf(rows, { limit: query.rowsPerPage, offset: query.startIdx })
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

async function accountOfPath(call: RestCall): Promise<NumberedAccount> {
  const found = (await reachableAccounts(call)).find(({ domain }) => isSameDomain(domain, call.account ?? ''))
  if (found) return found
  throw notFound('smart-account', 'There is no such smart account.')
}

export const accountEndpoints = [
  endpoint({
    name: 'accounts',
    method: 'GET',
    urls: cloudV1Routes('/accounts'),
    scope: 'read',
    summary: 'The smart accounts that the caller reaches, and the roles it has there.',
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
      ...success('Smart accounts successfully read.'),
      accounts: (await reachableAccounts(call)).map(({ domain }) => ({
        accountStatus: ACCOUNT_STATUS,
        accountDomain: domain,
        accountName: domain,
        accountType: ACCOUNT_TYPE,
        roles: rolesOf(call),
      })),
    }),
  }),
  endpoint({
    name: 'accounts-search',
    method: 'GET',
    urls: [...cloudV1Routes('/accounts/search', ['v1']), ...onPremRoutes('/accounts/search')],
    scope: 'read',
    summary: 'The smart accounts whose domain holds a text.',
    schema: {
      querystring: z.object({
        domain: nameText.optional(),
        type: z.string().max(32).optional(),
        limit: wholeNumber(-1, 100_000)
          .transform((limit) => Math.min(limit, MOST_FOUND))
          .default(50),
        offset: wholeNumber(0, 10_000_000).default(0),
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
      const found = (await reachableAccounts(call)).filter(
        (one) => matches(one.domain, domain) && (type === undefined || type.toUpperCase() === ACCOUNT_TYPE),
      )
      return {
        ...success('Smart accounts successfully read.'),
        totalRecords: found.length,
        accounts: pageOf(found, call.query, MOST_FOUND).map((one) => ({
          domain: one.domain,
          name: one.domain,
          id: one.number,
          type: ACCOUNT_TYPE,
          status: ACCOUNT_STATUS,
        })),
      }
    },
  }),
  endpoint({
    name: 'accounts-with-virtual-accounts',
    method: 'GET',
    urls: cloudV1Routes('/accounts/search', ['v2', 'v3']),
    scope: 'read',
    errorFormat: 'E5',
    summary: 'The smart accounts and their virtual accounts, with the numbers that other calls name them by.',
    schema: {
      querystring: z.object({ domain: nameText.optional() }),
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
      const found = (await reachableAccounts(call)).filter((one) => matches(one.domain, call.query.domain))
      if (found.length === 0) return noData('No smart accounts were found.')
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
  endpoint({
    name: 'virtual-accounts',
    method: 'GET',
    urls: virtualAccountRoutes(),
    scope: 'read',
    summary: 'The virtual accounts of a smart account.',
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
      ...success('Virtual accounts successfully read.'),
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
  endpoint({
    name: 'virtual-account-create',
    method: 'POST',
    urls: virtualAccountRoutes(),
    scope: 'write',
    summary: 'Makes a virtual account. What it is described as, and who may buy for it, is not kept.',
    schema: {
      body: z.object({
        name: z.string().min(1, 'it is missing').max(100),
        description: z.string().max(1000).nullish(),
        isDefault: z
          .union([z.literal(false), z.string().regex(/^(false|no|)$/i)], {
            error:
              'a virtual account is not made the default by this call: the authority’s administrators do that',
          })
          .nullish(),
        commerceAccessLevel: z.string().max(32).nullish(),
      }),
      response: outcomeSchema,
    },
    auditSubject: ({ body }) => body.name,
    handler: async ({ authority, account, caller, body }) => {
      requireWholeAccount(caller)
      await authority.accounts.addVirtualAccount(body.name, { account })
      return success(`Virtual account '${body.name}' created successfully.`)
    },
  }),
  endpoint({
    name: 'virtual-account-delete',
    method: 'POST',
    urls: virtualAccountRoutes('/:virtualAccount/delete'),
    scope: 'write',
    summary: 'Removes a virtual account that is empty.',
    schema: { response: outcomeSchema },
    auditSubject: ({ virtualAccount = '' }) => virtualAccount,
    handler: async ({ authority, account, caller, virtualAccount = '' }) => {
      requireWholeAccount(caller)
      await authority.accounts.removeVirtualAccount(virtualAccount, { account })
      return success(`Virtual account '${virtualAccount}' deleted successfully.`)
    },
  }),
  endpoint({
    name: 'local-accounts',
    method: 'POST',
    urls: onPremRoutes('/upstream_satellites/accounts'),
    scope: 'read',
    summary: 'The accounts of an on-premises server. Where they come from above it is not told.',
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
      accounts: (await reachableAccounts(call)).map(({ number, domain }) => ({
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
  endpoint({
    name: 'pnp-accounts',
    method: 'GET',
    urls: cloudV2Routes('/pnp/v2/accounts'),
    scope: 'read',
    errorFormat: 'E5',
    summary: 'The smart accounts, page by page.',
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
      pnpPage(
        (await reachableAccounts(call))
          .filter(({ domain }) => matches(domain, call.query.accountDomain))
          .map(({ domain, number }) => ({
            companyName: domain,
            domainIdentifier: domain,
            accountIdentifier: number,
          })),
        call.query,
      ),
  }),
  endpoint({
    name: 'pnp-virtual-accounts',
    method: 'GET',
    urls: cloudV2Routes('/pnp/v2/accounts/:domain/virtual-accounts'),
    scope: 'read',
    errorFormat: 'E5',
    summary: 'The virtual accounts of a smart account, page by page.',
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
      const { domain, virtualAccounts } = await accountOfPath(call)
      return pnpPage(
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
  endpoint({
    name: 'search-smart-accounts',
    method: 'GET',
    urls: cloudV2Routes('/accounts/v1/user/search-smart-accounts'),
    scope: 'read',
    errorFormat: 'E4',
    summary: 'The smart accounts that the caller reaches. Whose they are said to be is not looked at.',
    schema: {
      querystring: z.object({
        userId: z.string('it is missing').min(1, 'it is missing').max(253),
        addVirtualAccounts: z.string().max(8).optional(),
        addRoleDipslayName: z.string().max(8).optional(),
        accountType: z.string().max(32).optional(),
        roleName: z.string().max(100).optional(),
        smartAccountDomain: nameText.optional(),
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
      const roles = rolesOf(call).filter(({ role }) => matches(role, roleName))
      const found = (await reachableAccounts(call)).filter(
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
