import type { Authority } from '../authority/authority.ts'
import type { Where } from '../authority/context/authority-context.ts'
import { eventsToCsv } from '../authority/events/event-export.ts'
import type { InstanceDocument } from '../authority/inventory/instances.ts'
import type { TokenDocument } from '../authority/inventory/tokens.ts'
import { LicensingError, notFound } from '../core/errors.ts'
import { toCsv } from '../authority/reports/reports.ts'
import { certificateFingerprint } from '../pki/fingerprint.ts'
import { authorityContract as contract } from './authority-contract.ts'
import { type Caller, requireEveryAccount, serve, type ServedContract } from '../http/contract.ts'

interface Wanted {
  readonly account?: string | undefined
  readonly virtualAccount?: string | undefined
}

/** What a caller may reach, where they asked for nothing narrower. @throws LicensingError PERMISSION_DENIED */
function reach({ account, virtualAccount }: Wanted, caller: Caller): Where {
  return {
    account: narrowed(account, caller.account, caller),
    virtualAccount: narrowed(virtualAccount, caller.virtualAccount, caller),
  }
}

function narrowed(wanted: string | undefined, kept: string | null, { name }: Caller): string | undefined {
  if (kept === null) return wanted
  if (wanted === undefined || wanted === kept) return kept
  throw new LicensingError('PERMISSION_DENIED', `${name} may not reach ${wanted}.`)
}

/** Who is kept to one virtual account does nothing to the others. @throws LicensingError PERMISSION_DENIED */
function requireWhole({ name, virtualAccount }: Caller): void {
  if (virtualAccount === null) return
  throw new LicensingError('PERMISSION_DENIED', `${name} may not reach beyond ${virtualAccount}.`)
}

const within =
  ({ virtualAccount }: Where) =>
  (one: { virtualAccount: string | null }) =>
    virtualAccount === undefined || one.virtualAccount === virtualAccount

const matches = ({ udi, hostname, id }: InstanceDocument, search: string): boolean =>
  [udi.pid, udi.serial, hostname ?? '', id].some((text) => text.toLowerCase().includes(search.toLowerCase()))

/** Alerts about what belongs to no one smart account. */
const OF_NOBODY: readonly string[] = ['order-without-account', 'mail-not-sent']

/** Entries of the event log that go into one CSV file of the page; the command exports all of them. */
const MOST_EVENTS = 10_000

/** The caller's own e-mail address: the user name, where that is one. */
const ownAddress = ({ name }: Caller): string | null => (/^[^@]+@[^@]+$/.test(name) ? name : null)

/** Whether a caller may choose what an address is told. */
const mayNotify = (recipient: string, caller: Caller): boolean =>
  caller.role === 'administrator' || recipient === ownAddress(caller)

/** @throws LicensingError PERMISSION_DENIED */
function requireMayNotify(recipient: string, caller: Caller): void {
  if (mayNotify(recipient, caller)) return
  throw new LicensingError('PERMISSION_DENIED', `${caller.name} sets no notifications for others.`)
}

/** Its text is a secret of those who may make tokens. */
const shown = (token: TokenDocument, { role }: Caller) => ({
  ...token,
  token: role === 'viewer' ? null : token.token,
})

/** The API of an authority, answered by it, within what each caller may reach. */
export function authorityCalls(authority: Authority): ServedContract<typeof contract> {
  const { satellites, sync } = authority

  /** An instance the caller may reach, and where. @throws LicensingError NOT_FOUND, PERMISSION_DENIED */
  const instanceOf = async (wanted: Wanted & { id: string }, caller: Caller) => {
    const { account } = reach(wanted, caller)
    const instance = await authority.instances.get(wanted.id, { account })
    // What is out of reach is not there.
    if (caller.virtualAccount !== null && instance.virtualAccount !== caller.virtualAccount)
      throw notFound(
        'product-instance',
        `${account ?? 'The smart account'} has no product instance ${JSON.stringify(wanted.id)}.`,
      )
    return { instance, where: { account } }
  }

  return {
    overview: serve(contract.overview, async (_, caller) => ({
      role: authority.security.identity.role,
      test: authority.security.identity.test,
      accounts: (await authority.accounts.list())
        .map(({ domain }) => domain)
        .filter((domain) => caller.account === null || caller.account === domain),
      fingerprint: rootFingerprint(authority),
      tags: authority.licenses.product.tags.map(({ tag, name }) => ({ tag, name })),
      skus: authority.licenses.product.skus.map(({ sku, description, gives }) => ({
        sku,
        description,
        tag: gives.kind === 'licenses' ? gives.tag : null,
      })),
    })),
    'virtual-accounts': serve(contract['virtual-accounts'], async (wanted, caller) => {
      const where = reach(wanted, caller)
      const list = await authority.accounts.listVirtualAccounts({ account: where.account })
      return {
        virtualAccounts: list
          .filter(({ name }) => where.virtualAccount === undefined || name === where.virtualAccount)
          .map(({ name, isDefault, satellite, upstream }) => ({
            name,
            isDefault,
            satellite: satellite?.name ?? null,
            upstream,
          })),
      }
    }),
    'virtual-account-add': serve(
      contract['virtual-account-add'],
      async ({ name, satellite, ...wanted }, caller) => {
        const where = reach(wanted, caller)
        if (satellite === undefined) await authority.accounts.addVirtualAccount(name, where)
        else await satellites.addVirtualAccount(satellite, name, where)
        return {}
      },
    ),
    'virtual-account-remove': serve(contract['virtual-account-remove'], async (wanted, caller) => {
      await authority.accounts.removeVirtualAccount(wanted.name, reach(wanted, caller))
      return {}
    }),
    'virtual-account-default': serve(contract['virtual-account-default'], async (wanted, caller) => {
      await authority.accounts.setDefaultVirtualAccount(wanted.name, reach(wanted, caller))
      return {}
    }),
    tokens: serve(contract.tokens, async (wanted, caller) => {
      const where = reach(wanted, caller)
      const tokens = await authority.tokens.list({ account: where.account })
      return { tokens: tokens.filter(within(where)).map((token) => shown(token, caller)) }
    }),
    'token-create': serve(contract['token-create'], async (input, caller) => {
      const { days, maxUses, description, exportControlled } = input
      return authority.tokens.create({
        ...reach(input, caller),
        days,
        description,
        exportControlled,
        ...(maxUses !== undefined && { maxUses }),
      })
    }),
    'token-revoke': serve(contract['token-revoke'], async (wanted, caller) => {
      const { account } = reach(wanted, caller)
      const token = (await authority.tokens.list({ account })).find(({ id }) => id === wanted.id)
      if (token && caller.virtualAccount !== null && token.virtualAccount !== caller.virtualAccount)
        throw notFound('token', `${account ?? 'The smart account'} has no such token.`)
      await authority.tokens.revoke(wanted.id, { account })
      return {}
    }),
    licenses: serve(contract.licenses, async (wanted, caller) => {
      const where = reach(wanted, caller)
      return { licenses: (await authority.licenses.list({ account: where.account })).filter(within(where)) }
    }),
    'license-transactions': serve(contract['license-transactions'], async ({ tag, ...wanted }, caller) => ({
      transactions: (await authority.licenses.transactions({ ...reach(wanted, caller), tag })).map((lot) => ({
        ...lot,
        // Where it came from may be out of reach.
        source: caller.virtualAccount === null ? lot.source : lot.source.replace(/ from .*/s, ''),
      })),
    })),
    'license-transfer': serve(contract['license-transfer'], (wanted, caller) => {
      requireWhole(caller)
      return authority.licenses.transfer({ ...wanted, ...reach(wanted, caller) })
    }),
    instances: serve(contract.instances, async ({ search, skip, limit, ...wanted }, caller) => {
      const where = reach(wanted, caller)
      const found = (await authority.instances.list({ account: where.account }))
        .filter(within(where))
        .filter((one) => matches(one, search))
      return { instances: found.slice(skip, skip + limit), total: found.length }
    }),
    instance: serve(contract.instance, async (wanted, caller) => (await instanceOf(wanted, caller)).instance),
    'instance-transfer': serve(contract['instance-transfer'], async (wanted, caller) => {
      requireWhole(caller)
      const { where } = await instanceOf(wanted, caller)
      const { to, preview, confirmed } = wanted
      return authority.instances.transfer(wanted.id, { ...where, to, preview, confirmed })
    }),
    'instance-remove': serve(contract['instance-remove'], async ({ returnCode, ...wanted }, caller) => {
      const { where } = await instanceOf(wanted, caller)
      if (returnCode === undefined) await authority.instances.remove(wanted.id, where)
      else await authority.reservations.acceptReturnCode(wanted.id, returnCode, where)
      return {}
    }),
    'instance-write-off': serve(contract['instance-write-off'], async ({ reason, ...wanted }, caller) => {
      const { where } = await instanceOf(wanted, caller)
      await authority.reservations.writeOff(wanted.id, { reason, by: caller.name }, where)
      return {}
    }),
    events: serve(contract.events, async ({ limit, before, severity, instanceId, ...wanted }, caller) => ({
      events: await authority.operations.events.list({
        ...reach(wanted, caller),
        limit,
        before,
        severity,
        instanceId,
        ownOnly: caller.account !== null,
      }),
    })),
    'events-csv': serve(contract['events-csv'], async ({ severity, instanceId, ...wanted }, caller) => ({
      csv: eventsToCsv(
        await authority.operations.events.list({
          ...reach(wanted, caller),
          limit: MOST_EVENTS,
          severity,
          instanceId,
          ownOnly: caller.account !== null,
        }),
      ),
    })),
    alerts: serve(contract.alerts, async ({ skip, limit, ...wanted }, caller) => {
      const where = reach(wanted, caller)
      const alerts = (await authority.operations.alerts.list(where)).filter(
        ({ type, severity, virtualAccount }) =>
          (caller.account === null || !OF_NOBODY.includes(type)) &&
          (where.virtualAccount !== undefined || severity !== 'informational' || virtualAccount === null),
      )
      const counted = (wantedSeverity: string) =>
        alerts.filter(({ severity }) => severity === wantedSeverity).length
      return {
        alerts: alerts.slice(skip, skip + limit),
        total: alerts.length,
        counts: {
          major: counted('major'),
          minor: counted('minor'),
          informational: counted('informational'),
        },
      }
    }),
    notifications: serve(contract.notifications, async (wanted, caller) => {
      const list = await authority.operations.notifications.list(reach(wanted, caller))
      return {
        notifications: list.filter(({ recipient }) => mayNotify(recipient, caller)),
        own: ownAddress(caller),
      }
    }),
    'notification-set': serve(
      contract['notification-set'],
      ({ account, virtualAccount, ...wanted }, caller) => {
        requireMayNotify(wanted.recipient, caller)
        const own = wanted.recipient === ownAddress(caller)
        return authority.operations.notifications.set(
          { ...wanted, own },
          reach({ account, virtualAccount }, caller),
        )
      },
    ),
    'notification-remove': serve(contract['notification-remove'], async (wanted, caller) => {
      const where = reach(wanted, caller)
      const found = (await authority.operations.notifications.list(where)).find(({ id }) => id === wanted.id)
      // What is out of reach is not there.
      if (!found) throw notFound('notification', `There is no notification ${JSON.stringify(wanted.id)}.`)
      requireMayNotify(found.recipient, caller)
      await authority.operations.notifications.remove(wanted.id, where)
      return {}
    }),
    report: serve(contract.report, ({ kind, ...wanted }, caller) =>
      authority.operations.reports.create(kind, reach(wanted, caller)),
    ),
    'report-csv': serve(contract['report-csv'], async ({ kind, ...wanted }, caller) => ({
      csv: toCsv(await authority.operations.reports.create(kind, reach(wanted, caller))),
    })),
    'reservation-enable': serve(contract['reservation-enable'], async (wanted, caller) => {
      await authority.reservations.enable(reach(wanted, caller))
      return {}
    }),
    reserve: serve(contract.reserve, ({ request, licenses, ...wanted }, caller) =>
      authority.reservations.reserve({ ...reach(wanted, caller), request, licenses }),
    ),
    'reservation-update': serve(contract['reservation-update'], async (wanted, caller) => {
      const { where } = await instanceOf(wanted, caller)
      return authority.reservations.update(wanted.id, wanted.licenses, where)
    }),
    'reservation-confirm': serve(contract['reservation-confirm'], async (wanted, caller) => {
      const { where } = await instanceOf(wanted, caller)
      return authority.reservations.confirm(wanted.id, wanted.code, where)
    }),
    'reservation-file': serve(contract['reservation-file'], async (wanted, caller) => {
      const { where } = await instanceOf(wanted, caller)
      return authority.reservations.get(wanted.id, where)
    }),
    orders: serve(contract.orders, async (wanted, caller) => {
      const where = reach(wanted, caller)
      const orders = (await authority.orders.list({ account: where.account })).filter(within(where))
      // What waits for a smart account is nobody's yet.
      return { orders: orders.filter((one) => caller.account === null || one.virtualAccount !== null) }
    }),
    'order-place': serve(contract['order-place'], (wanted, caller) =>
      authority.orders.create({ ...wanted, ...reach(wanted, caller) }),
    ),
    'order-assign': serve(contract['order-assign'], (wanted, caller) => {
      requireEveryAccount(caller)
      return authority.orders.assign(wanted.id, reach(wanted, caller))
    }),
    satellites: serve(contract.satellites, async (wanted, caller) => {
      requireWhole(caller)
      return { satellites: await satellites.list(reach(wanted, caller)) }
    }),
    'satellite-add': serve(
      contract['satellite-add'],
      ({ name, virtualAccount, terms, tlsNames, account }, caller) =>
        satellites.add(name, {
          ...reach({ account }, caller),
          virtualAccount,
          terms: given(terms),
          tlsNames: tlsNames ?? null,
        }),
    ),
    'satellite-code': serve(contract['satellite-code'], (wanted, caller) =>
      satellites.code(wanted.name, reach(wanted, caller)),
    ),
    'satellite-set': serve(contract['satellite-set'], ({ name, terms, tlsNames, ...wanted }, caller) =>
      satellites.set(
        name,
        { ...given(terms), ...(tlsNames !== undefined && { tlsNames }) },
        reach(wanted, caller),
      ),
    ),
    'satellite-remove': serve(contract['satellite-remove'], (wanted, caller) =>
      satellites.remove(wanted.name, reach(wanted, caller)),
    ),
    'sync-respond': serve(contract['sync-respond'], ({ file }, caller) => {
      requireEveryAccount(caller)
      return satellites.respond(file)
    }),
    sync: serve(contract.sync, async (_, { role }) => {
      const status = await sync.status()
      const { manager } = status
      return role === 'administrator' || manager === null
        ? status
        : { ...status, manager: { ...manager, username: null } }
    }),
    'sync-now': serve(contract['sync-now'], (_, caller) => {
      requireEveryAccount(caller)
      return sync.now()
    }),
    'sync-export': serve(contract['sync-export'], ({ leaveOut }, caller) => {
      requireEveryAccount(caller)
      return sync.export(leaveOut ? { leaveOut } : {})
    }),
    'sync-root': serve(contract['sync-root'], async ({ file }, caller) => {
      requireEveryAccount(caller)
      return { fingerprint: await sync.rootToTrust(file) }
    }),
    'sync-import': serve(contract['sync-import'], ({ file, fingerprint }, caller) => {
      requireEveryAccount(caller)
      return sync.import(file, fingerprint === undefined ? null : { fingerprint })
    }),
    mail: serve(contract.mail, (_, caller) => {
      requireEveryAccount(caller)
      return authority.operations.mail.show()
    }),
    'mail-set': serve(contract['mail-set'], async (settings, caller) => {
      requireEveryAccount(caller)
      await authority.operations.mail.configure(settings)
      return authority.operations.mail.show()
    }),
  }
}

/** Without what was not given. */
const given = <T extends object>(terms: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }

/** Null at a satellite that has no root yet. */
function rootFingerprint(authority: Authority): string | null {
  try {
    return certificateFingerprint(authority.trustAnchor())
  } catch (thrown) {
    if (thrown instanceof LicensingError && thrown.code === 'SATELLITE_NOT_REGISTERED') return null
    throw thrown
  }
}
