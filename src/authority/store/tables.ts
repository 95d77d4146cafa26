import type { Generated } from 'kysely'
import type { UserRole } from '../../http/user-roles.ts'

/** Tables of the authority. Instants are milliseconds since 1970 UTC, and flags are 0 or 1. */
export interface Tables {
  settings: { name: string; value: string }
  accounts: {
    id: string
    domain: string
    agreement_at: number | null
    /** The instant at which specific license reservation was enabled, or null. */
    reservation_at: number | null
    /** The highest software version that a fulfilled kit order entitles, or null. */
    software_version: string | null
    created_at: number
  }
  virtual_accounts: {
    id: string
    account_id: string
    name: string
    is_default: number
    created_at: number
    /** At a manager: the satellite that owns the virtual account. One account of each satellite is its home. */
    satellite_id: string | null
    is_home: number
    /** At a satellite: the manager's virtual account that supplies the licenses, or null. */
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
    /** At a satellite: the manager's lot to which the licenses belong. */
    lot_id: string | null
    /** Days of the last warning before the end, 0 once the end was reported, or null. */
    warned_days: number | null
  }
  /** Orders by SKU or tag. An order without a smart account waits for one. */
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
    /** Reminders sent so far, and the time of the next step. */
    reminders: number
    next_at: number | null
  }
  /** E-mail queue. A mail is written in the transaction of its cause and sent later. */
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
    /** Name and text of an attached file. */
    attachment_name: string | null
    attachment: string | null
  }
  /**
   * Usage of a tag by the instances of a virtual account. Updated in the transaction that changes the usage of an
   * instance.
   */
  pools: { virtual_account_id: string; tag: string; in_use: number; out_of_compliance: number }
  tokens: {
    id: string
    virtual_account_id: string
    /** Encrypted with AES-256-GCM. The key is a file. */
    secret: string
    description: string
    export_controlled: number
    max_uses: number
    uses: number
    created_at: number
    expires_at: number
    revoked_at: number | null
    /** 1 if the token was restored and not reviewed. Its uses since the backup are not known. */
    in_review: number
    /** The user who created the token, or null for a command without a known user. */
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
    /** The key of the registration. A registration with the same key is a repetition. */
    registered_key: string
    /** The token of the registration. */
    token_id: string
    certificates: string
    next_thumbprint: string | null
    next_public_key: string | null
    next_certificates: string | null
    registered_at: number
    last_contact_at: number
    /** The end of the newest certificate of the instance. */
    expires_at: number
    sequence: number
    request_digest: string | null
    message_id: string | null
    decision: string | null
    last_answer: string | null
    previous_answer: string | null
    /**
     * The epoch of the authority at the last request. The first request after a restore may be ahead of the stored
     * sequence.
     */
    epoch: number
    /** At a satellite: the exchange that reports its last change. */
    revision: number
    /**
     * After a restore: 1 until the device shows its certificate, 2 until an administrator has reviewed the instance.
     */
    in_review: number
    /** Name and version of the profile that the device named last; null if it named none. */
    profile_name: string | null
    profile_version: number | null
  }
  instance_usage: { instance_id: string; tag: string; count: number }
  /** Specific license reservations. Each is a product instance that makes no contact. */
  reservations: {
    id: string
    account_id: string
    virtual_account_id: string
    pid: string
    serial: string
    version: string
    status: 'active' | 'returned' | 'lost'
    /** The device's request number and public key. No two reservations answer the same request. */
    request: number
    device_key: string
    /** The newest authorization, and the newest that the device has confirmed to be installed. */
    sequence: number
    confirmed: number
    created_at: number
    updated_at: number
    ended_at: number | null
    failed_code_attempts: number
    failed_code_attempts_since: number
    revision: number
    /** 1 if the reservation was restored and not reviewed. It may have been changed since the backup. */
    in_review: number
  }
  /** Licenses of each authorization of a reservation. */
  reserved_licenses: {
    reservation_id: string
    sequence: number
    /**
     * The epoch of the authority at the time of the authorization. The codes of the authorization contain this epoch.
     */
    epoch: number
    tag: string
    count: number
    ends_at: number | null
  }
  /** At a manager: the satellites. */
  satellites: {
    id: string
    account_id: string
    name: string
    status: 'waiting' | 'active' | 'expired' | 'removed'
    created_at: number
    /** The encrypted enrollment code, or null once it was used. */
    code: string | null
    code_expires_at: number | null
    /** The satellite that first used the name: its id and public key (SPKI, base64url). */
    satellite_id: string | null
    key: string | null
    issuing_ca: string | null
    /** The last answered exchange: its number, the digest and time of its request, and the answer. */
    epoch: number
    sequence: number
    request_digest: string | null
    request_at: number
    answer: string | null
    answered_at: number | null
    /** The newest exchange whose answer the satellite has acknowledged. */
    acknowledged: number
    warn_days: number
    restrict_days: number
    credential_days: number
    warn_at: number | null
    restrict_at: number | null
    automatic_until: number | null
    /** 1 if an event has reported that the synchronization is overdue. */
    overdue_notified: number
    /** Days of the last warning before the end of the credential. */
    credential_warned_days: number | null
    /** The manager's epoch at the last answer. After a restore of the manager the satellite's data is newer. */
    manager_epoch: number
    /** The server names that the manager has set, as a JSON list, or null if the satellite requests them. */
    tls_names: string | null
  }
  /** Answers that a satellite may still refer to. */
  satellite_answers: { satellite_id: string; epoch: number; sequence: number; hash: string }
  /** At a manager: the product instances of satellites, as they reported them. */
  reported_instances: {
    satellite_id: string
    id: string
    kind: 'registered' | 'reserved'
    /** `replaced`: a newer registration exists elsewhere, and the satellite has not confirmed the end of this one. */
    status: 'active' | 'ended' | 'replaced'
    pid: string
    serial: string
    version: string
    /** The digest of the UDI, for comparison if the serial number is redacted. */
    udi: string
    hostname: string | null
    /** The satellite's virtual account, and the manager's virtual account that it counts for. */
    virtual_account: string
    virtual_account_id: string
    since_at: number
    licenses: string
  }
  /** Licenses that satellites have reserved for devices. */
  reported_reserved: {
    satellite_id: string
    instance_id: string
    virtual_account_id: string
    tag: string
    count: number
    ends_at: number | null
  }
  /** Licenses that are reclaimed from a satellite. They move when the satellite has acknowledged the reclaim. */
  reclaims: {
    id: string
    satellite_id: string
    license_id: string
    quantity: number
    to_virtual_account_id: string
    /** The exchange whose answer notified the satellite, or null. */
    notified_epoch: number | null
    notified_sequence: number | null
    requested_at: number
  }
  /** At a satellite: the requests that may still be answered. */
  sync_requests: { epoch: number; sequence: number; digest: string; written_at: number }
  /** Users of the web console. */
  users: {
    name: string
    role: UserRole
    /** The smart account and the virtual account to which the user is restricted, or null. */
    account_id: string | null
    virtual_account_id: string | null
    /** The password hash. */
    password: string
    must_change: number
    created_at: number
    signed_in_at: number | null
  }
  /** Sessions of the web console: digests of the cookie, the token and the stored password hash. */
  sessions: {
    id: string
    token: string
    name: string
    password_digest: string
    begun_at: number
    used_at: number
  }
  /** Failed logins by address. A successful login deletes its entry. */
  login_attempts: { id: Generated<number>; address: string; at: number }
  /** Clients of the REST API. Each is restricted to a smart account. */
  api_clients: {
    id: string
    account_id: string
    /** The virtual account to which the client is restricted, or null. */
    virtual_account_id: string | null
    /** SHA-256 of the client secret. A plain hash is sufficient, because the secret has 256 random bits. */
    secret_hash: string
    scope: 'read' | 'write'
    description: string
    created_at: number
    revoked_at: number | null
  }
  /** Access tokens of the REST API, valid for one hour and stored as hashes. */
  access_tokens: {
    hash: string
    client_id: string | null
    /** The user of the token and a digest of the stored password hash, or null for a token of a client. */
    user_name: string | null
    user_password_digest: string | null
    created_at: number
    expires_at: number
  }
  /** Numeric ids of smart accounts and virtual accounts in the REST API. */
  numeric_ids: { id: Generated<number>; subject: string }
  /** The audit log: actions of users, and denials. */
  audit: {
    id: Generated<number>
    at: number
    who: string | null
    address: string
    action: string
    subject: string
    outcome: string
    kind: 'action' | 'denial'
    /** The position in the chain, the hash of the entry before, and the hash of this entry. */
    number: number
    previous: string
    hash: string
  }
  /** The end of the audit chain, and its last pruned entry. The table has one row. */
  audit_chain: {
    id: 1
    number: number
    head: string
    anchor_number: number
    anchor_hash: string
  }
  /** Signed checkpoints of the audit chain. */
  audit_checkpoints: { id: string; at: number; text: string }
  /** Recipients of events over HTTPS. */
  webhooks: {
    id: string
    account_id: string
    url: string
    /** Additional CA certificates for the TLS connection, as PEM. */
    ca: string | null
    /** Encrypted. After a rotation the old secret stays valid until `old_until`. */
    secret: string
    old_secret: string | null
    old_until: number
    /** The types of events to deliver, as JSON, or null for all. */
    types: string | null
    severity: 'info' | 'minor' | 'major'
    created_at: number
    delivered: number
    delivered_at: number | null
    failure: string | null
    /** The end of a process's claim. */
    claimed_until: number
  }
  /** Pending and failed deliveries. A successful delivery is deleted. */
  webhook_deliveries: {
    id: string
    webhook_id: string
    event_id: number
    attempts: number
    next_at: number
    /** 1 if the delivery has failed for good. */
    dead: number
    failure: string | null
  }
  /** E-mail notifications of a recipient, for a smart account or one virtual account. */
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
    /** The end of the period that the last summary covers, and the time of the next summary. */
    summarized_until: number
    daily_next_at: number
    /** The major alerts that were reported, as JSON, or null before the first check. */
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
    /** The user or client that caused the event, or null for time, a device or a satellite. */
    who: string | null
  }
  /** Keys of TLS session tickets, by the number of days since 1970. */
  ticket_keys: { day: number; encrypted_key: string }
}
