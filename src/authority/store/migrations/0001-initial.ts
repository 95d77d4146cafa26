/**
 * Tables of data version 1, ordered by their references. The statements are for SQLite, and `toPostgres` translates
 * their types. A published migration must not be changed. Add another migration instead.
 */
export const initial: readonly string[] = [
  `create table settings (name text primary key, value text not null)`,

  `create table accounts (
    id text primary key, domain text not null unique, agreement_at bigint, reservation_at bigint, software_version text,
    created_at bigint not null
  )`,
  `create table satellites (
    id text primary key, account_id text not null references accounts (id), name text not null, status text not null,
    created_at bigint not null, code text, code_expires_at bigint, satellite_id text, key text, issuing_ca text,
    epoch integer not null, sequence integer not null, request_digest text, request_at bigint not null, answer text,
    answered_at bigint, acknowledged integer not null, warn_days integer not null, restrict_days integer not null,
    credential_days integer not null, warn_at bigint, restrict_at bigint, automatic_until bigint,
    overdue_notified integer not null, credential_warned_days integer, manager_epoch integer not null, tls_names text
  )`,
  `create unique index one_satellite_of_a_name on satellites (account_id, name) where status <> 'removed'`,
  `create table satellite_answers (
    satellite_id text not null references satellites (id), epoch integer not null, sequence integer not null,
    hash text not null, primary key (satellite_id, epoch, sequence)
  )`,
  `create table virtual_accounts (
    id text primary key, account_id text not null references accounts (id), name text not null,
    is_default integer not null, created_at bigint not null, satellite_id text references satellites (id),
    is_home integer not null default 0, upstream text, unique (account_id, name)
  )`,

  `create table licenses (
    id text primary key, virtual_account_id text not null references virtual_accounts (id), tag text not null,
    quantity integer not null, starts_at bigint not null, ends_at bigint, source text not null, lot_id text,
    warned_days integer
  )`,
  `create index licenses_of_pool on licenses (virtual_account_id, tag)`,
  `create index licenses_by_end on licenses (ends_at) where ends_at is not null`,
  `create index licenses_by_lot on licenses (lot_id) where lot_id is not null`,
  `create table orders (
    id text primary key, account_id text references accounts (id),
    virtual_account_id text references virtual_accounts (id), sku text, tag text, version text,
    quantity integer not null, term_days integer, buyer text, status text not null, placed_at bigint not null,
    fulfilled_at bigint, reminders integer not null, next_at bigint
  )`,
  `create index waiting_orders on orders (next_at) where status = 'waiting'`,
  `create table pools (
    virtual_account_id text not null references virtual_accounts (id), tag text not null,
    in_use integer not null, out_of_compliance integer not null, primary key (virtual_account_id, tag)
  )`,
  `create table tokens (
    id text primary key, virtual_account_id text not null references virtual_accounts (id), secret text not null,
    description text not null, export_controlled integer not null, max_uses integer not null, uses integer not null,
    created_at bigint not null, expires_at bigint not null, revoked_at bigint, in_review integer not null default 0,
    created_by text
  )`,

  `create table instances (
    id text primary key, account_id text not null references accounts (id),
    virtual_account_id text not null references virtual_accounts (id),
    pid text not null, serial text not null, version text not null, hostname text, status text not null,
    export_controlled integer not null, thumbprint text not null, public_key text not null,
    registered_key text not null, token_id text not null,
    certificates text not null, next_thumbprint text, next_public_key text, next_certificates text,
    registered_at bigint not null, last_contact_at bigint not null, expires_at bigint not null,
    sequence integer not null, request_digest text, message_id text, decision text, last_answer text,
    previous_answer text, epoch integer not null default 1, revision integer not null default 0,
    in_review integer not null default 0, profile_name text, profile_version integer
  )`,
  `create unique index one_active_instance on instances (account_id, pid, serial) where status = 'active'`,
  `create index active_instances_by_end on instances (expires_at) where status = 'active'`,
  `create index active_instances_by_contact
    on instances (account_id, last_contact_at, id, virtual_account_id, in_review) where status = 'active'`,
  `create index active_instances_of_account_by_end on instances (account_id, expires_at, id, virtual_account_id)
    where status = 'active'`,
  `create index active_instances_by_profile
    on instances (account_id, virtual_account_id, profile_name, profile_version)
    where status = 'active' and profile_name is not null`,
  `create index instances_in_review on instances (account_id, id, virtual_account_id)
    where status = 'active' and in_review = 2`,
  `create index active_instances_of_account on instances (account_id, registered_at, pid, serial, id, hostname)
    where status = 'active'`,
  `create index active_instances_of_virtual_account
    on instances (virtual_account_id, registered_at, pid, serial, id, hostname) where status = 'active'`,
  `create index ended_instances on instances (status) where status <> 'active'`,
  `create index instances_by_thumbprint on instances (thumbprint)`,
  `create index instances_by_next_thumbprint on instances (next_thumbprint)`,
  `create index instances_by_revision on instances (revision)`,
  `create index instances_by_key on instances (registered_key)`,
  `create index instances_by_serial on instances (serial)`,
  `create table instance_usage (
    instance_id text not null references instances (id), tag text not null, count integer not null,
    primary key (instance_id, tag)
  )`,

  `create table reservations (
    id text primary key, account_id text not null references accounts (id),
    virtual_account_id text not null references virtual_accounts (id),
    pid text not null, serial text not null, version text not null, status text not null,
    request integer not null, device_key text not null, sequence integer not null, confirmed integer not null,
    created_at bigint not null, updated_at bigint not null, ended_at bigint,
    failed_code_attempts integer not null, failed_code_attempts_since bigint not null,
    revision integer not null default 0, in_review integer not null default 0, unique (device_key, request)
  )`,
  `create unique index one_active_reservation on reservations (account_id, pid, serial) where status = 'active'`,
  `create index active_reservations on reservations (virtual_account_id) where status = 'active'`,
  `create index active_reservations_of_account on reservations (account_id, created_at, pid, serial, id)
    where status = 'active'`,
  `create index ended_reservations on reservations (account_id, ended_at) where ended_at is not null`,
  `create index reservations_by_revision on reservations (revision)`,
  `create index reservations_by_serial on reservations (serial)`,
  `create table reserved_licenses (
    reservation_id text not null references reservations (id), sequence integer not null,
    epoch integer not null default 1, tag text not null, count integer not null, ends_at bigint
  )`,
  `create index reserved_licenses_of on reserved_licenses (reservation_id, sequence)`,

  `create table reported_instances (
    satellite_id text not null references satellites (id), id text not null, kind text not null, status text not null,
    pid text not null, serial text not null, version text not null, udi text not null, hostname text,
    virtual_account text not null, virtual_account_id text not null references virtual_accounts (id),
    since_at bigint not null, licenses text not null, primary key (satellite_id, id)
  )`,
  `create index reported_instances_by_kind on reported_instances (satellite_id, status, kind)`,
  `create index active_reported_instances
    on reported_instances (satellite_id, since_at, pid, serial, id, hostname, kind, virtual_account_id)
    where status = 'active'`,
  `create index reported_instances_by_id on reported_instances (id)`,
  `create index reported_instances_by_serial on reported_instances (serial)`,
  `create index reported_instances_by_udi on reported_instances (udi) where status = 'active'`,
  `create index reported_instances_of_account on reported_instances (virtual_account_id) where status = 'active'`,
  `create table reported_reserved (
    satellite_id text not null references satellites (id), instance_id text not null,
    virtual_account_id text not null references virtual_accounts (id), tag text not null, count integer not null,
    ends_at bigint
  )`,
  `create index reported_reserved_of on reported_reserved (satellite_id, instance_id)`,
  `create index reported_reserved_of_pool on reported_reserved (virtual_account_id, tag)`,
  `create table reclaims (
    id text primary key, satellite_id text not null references satellites (id),
    license_id text not null references licenses (id), quantity integer not null,
    to_virtual_account_id text not null references virtual_accounts (id), notified_epoch integer,
    notified_sequence integer, requested_at bigint not null
  )`,
  `create table sync_requests (
    epoch integer not null, sequence integer not null, digest text not null, written_at bigint not null,
    primary key (epoch, sequence)
  )`,

  `create table users (
    name text primary key, role text not null, account_id text references accounts (id),
    virtual_account_id text, password text not null, must_change integer not null, created_at bigint not null,
    signed_in_at bigint
  )`,
  `create table sessions (
    id text primary key, token text not null, name text not null, password_digest text not null,
    begun_at bigint not null, used_at bigint not null
  )`,
  `create index sessions_of_user on sessions (name)`,
  `create table login_attempts (id integer primary key autoincrement, address text not null, at bigint not null)`,
  `create index login_attempts_of_address on login_attempts (address, at)`,
  `create table api_clients (
    id text primary key, account_id text not null references accounts (id), virtual_account_id text,
    secret_hash text not null, scope text not null, description text not null, created_at bigint not null,
    revoked_at bigint
  )`,
  `create table access_tokens (
    hash text primary key, client_id text references api_clients (id), user_name text, user_password_digest text,
    created_at bigint not null, expires_at bigint not null
  )`,
  `create index access_tokens_by_end on access_tokens (expires_at)`,
  `create index access_tokens_of_client on access_tokens (client_id)`,
  `create table numeric_ids (id integer primary key autoincrement, subject text not null unique)`,

  `create table audit (
    id integer primary key autoincrement, at bigint not null, who text, address text not null, action text not null,
    subject text not null, outcome text not null, kind text not null, number bigint not null, previous text not null,
    hash text not null
  )`,
  `create unique index audit_by_number on audit (number)`,
  `create index audit_by_kind on audit (kind, number)`,
  `create table audit_chain (
    id integer primary key, number bigint not null, head text not null, anchor_number bigint not null,
    anchor_hash text not null
  )`,
  `insert into audit_chain (id, number, head, anchor_number, anchor_hash) values (1, 0, 'genesis', 0, 'genesis')`,
  `create table audit_checkpoints (id text primary key, at bigint not null, text text not null)`,

  `create table events (
    id integer primary key autoincrement, at bigint not null, account_id text, virtual_account text, instance_id text,
    type text not null, severity text not null, message text not null, who text
  )`,
  `create index events_of_account on events (account_id, id)`,
  `create index events_of_virtual_account on events (account_id, virtual_account, id)`,
  `create index severe_events_of_account on events (account_id, severity, id) where severity <> 'info'`,
  `create index events_of_instance on events (instance_id, id) where instance_id is not null`,
  `create index events_by_type on events (type, account_id)`,
  `create index events_by_time on events (at)`,
  `create table mails (
    id integer primary key autoincrement, subject_id text, recipient text not null, subject text not null,
    text text not null, created_at bigint not null, sent_at bigint, attempts integer not null, next_at bigint not null,
    failure text, attachment_name text, attachment text
  )`,
  `create index unsent_mails on mails (next_at) where sent_at is null`,
  `create table webhooks (
    id text primary key, account_id text not null references accounts (id), url text not null, ca text,
    secret text not null, old_secret text, old_until bigint not null, types text, severity text not null,
    created_at bigint not null, delivered bigint not null, delivered_at bigint, failure text,
    claimed_until bigint not null
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
    created_at bigint not null, set_by text, summarized_until bigint not null, daily_next_at bigint not null,
    alerts text, next_check_at bigint not null
  )`,
  `create index notifications_of on notifications (account_id, recipient)`,
  `create table report_schedules (
    id text primary key, account_id text not null references accounts (id), virtual_account_id text,
    kind text not null, every text not null, hour integer not null, recipient text, folder text,
    created_at bigint not null, next_at bigint not null, last_at bigint, failure text, claimed_until bigint not null
  )`,
  `create table ticket_keys (day integer primary key, encrypted_key text not null)`,
]
