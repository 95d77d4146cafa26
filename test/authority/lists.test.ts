import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { InstanceFilter } from '../../src/authority/inventory/instance-list.ts'
import type { InstanceDocument } from '../../src/authority/inventory/instances.ts'
import { AuthorityStore, type Tx } from '../../src/authority/store/store.ts'
import { hashUdi } from '../../src/protocol/digest.ts'
import { defaultPeriods } from '../../machines/index.ts'
import { SEVERITIES } from '../../src/authority/alerts/alerts.ts'
import {
  computeMissedContactAlerts,
  computeRenewalAlerts,
  computeReviewAlert,
} from '../../src/authority/alerts/instance-alerts.ts'
import { DAY } from '../../src/core/time.ts'
import { selectScale } from '../support/scale.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

/** Lists of an authority, compared with lists that are searched, sorted and cut in memory. */
let world: TestEnvironment
let store: AuthorityStore
const VIRTUAL_ACCOUNTS = ['Default', 'Lab', 'Site A', 'Site B']
let accountIds: { account: string; virtual: Map<string, string>; satellites: string[] }

beforeAll(async () => {
  world = await createTestEnvironment()
  const { authority } = world
  await authority.accounts.addVirtualAccount('Lab')
  for (const name of ['A', 'B']) {
    await authority.accounts.addVirtualAccount(`Site ${name}`)
    await authority.satellites.add(name, { virtualAccount: `Site ${name}` })
  }
  store = await AuthorityStore.open(join(world.directory, 'authority'))
  accountIds = await store.read(async (tx) => {
    const virtual = await tx.selectFrom('virtual_accounts').selectAll().execute()
    const satellites = await tx.selectFrom('satellites').select('id').orderBy('name').execute()
    return {
      account: virtual[0]?.account_id ?? '',
      virtual: new Map(virtual.map(({ name, id }) => [name, id])),
      satellites: satellites.map(({ id }) => id),
    }
  })
})
afterAll(async () => {
  await store.close()
  await world.close()
})
/** Replaces the product instances. */
const replaceAll = (instances: readonly Instance[]): Promise<void> =>
  store.transaction(async (tx) => {
    for (const table of ['instances', 'reservations', 'reported_instances'] as const)
      await tx.deleteFrom(table).execute()
    for (const one of instances) await insert(tx, one)
  })

/** Names with what is special in a search: letters of both cases, wildcards, escapes, quotes and other scripts. */
const nameArbitrary = fc
  .array(fc.constantFrom('a', 'A', 'b', 'B', '%', '_', '\\', "'", 'Ü', 'ü', '1', '-', ' ', '日'), {
    minLength: 1,
    maxLength: 4,
  })
  .map((letters) => letters.join(''))

const instanceArbitrary = fc.record({
  kind: fc.constantFrom('registered', 'reserved', 'reported'),
  virtualAccount: fc.nat(3),
  pid: fc.constantFrom('CWMS-K9', 'cwms-mini', 'UDI_SN'),
  serial: nameArbitrary,
  hostname: fc.option(nameArbitrary),
  /** Few instants, so that many instances differ in their names alone. */
  at: fc.constantFrom(1_000, 2_000, 3_000),
  active: fc.boolean(),
  /** Days since the last contact, days until the end of the registration, and the state of a review. */
  contactDays: fc.constantFrom(0, 29, 31, 60, 89, 91),
  endDays: fc.constantFrom(1, 29, 31, 80, 200),
  review: fc.constantFrom(0, 0, 1, 2),
})
type Instance = ReturnType<typeof toModel>

const filterArbitrary: fc.Arbitrary<InstanceFilter> = fc.record(
  {
    virtualAccounts: fc.subarray([...VIRTUAL_ACCOUNTS, 'unknown'], { minLength: 1 }),
    search: fc.record({
      text: fc.oneof(nameArbitrary, fc.constantFrom('', 'udi', 'UDI_PID:', 'sn:a', 'cwms')),
      in: fc.constantFrom('fields' as const, 'display-name' as const),
    }),
  },
  { requiredKeys: [] },
)

/** Gives an instance an id and its place. A satellite's instances are in its virtual account. */
function toModel(one: typeof instanceArbitrary extends fc.Arbitrary<infer T> ? T : never) {
  const site = one.virtualAccount % 2
  return {
    ...one,
    id: randomUUID(),
    hostname: one.kind === 'reserved' ? null : one.hostname,
    site,
    virtualAccount:
      (one.kind === 'reported' ? ['Site A', 'Site B'][site] : VIRTUAL_ACCOUNTS[one.virtualAccount]) ??
      'Default',
  }
}

async function insert(tx: Tx, one: Instance): Promise<void> {
  const common = {
    id: one.id,
    virtual_account_id: accountIds.virtual.get(one.virtualAccount) ?? '',
    pid: one.pid,
    serial: one.serial,
    version: '1',
  }
  if (one.kind === 'registered')
    await tx
      .insertInto('instances')
      .values({
        ...common,
        account_id: accountIds.account,
        hostname: one.hostname,
        status: one.active ? 'active' : 'removed',
        export_controlled: 0,
        thumbprint: one.id,
        public_key: '',
        registered_key: one.id,
        token_id: '',
        certificates: '[]',
        next_thumbprint: null,
        next_public_key: null,
        next_certificates: null,
        registered_at: one.at,
        last_contact_at: world.clock.wall() - one.contactDays * DAY,
        expires_at: world.clock.wall() + one.endDays * DAY,
        sequence: 1,
        request_digest: null,
        message_id: null,
        decision: null,
        last_answer: null,
        previous_answer: null,
        epoch: 1,
        revision: 0,
        in_review: one.review,
        profile_name: null,
        profile_version: null,
      })
      .execute()
  else if (one.kind === 'reserved')
    await tx
      .insertInto('reservations')
      .values({
        ...common,
        account_id: accountIds.account,
        status: one.active ? 'active' : 'returned',
        request: 1,
        device_key: one.id,
        sequence: 1,
        confirmed: 1,
        created_at: one.at,
        updated_at: one.at,
        ended_at: null,
        failed_code_attempts: 0,
        failed_code_attempts_since: 0,
        revision: 0,
        in_review: 0,
      })
      .execute()
  else
    await tx
      .insertInto('reported_instances')
      .values({
        ...common,
        satellite_id: accountIds.satellites[one.site] ?? '',
        kind: 'registered',
        status: one.active ? 'active' : 'ended',
        udi: hashUdi(one.pid, one.serial),
        hostname: one.hostname,
        virtual_account: 'Default',
        since_at: one.at,
        licenses: '[]',
      })
      .execute()
}

const foldAscii = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** Returns the matching instances in the order of the list. */
function searchModel(
  instances: readonly Instance[],
  { virtualAccounts, search }: InstanceFilter,
): Instance[] {
  const rank = ({ kind, site }: Instance): number =>
    kind === 'registered' ? 0 : kind === 'reserved' ? 1 : 2 + site
  return instances
    .filter(({ active }) => active)
    .filter((one) => virtualAccounts === undefined || virtualAccounts.includes(one.virtualAccount))
    .filter(({ pid, serial, hostname, id }) => {
      if (search === undefined) return true
      const display = `UDI_PID:${pid}; UDI_SN:${serial}; `
      const texts = search.in === 'fields' ? [pid, serial, hostname ?? '', id] : [hostname ?? '', id, display]
      return texts.some((text) => foldAscii(text).includes(foldAscii(search.text)))
    })
    .sort(
      (a, b) =>
        rank(a) - rank(b) ||
        a.at - b.at ||
        compareBytes(a.pid, b.pid) ||
        compareBytes(a.serial, b.serial) ||
        compareBytes(a.id, b.id),
    )
}

const idsOf = (instances: readonly { readonly id: string }[]): string[] => instances.map(({ id }) => id)

test('pages, counts, searches and orders the product instances as a list in memory does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(instanceArbitrary, {
        maxLength: 25,
        selector: ({ kind, pid, serial }) => `${kind} ${pid} ${serial}`,
      }),
      fc.array(fc.record({ filter: filterArbitrary, skip: fc.nat(12), limit: fc.nat(12) }), {
        minLength: 5,
        maxLength: 5,
      }),
      async (drawn, requests) => {
        const instances = drawn.map(toModel)
        await replaceAll(instances)
        const { authority } = world
        for (const { filter, skip, limit } of requests) {
          const expected = idsOf(searchModel(instances, filter))
          const page = await authority.instances.page({}, filter, { skip, limit })
          expect({ ids: idsOf(page.instances), total: page.total }).toEqual({
            ids: expected.slice(skip, skip + limit),
            total: expected.length,
          })
          const all: InstanceDocument[] = []
          for await (const slice of authority.instances.readAll({}, filter)) all.push(...slice)
          expect(idsOf(all)).toEqual(expected)
        }
      },
    ),
    { numRuns: selectScale(8, 1_000) },
  )
})

/** Returns the alerts of registered instances, the most urgent first. */
function computeModelAlerts(instances: readonly Instance[]) {
  const at = world.clock.wall()
  const getDue = (due: string | null): number => (due === null ? Infinity : Date.parse(due))
  return instances
    .filter(({ kind, active }) => kind === 'registered' && active)
    .flatMap((one) => {
      const facts = { ...one, satellite: null }
      const [lastContactAt, expiresAt] = [at - one.contactDays * DAY, at + one.endDays * DAY]
      return [
        ...(one.review === 0
          ? computeMissedContactAlerts({ ...facts, lastContactAt }, defaultPeriods.authorizationRenewal, at)
          : []),
        ...computeRenewalAlerts({ ...facts, expiresAt }, at),
        ...(one.review === 2 ? [computeReviewAlert(facts)] : []),
      ]
    })
    .sort(
      (a, b) =>
        SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
        (a.actionDue === b.actionDue ? 0 : getDue(a.actionDue) - getDue(b.actionDue)) ||
        compareBytes(a.type, b.type) ||
        compareBytes(a.instanceId ?? '', b.instanceId ?? ''),
    )
}

const ALERTS_OF_INSTANCES = ['instance-failed-to-connect', 'instance-failed-to-renew', 'instance-in-review']

test('pages, counts and orders the alerts of product instances as a list in memory does (R-ACC-7)', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(instanceArbitrary, {
        maxLength: 25,
        selector: ({ kind, pid, serial }) => `${kind} ${pid} ${serial}`,
      }),
      fc.option(fc.constantFrom(...VIRTUAL_ACCOUNTS.slice(0, 2)), { nil: undefined }),
      fc.nat(12),
      fc.nat(12),
      async (drawn, virtualAccount, skip, limit) => {
        const instances = drawn.map(toModel)
        await replaceAll(instances)
        const expected = computeModelAlerts(
          instances.filter((one) => virtualAccount === undefined || one.virtualAccount === virtualAccount),
        )
        const { alerts, counts } = await world.authority.operations.alerts.page(
          { virtualAccount },
          { isWanted: ({ type }) => ALERTS_OF_INSTANCES.includes(type) },
          { skip, limit },
        )
        expect(alerts.map(({ type, message }) => [type, message])).toEqual(
          expected.slice(skip, skip + limit).map(({ type, message }) => [type, message]),
        )
        for (const severity of SEVERITIES)
          expect(counts[severity]).toBe(expected.filter((one) => one.severity === severity).length)
      },
    ),
    { numRuns: selectScale(8, 1_000) },
  )
})
