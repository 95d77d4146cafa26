import type { Generated } from 'kysely'

/** The authority's tables. Instants are milliseconds since 1970 UTC; flags are 0 or 1. */
export interface Tables {
  settings: { name: string; value: string }
  accounts: {
    id: string
    domain: string
    agreement_at: number | null
    /** When the account was authorised for specific licence reservation; null while it is not. */
    reservation_at: number | null
    created_at: number
  }
  virtual_accounts: {
    id: string
    account_id: string
    name: string
    is_default: number
    created_at: number
    /** At a manager: the satellite it belongs to. Of its virtual accounts one is the home: its `Default`. */
    satellite_id: string | null
    is_home: number
    /** At a satellite: the manager's virtual account whose licences arrive here; null for one of the satellite's own. */
    upstream: string | null
  }
  licenses: {
    id: string
    virtual_account_id: string
    tag: string
    quantity: number
    starts_at: number
    /** Null for a perpetual licence. */
    ends_at: number | null
    source: string
    /** At a satellite: the manager's lot that this is a part of. */
    lot_id: string | null
    /** Days before its end of the last warning; null before any, 0 when the end was told. */
    warned: number | null
  }
  /** What was bought, by SKU or tag; one without a smart account waits for it (guide, "Prerequisites"). */
  orders: {
    id: string
    account_id: string | null
    virtual_account_id: string | null
    sku: string | null
    tag: string | null
    version: string | null
    quantity: number
    term_days: number | null
    buyer: string | null
    status: 'fulfilled' | 'waiting' | 'handed-over'
    placed_at: number
    fulfilled_at: number | null
    /** Reminders sent so far, and when the next thing is done about it. */
    reminders: number
    next_at: number | null
  }
  /** E-mail that is to be sent: written with what it tells of, sent after. */
  mails: {
    id: Generated<number>
    /** The order it is about: when that is fulfilled, what was not sent is not sent any more. */
    about: string | null
    recipient: string
    subject: string
    text: string
    created_at: number
    sent_at: number | null
    attempts: number
    next_at: number
    failure: string | null
    /** A file that goes with it: its name, and its text. */
    attachment_name: string | null
    attachment: string | null
  }
  /** What the instances of a virtual account use of a tag: changed in the transaction that changes a demand. */
  pools: { virtual_account_id: string; tag: string; in_use: number; out_of_compliance: number }
  tokens: {
    id: string
    virtual_account_id: string
    /** AES-256-GCM under a key that is a file. */
    secret: string
    description: string
    export_controlled: number
    max_uses: number
    uses: number
    created_at: number
    expires_at: number
    revoked_at: number | null
    /** Restored, and not confirmed: how often it was used since the backup is not known. */
    in_review: number
    /** Who made it; null for one that is older than this is recorded. */
    created_by: string | null
  }
  instances: {
    id: string
    account_id: string
    virtual_account_id: string
    pid: string
    serial: string
    version: string
    hostname: string | null
    status: 'active' | 'removed' | 'replaced' | 'deregistered' | 'expired'
    export_controlled: number
    thumbprint: string
    public_key: string
    /** The key it registered with: a registration by the same key is the same registration. */
    registered_key: string
    /** The token it registered with. */
    token_id: string
    certificates: string
    next_thumbprint: string | null
    next_public_key: string | null
    next_certificates: string | null
    registered_at: number
    last_contact_at: number
    /** The end of the newest certificate issued to it. */
    expires_at: number
    sequence: number
    request_digest: string | null
    message_id: string | null
    decision: string | null
    last_answer: string | null
    answer_before: string | null
    /** The epoch of the authority in which it last asked: the first request after a restore may be ahead (trust §9). */
    epoch: number
    /** At a satellite: the exchange that reports its last change. */
    revision: number
    /** Taken back after a restore: 1 while its box has not shown its certificate yet, 2 while a person has not looked. */
    in_review: number
  }
  demands: { instance_id: string; tag: string; count: number }
  /** Specific licence reservations: each is a product instance that never asks. */
  reservations: {
    id: string
    account_id: string
    virtual_account_id: string
    pid: string
    serial: string
    version: string
    status: 'active' | 'returned' | 'lost'
    /** The box's number of its request, and its public key for it: no two reservations answer one request. */
    request: number
    box_key: string
    /** The newest authorization made, and the newest that the box is known to have installed. */
    sequence: number
    confirmed: number
    created_at: number
    updated_at: number
    ended_at: number | null
    wrong_codes: number
    wrong_since: number
    revision: number
    /** Restored, and not confirmed: it may have been changed since the backup. */
    in_review: number
  }
  /** What each authorization of a reservation reserves. */
  reserved_licenses: {
    reservation_id: string
    sequence: number
    /** The epoch of the authority when the authorization was made: the codes for it are of that one. */
    epoch: number
    tag: string
    count: number
    ends_at: number | null
  }
  /** At a manager: its satellites. */
  satellites: {
    id: string
    account_id: string
    name: string
    status: 'waiting' | 'active' | 'expired' | 'removed'
    created_at: number
    /** Its one-time code, sealed; null once it was used. */
    code: string | null
    code_expires_at: number | null
    /** Who answered to the name first: the satellite's own id and public key (SPKI, base64url). */
    satellite_id: string | null
    key: string | null
    issuing_ca: string | null
    /** The last exchange that was answered, the digest of its request, when that was written, and the answer as it was given. */
    epoch: number
    sequence: number
    request_digest: string | null
    request_at: number
    answer: string | null
    answered_at: number | null
    /** The newest exchange whose answer is known to have arrived. */
    acknowledged: number
    warn_days: number
    restrict_days: number
    credential_days: number
    warn_at: number | null
    restrict_at: number | null
    automatic_until: number | null
    /** What was told of its silence: 0 nothing, 1 that it is overdue. */
    overdue: number
    /** Days before the end of its credential at which it was last warned of. */
    credential_told: number | null
    /** The manager's own epoch when it last answered: after a restore of the manager, the satellite knows better. */
    manager_epoch: number
    /** The names that the manager's people gave its servers: a JSON list; null where it asks for them itself. */
    tls_names: string | null
  }
  /** The answers to a satellite that it may still come back with. */
  satellite_answers: { satellite_id: string; epoch: number; sequence: number; hash: string }
  /** At a manager: the product instances of satellites, as they reported them. */
  reported_instances: {
    satellite_id: string
    id: string
    kind: 'registered' | 'reserved'
    /** `replaced`: by a newer registration elsewhere, of which the satellite has not told that it knows. */
    status: 'active' | 'ended' | 'replaced'
    pid: string
    serial: string
    version: string
    /** The digest of the UDI: comparable where the serial number was left out. */
    udi: string
    hostname: string | null
    /** The satellite's own virtual account, and the manager's that it counts for. */
    place: string
    virtual_account_id: string
    since_at: number
    licenses: string
  }
  /** What satellites have reserved for boxes. */
  reported_reserved: {
    satellite_id: string
    instance_id: string
    virtual_account_id: string
    tag: string
    count: number
    ends_at: number | null
  }
  /** Licences that are called back from a satellite: they move when it has heard of it. */
  recalls: {
    id: string
    satellite_id: string
    license_id: string
    quantity: number
    to_virtual_account_id: string
    /** The exchange whose answer told the satellite; null before. */
    told_epoch: number | null
    told_sequence: number | null
    requested_at: number
  }
  /** At a satellite: its requests that may still be answered. */
  sync_requests: { epoch: number; sequence: number; digest: string; written_at: number }
  /** People who sign in at its page. */
  users: {
    name: string
    role: 'administrator' | 'user' | 'viewer'
    /** The smart account, and the virtual account, that the user is kept to; null for all of them. */
    account_id: string | null
    virtual_account_id: string | null
    /** Only ever a hash. */
    password: string
    must_change: number
    created_at: number
    signed_in_at: number | null
  }
  /** Who is signed in at the page: the digests of its cookie, its token and the password as it is kept. */
  sessions: {
    id: string
    token: string
    name: string
    stamp: string
    begun_at: number
    used_at: number
  }
  /** Passwords that were tried, by address: one that is right is taken out again. */
  guesses: { id: Generated<number>; address: string; at: number }
  /** Programs that use the REST API, each kept to a smart account. */
  api_clients: {
    id: string
    account_id: string
    /** The virtual account it is kept to; null for all of the smart account. */
    virtual_account_id: string | null
    /** SHA-256 of its secret, which has 256 random bits: never the secret. */
    secret_hash: string
    scope: 'read' | 'write'
    description: string
    created_at: number
    revoked_at: number | null
  }
  /** What lets a program in for an hour: by the hash of it alone. */
  access_tokens: {
    hash: string
    client_id: string | null
    /** Who signed in with it, and a digest of how the password was kept then; null for a client's own. */
    user_name: string | null
    user_stamp: string | null
    created_at: number
    expires_at: number
  }
  /** The numbers by which the REST API names smart accounts and virtual accounts. */
  public_numbers: { id: Generated<number>; subject: string }
  /** Who did what, and what was refused. */
  audit: {
    id: Generated<number>
    at: number
    who: string | null
    address: string
    action: string
    about: string
    outcome: string
    /** Its place in one of two chains, the hash of the entry before it, and its own; null until it is chained. */
    chain: 'deeds' | 'refusals' | null
    number: number | null
    previous: string | null
    hash: string | null
  }
  /** Where each chain of the audit record ends, and the last entry that was pruned from its beginning. */
  audit_chains: {
    chain: 'deeds' | 'refusals'
    number: number
    head: string
    anchor_number: number
    anchor_hash: string
  }
  /** Signed statements of where the chains ended. */
  audit_checkpoints: { id: string; at: number; text: string }
  /** Where events are sent as they happen. */
  webhooks: {
    id: string
    account_id: string
    url: string
    /** Certificates that its TLS is checked by beside the usual ones: PEM. */
    ca: string | null
    /** Sealed; after a rotation the secret before is good for a while. */
    secret: string
    old_secret: string | null
    old_until: number
    /** The types of events that it is told of, as JSON; null for all. */
    types: string | null
    severity: 'info' | 'minor' | 'major'
    created_at: number
    delivered: number
    delivered_at: number | null
    failure: string | null
    /** Until when somebody is at work on it. */
    taken_until: number
  }
  /** What is still to be delivered, and what could not be: a delivery that succeeded is gone. */
  webhook_deliveries: {
    id: string
    webhook_id: string
    event_id: number
    attempts: number
    next_at: number
    /** 1 when it is not tried any more. */
    dead: number
    failure: string | null
  }
  /** What a recipient is told of by e-mail, of a smart account or of one virtual account. */
  notifications: {
    id: string
    account_id: string
    virtual_account_id: string | null
    recipient: string
    daily: number
    status: number
    /** Days before the end of licences, as JSON. */
    expiring: string
    created_at: number
    set_by: string | null
    /** Until when events were summed up, and when the next summary is due. */
    summed_until: number
    daily_next_at: number
    /** The major alerts that were told, as JSON; null before the first look. */
    alerts: string | null
    look_next_at: number
  }
  report_schedules: {
    id: string
    account_id: string
    virtual_account_id: string | null
    kind: 'licenses' | 'instances' | 'usage' | 'audit-checkpoint'
    every: 'day' | 'week' | 'month'
    hour: number
    recipient: string | null
    folder: string | null
    created_at: number
    next_at: number
    last_at: number | null
    failure: string | null
    taken_until: number
  }
  events: {
    id: Generated<number>
    at: number
    account_id: string | null
    virtual_account: string | null
    instance_id: string | null
    type: string
    severity: 'info' | 'minor' | 'major'
    message: string
    /** Who did it; null for what time, a box or a satellite brought. */
    who: string | null
  }
  /** The key of TLS session tickets, by the days since 1970. */
  ticket_keys: { day: number; sealed: string }
}

/** From one version of the tables to the next: a change is a new entry, and none is changed after it was used. */
export const migrations: readonly (readonly string[])[] = [
  [
    `create table settings (name text primary key, value text not null)`,
    `create table accounts (id text primary key, domain text not null unique, agreement_at bigint, created_at bigint not null)`,
    `create table virtual_accounts (
      id text primary key, account_id text not null references accounts (id), name text not null,
      is_default integer not null, created_at bigint not null, unique (account_id, name)
    )`,
    `create table licenses (
      id text primary key, virtual_account_id text not null references virtual_accounts (id), tag text not null,
      quantity integer not null, starts_at bigint not null, ends_at bigint, source text not null
    )`,
    `create index licenses_of_pool on licenses (virtual_account_id, tag)`,
    `create table pools (
      virtual_account_id text not null references virtual_accounts (id), tag text not null,
      in_use integer not null, out_of_compliance integer not null, primary key (virtual_account_id, tag)
    )`,
    `create table tokens (
      id text primary key, virtual_account_id text not null references virtual_accounts (id), secret text not null,
      description text not null, export_controlled integer not null, max_uses integer not null, uses integer not null,
      created_at bigint not null, expires_at bigint not null, revoked_at bigint
    )`,
    `create table instances (
      id text primary key, account_id text not null references accounts (id),
      virtual_account_id text not null references virtual_accounts (id),
      pid text not null, serial text not null, version text not null, hostname text, status text not null,
      export_controlled integer not null, thumbprint text not null, public_key text not null,
      registered_key text not null, token_id text not null,
      certificates text not null, next_thumbprint text, next_public_key text, next_certificates text,
      registered_at bigint not null, last_contact_at bigint not null, expires_at bigint not null,
      sequence integer not null, request_digest text, message_id text, decision text, last_answer text, answer_before text
    )`,
    `create unique index one_active_instance on instances (account_id, pid, serial) where status = 'active'`,
    `create index instances_by_registered_key on instances (account_id, registered_key)`,
    `create index active_instances_by_end on instances (expires_at) where status = 'active'`,
    `create index instances_by_thumbprint on instances (thumbprint)`,
    `create index instances_by_next_thumbprint on instances (next_thumbprint)`,
    `create table demands (
      instance_id text not null references instances (id), tag text not null, count integer not null,
      primary key (instance_id, tag)
    )`,
    `create table events (
      id integer primary key autoincrement, at bigint not null, account_id text, virtual_account text, instance_id text,
      type text not null, severity text not null, message text not null
    )`,
  ],
  // Specific licence reservation.
  [
    `alter table accounts add column reservation_at bigint`,
    `create table reservations (
      id text primary key, account_id text not null references accounts (id),
      virtual_account_id text not null references virtual_accounts (id),
      pid text not null, serial text not null, version text not null, status text not null,
      request integer not null, box_key text not null, sequence integer not null, confirmed integer not null,
      created_at bigint not null, updated_at bigint not null, ended_at bigint,
      wrong_codes integer not null, wrong_since bigint not null, unique (box_key, request)
    )`,
    `create unique index one_active_reservation on reservations (account_id, pid, serial) where status = 'active'`,
    `create index active_reservations on reservations (virtual_account_id) where status = 'active'`,
    `create table reserved_licenses (
      reservation_id text not null references reservations (id), sequence integer not null, tag text not null,
      count integer not null, ends_at bigint
    )`,
    `create index reserved_licenses_of on reserved_licenses (reservation_id, sequence)`,
  ],
  // Orders by SKU, orders that wait for a smart account, terms that are warned of, e-mail.
  [
    `alter table licenses add column warned integer`,
    `create index licenses_by_end on licenses (ends_at) where ends_at is not null`,
    `create table orders (
      id text primary key, account_id text references accounts (id),
      virtual_account_id text references virtual_accounts (id), sku text, tag text, version text,
      quantity integer not null, term_days integer, buyer text, status text not null, placed_at bigint not null,
      fulfilled_at bigint, reminders integer not null, next_at bigint
    )`,
    `create index waiting_orders on orders (next_at) where status = 'waiting'`,
    `create table mails (
      id integer primary key autoincrement, about text, recipient text not null, subject text not null, text text not null,
      created_at bigint not null, sent_at bigint, attempts integer not null, next_at bigint not null, failure text
    )`,
    `create index unsent_mails on mails (next_at) where sent_at is null`,
  ],
  // Satellites.
  [
    `create table satellites (
      id text primary key, account_id text not null references accounts (id), name text not null, status text not null,
      created_at bigint not null, code text, code_expires_at bigint, satellite_id text, key text, issuing_ca text,
      epoch integer not null, sequence integer not null, request_digest text, request_at bigint not null, answer text,
      answered_at bigint, acknowledged integer not null, warn_days integer not null, restrict_days integer not null,
      credential_days integer not null, warn_at bigint, restrict_at bigint, automatic_until bigint,
      overdue integer not null, credential_told integer
    )`,
    `create unique index one_satellite_of_a_name on satellites (account_id, name) where status <> 'removed'`,
    `create table satellite_answers (
      satellite_id text not null references satellites (id), epoch integer not null, sequence integer not null,
      hash text not null, primary key (satellite_id, epoch, sequence)
    )`,
    `alter table virtual_accounts add column satellite_id text references satellites (id)`,
    `alter table virtual_accounts add column is_home integer not null default 0`,
    `alter table virtual_accounts add column upstream text`,
    `alter table licenses add column lot_id text`,
    `create index licenses_by_lot on licenses (lot_id) where lot_id is not null`,
    `alter table instances add column revision integer not null default 0`,
    `alter table instances add column in_review integer not null default 0`,
    `alter table instances add column epoch integer not null default 1`,
    `create index instances_by_revision on instances (revision)`,
    `alter table reservations add column revision integer not null default 0`,
    `create index reservations_by_revision on reservations (revision)`,
    `alter table reserved_licenses add column epoch integer not null default 1`,
    `create table reported_instances (
      satellite_id text not null references satellites (id), id text not null, kind text not null, status text not null,
      pid text not null, serial text not null, version text not null, udi text not null, hostname text,
      place text not null, virtual_account_id text not null references virtual_accounts (id), since_at bigint not null,
      licenses text not null, primary key (satellite_id, id)
    )`,
    `create index reported_instances_by_kind on reported_instances (satellite_id, status, kind)`,
    `create index reported_instances_by_udi on reported_instances (udi) where status = 'active'`,
    `create index reported_instances_of_account on reported_instances (virtual_account_id) where status = 'active'`,
    `create table reported_reserved (
      satellite_id text not null references satellites (id), instance_id text not null,
      virtual_account_id text not null references virtual_accounts (id), tag text not null, count integer not null,
      ends_at bigint
    )`,
    `create index reported_reserved_of on reported_reserved (satellite_id, instance_id)`,
    `create index reported_reserved_of_pool on reported_reserved (virtual_account_id, tag)`,
    `create table recalls (
      id text primary key, satellite_id text not null references satellites (id),
      license_id text not null references licenses (id), quantity integer not null,
      to_virtual_account_id text not null references virtual_accounts (id), told_epoch integer, told_sequence integer,
      requested_at bigint not null
    )`,
    `create table sync_requests (
      epoch integer not null, sequence integer not null, digest text not null, written_at bigint not null,
      primary key (epoch, sequence)
    )`,
  ],
  // People who sign in, and what they did.
  [
    `create table users (
      name text primary key, role text not null, account_id text references accounts (id),
      virtual_account_id text, password text not null, must_change integer not null, created_at bigint not null,
      signed_in_at bigint
    )`,
    `create table audit (
      id integer primary key autoincrement, at bigint not null, who text, address text not null, action text not null,
      about text not null, outcome text not null
    )`,
  ],
  // Who is signed in at the page, in every process and through a restart; and passwords that were tried.
  [
    `create table sessions (
      id text primary key, token text not null, name text not null, stamp text not null, begun_at bigint not null,
      used_at bigint not null
    )`,
    `create index sessions_of_user on sessions (name)`,
    `create table guesses (id integer primary key autoincrement, address text not null, at bigint not null)`,
    `create index guesses_of_address on guesses (address, at)`,
  ],
  // Who did it, a chained audit record, webhooks, notifications, scheduled reports.
  [
    `alter table events add column who text`,
    `alter table tokens add column created_by text`,
    `alter table mails add column attachment_name text`,
    `alter table mails add column attachment text`,
    `create index events_of_account on events (account_id, id)`,
    `create index events_of_instance on events (instance_id, id) where instance_id is not null`,
    `create index events_by_type on events (type, account_id)`,
    `create index events_by_time on events (at)`,
    `create index active_instances_by_contact on instances (account_id, last_contact_at) where status = 'active'`,
    `create index ended_reservations on reservations (account_id, ended_at) where ended_at is not null`,
    `alter table audit add column chain text`,
    `alter table audit add column number bigint`,
    `alter table audit add column previous text`,
    `alter table audit add column hash text`,
    `create unique index audit_by_number on audit (chain, number)`,
    `create index audit_by_time on audit (at)`,
    `create table audit_chains (
      chain text primary key, number bigint not null, head text not null, anchor_number bigint not null,
      anchor_hash text not null
    )`,
    `insert into audit_chains (chain, number, head, anchor_number, anchor_hash) values
      ('deeds', 0, 'beginning', 0, 'beginning'), ('refusals', 0, 'beginning', 0, 'beginning')`,
    `create table audit_checkpoints (id text primary key, at bigint not null, text text not null)`,
    `create table webhooks (
      id text primary key, account_id text not null references accounts (id), url text not null, ca text,
      secret text not null, old_secret text, old_until bigint not null, types text, severity text not null,
      created_at bigint not null, delivered bigint not null, delivered_at bigint, failure text,
      taken_until bigint not null
    )`,
    `create table webhook_deliveries (
      id text primary key, webhook_id text not null references webhooks (id), event_id bigint not null,
      attempts integer not null, next_at bigint not null, dead integer not null, failure text
    )`,
    `create index webhook_deliveries_of on webhook_deliveries (webhook_id, dead, event_id)`,
    `create index due_webhook_deliveries on webhook_deliveries (next_at) where dead = 0`,
    `create table notifications (
      id text primary key, account_id text not null references accounts (id), virtual_account_id text,
      recipient text not null, daily integer not null, status integer not null, expiring text not null,
      created_at bigint not null, set_by text, summed_until bigint not null, daily_next_at bigint not null,
      alerts text, look_next_at bigint not null
    )`,
    `create index notifications_of on notifications (account_id, recipient)`,
    `create table report_schedules (
      id text primary key, account_id text not null references accounts (id), virtual_account_id text,
      kind text not null, every text not null, hour integer not null, recipient text, folder text,
      created_at bigint not null, next_at bigint not null, last_at bigint, failure text, taken_until bigint not null
    )`,
  ],
  // What is in doubt after a restore of a manager.
  [
    `alter table tokens add column in_review integer not null default 0`,
    `alter table reservations add column in_review integer not null default 0`,
    `alter table satellites add column manager_epoch integer not null default 1`,
  ],
  // Programs that use the REST API.
  [
    `create table api_clients (
      id text primary key, account_id text not null references accounts (id), virtual_account_id text,
      secret_hash text not null, scope text not null, description text not null, created_at bigint not null,
      revoked_at bigint
    )`,
    `create table access_tokens (
      hash text primary key, client_id text references api_clients (id), user_name text, user_stamp text,
      created_at bigint not null, expires_at bigint not null
    )`,
    `create index access_tokens_by_end on access_tokens (expires_at)`,
    `create index access_tokens_of_client on access_tokens (client_id)`,
    `create table public_numbers (id integer primary key autoincrement, subject text not null unique)`,
  ],
  // Boxes that come to register are looked for in all accounts at once.
  [
    `create index instances_by_key on instances (registered_key)`,
    `create index instances_by_serial on instances (serial)`,
    `create index reservations_by_serial on reservations (serial)`,
    `drop index instances_by_registered_key`,
    `create table ticket_keys (day integer primary key, sealed text not null)`,
  ],
  // The names that the manager's people gave the servers of a satellite.
  [`alter table satellites add column tls_names text`],
]
