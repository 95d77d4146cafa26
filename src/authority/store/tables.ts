import type { Generated } from 'kysely'

/** The authority's tables. Instants are milliseconds since 1970 UTC; flags are 0 or 1. */
export interface Tables {
  settings: { name: string; value: string }
  accounts: {
    id: string
    domain: string
    agreement_at: number | null
    /** When the account was authorized for specific license reservation; null while it is not. */
    reservation_at: number | null
    /** The highest software version that a fulfilled kit order entitles; null before any. */
    software_version: string | null
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
    /** At a satellite: the manager's virtual account whose licenses arrive here; null for one of the satellite's own. */
    upstream: string | null
  }
  licenses: {
    id: string
    virtual_account_id: string
    tag: string
    quantity: number
    starts_at: number
    /** Null for a perpetual license. */
    ends_at: number | null
    source: string
    /** At a satellite: the manager's lot that this is a part of. */
    lot_id: string | null
    /** Days before its end of the last warning; null before any, 0 when the end was reported. */
    warned_days: number | null
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
    status: 'fulfilled' | 'waiting' | 'escalated'
    placed_at: number
    fulfilled_at: number | null
    /** Reminders sent so far, and when the next thing is done about it. */
    reminders: number
    next_at: number | null
  }
  /** E-mail that is to be sent: written with what it tells of, sent after. */
  mails: {
    id: Generated<number>
    /** The id of its subject, such as an order: unsent mail about it is discarded with this id. */
    subject_id: string | null
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
    /** Who made it; null for a command without a known user. */
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
    previous_answer: string | null
    /** The epoch of the authority in which it last asked: the first request after a restore may be ahead (trust §9). */
    epoch: number
    /** At a satellite: the exchange that reports its last change. */
    revision: number
    /** Taken back after a restore: 1 while its box has not shown its certificate yet, 2 while a person has not looked. */
    in_review: number
  }
  instance_usage: { instance_id: string; tag: string; count: number }
  /** Specific license reservations: each is a product instance that never asks. */
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
    device_key: string
    /** The newest authorization made, and the newest that the box is known to have installed. */
    sequence: number
    confirmed: number
    created_at: number
    updated_at: number
    ended_at: number | null
    failed_code_attempts: number
    failed_code_attempts_since: number
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
    /** 1 when an event has reported that its synchronization is overdue. */
    overdue_notified: number
    /** Days before the end of its credential at which it was last warned of. */
    credential_warned_days: number | null
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
    virtual_account: string
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
  /** Licenses that are reclaimed from a satellite: they move when it has acknowledged that. */
  reclaims: {
    id: string
    satellite_id: string
    license_id: string
    quantity: number
    to_virtual_account_id: string
    /** The exchange whose answer notified the satellite; null before. */
    notified_epoch: number | null
    notified_sequence: number | null
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
  /** Who is signed in at the page: the digests of the cookie, the token and the stored password hash. */
  sessions: {
    id: string
    token: string
    name: string
    password_digest: string
    begun_at: number
    used_at: number
  }
  /** Login attempts by address: a successful one is removed. */
  login_attempts: { id: Generated<number>; address: string; at: number }
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
    /** The user who signed in with it, and a digest of the stored password hash; null for a client's own. */
    user_name: string | null
    user_password_digest: string | null
    created_at: number
    expires_at: number
  }
  /** The numbers by which the REST API names smart accounts and virtual accounts. */
  numeric_ids: { id: Generated<number>; subject: string }
  /** The audit log: what users did, and what was denied. */
  audit: {
    id: Generated<number>
    at: number
    who: string | null
    address: string
    action: string
    subject: string
    outcome: string
    kind: 'action' | 'denial'
    /** Its position in the chain, the hash of the entry before it, and its own. */
    number: number
    previous: string
    hash: string
  }
  /** One row: the end of the audit chain, and the last entry that was pruned from its beginning. */
  audit_chain: {
    id: 1
    number: number
    head: string
    anchor_number: number
    anchor_hash: string
  }
  /** Signed statements of where the chain ended. */
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
    /** Until when a process has claimed it. */
    claimed_until: number
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
    /** Days before the end of licenses, as JSON. */
    expiring: string
    created_at: number
    set_by: string | null
    /** Until when events were summed up, and when the next summary is due. */
    summarized_until: number
    daily_next_at: number
    /** The major alerts that were told, as JSON; null before the first look. */
    alerts: string | null
    next_check_at: number
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
    claimed_until: number
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
  ticket_keys: { day: number; encrypted_key: string }
}
