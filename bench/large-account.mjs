// Fills the database of an authority with the data of a large account. Inserts rows directly, because 100,000 registrations
// would take minutes. The rows are as long as real ones.
import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { hashUdi } from '../dist/src/protocol/digest.js'
import { loadDatabase } from '../dist/src/storage/sqlite.js'

const Database = await loadDatabase()
const DAY = 86_400_000

/** Rows of a large account. `lateShare` is the share of instances without contact for more than 30 days. */
const DEFAULTS = {
  instances: 100_000,
  lateShare: 0.1,
  reservations: 2_000,
  satellites: 4,
  reported: 20_000,
  virtualAccounts: 50,
  tokens: 1_000,
  orders: 2_000,
  events: 300_000,
  audit: 100_000,
}

/** Returns pseudorandom numbers from 0 to 1, equal in each run. */
function createRandom(seed = 1) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Adds rows to the SQLite database of an authority that is not open. */
export function fillLargeAccount(dataDir, wanted = {}) {
  const size = { ...DEFAULTS, ...wanted }
  const random = createRandom()
  const pick = (list) => list[Math.floor(random() * list.length)]
  const now = Date.now()
  const database = new Database(join(dataDir, 'authority.db'))
  database.pragma('synchronous = OFF')
  const statements = new Map()
  const insert = (table, row) => {
    const names = Object.keys(row)
    const key = `${table} ${names.join()}`
    const statement =
      statements.get(key) ??
      database.prepare(
        `insert into ${table} (${names.join(', ')}) values (${names.map((name) => `@${name}`).join(', ')})`,
      )
    statements.set(key, statement)
    statement.run(row)
  }
  const { id: account } = database.prepare('select id from accounts').get()
  const token = database.prepare('select * from tokens').get()
  const own = database.prepare('select id, name from virtual_accounts').all()
  const tags = ['HOST', 'MDC-SMALL', 'MDC-MEDIUM', 'MDC-LARGE', 'ENTERPRISE', 'WEBINAR']
  const pools = new Map()
  const use = (virtualAccount, tag, count) => {
    const key = `${virtualAccount} ${tag}`
    pools.set(key, (pools.get(key) ?? 0) + count)
  }
  database.transaction(() => {
    for (let i = own.length; i < size.virtualAccounts; i++) {
      const one = { id: randomUUID(), name: `Branch ${String(i).padStart(3, '0')}` }
      insert('virtual_accounts', {
        ...one,
        account_id: account,
        is_default: 0,
        created_at: now,
        is_home: 0,
        satellite_id: null,
        upstream: null,
      })
      own.push(one)
    }
    const chain = JSON.stringify([randomBytes(500).toString('base64'), randomBytes(500).toString('base64')])
    for (let i = 0; i < size.instances; i++) {
      const id = randomUUID()
      // The first virtual account has two fifths of the instances.
      const virtual = random() < 0.4 ? own[0] : pick(own)
      const late = random() < size.lateShare
      insert('instances', {
        id,
        account_id: account,
        virtual_account_id: virtual.id,
        pid: pick(['CWMS-K9', 'CWMS-MINI-K9']),
        serial: `SN-${String(i).padStart(7, '0')}`,
        version: '4.0',
        hostname: random() < 0.1 ? null : `host-${i}.${virtual.name.replace(' ', '-')}.example`,
        status: random() < 0.95 ? 'active' : 'deregistered',
        export_controlled: 0,
        thumbprint: randomBytes(32).toString('base64url'),
        public_key: chain.slice(0, 124),
        registered_key: randomBytes(32).toString('base64url'),
        token_id: token?.id ?? '',
        certificates: chain,
        registered_at: now - Math.floor(random() * 300 * DAY),
        last_contact_at: now - Math.floor((late ? 30 + random() * 80 : random() * 29) * DAY),
        expires_at: now + Math.floor((random() < 0.05 ? random() * 90 : 100 + random() * 200) * DAY),
        sequence: 1,
        decision: chain.slice(0, 400),
        epoch: 1,
        revision: 2,
        in_review: random() < 0.001 ? 2 : 0,
        profile_name: null,
        profile_version: null,
      })
      for (const tag of new Set(['HOST', pick(tags)])) {
        insert('instance_usage', { instance_id: id, tag, count: 1 })
        use(virtual.id, tag, 1)
      }
    }
    for (let i = 0; i < size.reservations; i++) {
      const id = randomUUID()
      const virtual = pick(own)
      const pending = random() < 0.05
      const ended = random() < 0.1
      insert('reservations', {
        id,
        account_id: account,
        virtual_account_id: virtual.id,
        pid: 'CWMS-K9',
        serial: `RES-${String(i).padStart(7, '0')}`,
        version: '4.0',
        status: ended ? 'returned' : 'active',
        request: 1,
        device_key: randomUUID(),
        sequence: pending ? 2 : 1,
        confirmed: 1,
        created_at: now - Math.floor(random() * 300 * DAY),
        updated_at: now - DAY,
        ended_at: ended ? now - Math.floor(random() * 60 * DAY) : null,
        failed_code_attempts: 0,
        failed_code_attempts_since: 0,
        revision: 1,
        in_review: 0,
      })
      for (let sequence = 1; sequence <= (pending ? 2 : 1); sequence++)
        for (const tag of ['HOST', 'ENTERPRISE'])
          insert('reserved_licenses', {
            reservation_id: id,
            sequence,
            epoch: 1,
            tag,
            count: 1,
            ends_at: null,
          })
    }
    for (let s = 0; s < size.satellites; s++) {
      const satellite = { id: randomUUID(), name: `Satellite ${s}` }
      insert('satellites', {
        ...satellite,
        account_id: account,
        status: 'active',
        created_at: now,
        epoch: 1,
        sequence: 1,
        request_at: now,
        answered_at: now,
        acknowledged: 1,
        warn_days: 30,
        restrict_days: 90,
        credential_days: 365,
        warn_at: now + 30 * DAY,
        restrict_at: now + 90 * DAY,
        automatic_until: now + 365 * DAY,
        overdue_notified: 0,
        manager_epoch: 1,
      })
      const virtual = { id: randomUUID(), name: `Site ${s}` }
      insert('virtual_accounts', {
        ...virtual,
        account_id: account,
        is_default: 0,
        created_at: now,
        is_home: 1,
        satellite_id: satellite.id,
        upstream: null,
      })
      for (let i = 0; i < size.reported / size.satellites; i++) {
        const serial = `SAT-${s}-${String(i).padStart(7, '0')}`
        insert('reported_instances', {
          satellite_id: satellite.id,
          id: randomUUID(),
          kind: 'registered',
          status: 'active',
          pid: 'CWMS-K9',
          serial,
          version: '4.0',
          udi: hashUdi('CWMS-K9', serial),
          hostname: `host-${i}.site-${s}.example`,
          virtual_account: 'Default',
          virtual_account_id: virtual.id,
          since_at: now - Math.floor(random() * 300 * DAY),
          licenses: JSON.stringify([{ tag: 'HOST', count: 1, endsAt: null }]),
        })
        use(virtual.id, 'HOST', 1)
      }
      own.push(virtual)
    }
    for (const [key, count] of pools) {
      const [virtualAccountId, tag] = key.split(' ')
      database
        .prepare(
          `insert into pools values (?, ?, ?, 0) on conflict (virtual_account_id, tag) do update set in_use = in_use + excluded.in_use`,
        )
        .run(virtualAccountId, tag, count)
      insert('licenses', {
        id: randomUUID(),
        virtual_account_id: virtualAccountId,
        tag,
        quantity: 2 * count + 1_000,
        starts_at: now - 400 * DAY,
        ends_at: null,
        source: 'order',
      })
    }
    for (let i = 0; i < size.orders; i++) {
      const virtual = pick(own)
      const at = now - Math.floor(random() * 400 * DAY)
      const tag = pick(tags)
      insert('orders', {
        id: randomUUID(),
        account_id: account,
        virtual_account_id: virtual.id,
        tag,
        quantity: 10,
        term_days: 365,
        status: 'fulfilled',
        placed_at: at,
        fulfilled_at: at,
        reminders: 0,
      })
      insert('licenses', {
        id: randomUUID(),
        virtual_account_id: virtual.id,
        tag,
        quantity: 10,
        starts_at: at,
        ends_at: at + 365 * DAY,
        source: 'order',
        warned_days: 0,
      })
    }
    if (token)
      for (let i = 0; i < size.tokens; i++)
        insert('tokens', {
          ...token,
          id: randomBytes(12).toString('base64url'),
          virtual_account_id: pick(own).id,
          created_at: now - i * 60_000,
        })
    for (let i = 0; i < size.events; i++)
      insert('events', {
        at: now - (size.events - i) * 60_000,
        account_id: account,
        virtual_account: pick(own).name,
        instance_id: null,
        type: pick(['INSTANCE_REGISTERED', 'INSTANCE_REMOVED', 'TOKEN_CREATED', 'LICENSES_ORDERED']),
        severity: random() < 0.01 ? 'major' : 'info',
        message: `CWMS-K9:SN-${i} did something that takes some words to say.`,
        who: null,
      })
    for (let i = 1; i <= size.audit; i++)
      insert('audit', {
        at: now - (size.audit - i) * 60_000,
        who: 'admin',
        address: '192.0.2.1',
        action: 'token-create',
        subject: '',
        outcome: 'done',
        kind: 'action',
        number: i,
        previous: 'x'.repeat(64),
        hash: 'y'.repeat(64),
      })
    database.prepare('update audit_chain set number = ?').run(size.audit)
  })()
  database.close()
}
