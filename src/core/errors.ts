/**
 * The closed set of errors of both programs: one table, from which `docs/errors.md` is generated.
 * A code is stable public API; a message says what failed and why; the remedy says what to do.
 */

/** Who is told no, and how firmly. `transport` is tried again by itself; a refusal is not. */
export type ErrorKind = 'usage' | 'refusal' | 'transport' | 'answer' | 'local'

interface ErrorEntry {
  readonly kind: ErrorKind
  readonly meaning: string
  readonly remedy: string
}

const entry = (kind: ErrorKind, meaning: string, remedy: string): ErrorEntry => ({ kind, meaning, remedy })

export const errorTable = {
  // Wrong usage: exit code 2, nothing was tried.
  USAGE: entry(
    'usage',
    'The command line is not one this program knows.',
    'See --help for the commands and options.',
  ),
  INVALID_ARGUMENT: entry(
    'usage',
    'A value given is not of the form it must have.',
    'Correct the value that the message names and try again.',
  ),
  CONFIRMATION_REQUIRED: entry(
    'usage',
    'The command asks for confirmation, and none could be given.',
    'Run it again with --yes, or from a terminal.',
  ),

  // The box itself.
  DATA_DIR_MISSING: entry(
    'local',
    'There is no data directory at the place named.',
    'Make one with `init`, or name the right one with --data-dir.',
  ),
  DATA_DIR_EXISTS: entry(
    'local',
    'The directory already holds an agent or an authority.',
    'Use it as it is, or name another with --data-dir.',
  ),
  DATA_DIR_LOCKED: entry(
    'local',
    'Another process is using the data directory.',
    'Wait for it to finish, or stop the process that holds it.',
  ),
  DATA_DIR_UNSAFE: entry(
    'local',
    'The data directory belongs to another user or is open to others.',
    'Make it owned by the user who runs the program, with mode 0700.',
  ),
  PROFILE_MISMATCH: entry(
    'local',
    'The data directory belongs to another product profile than the one it was opened with.',
    'Open it without a profile, or with its own. To change the product, set `replaceProfile`.',
  ),
  PROFILE_TAG_IN_USE: entry(
    'local',
    'A replacement of the product profile would drop an entitlement tag that is in use.',
    'Keep the tag in the profile, or set its usage to 0 first.',
  ),
  STORE_UNREADABLE: entry(
    'local',
    'The stored state could not be read.',
    'Restore the data directory from a backup, or make a new one.',
  ),
  STORE_UNWRITABLE: entry(
    'local',
    'The stored state could not be written.',
    'Make the data directory writable for this user.',
  ),
  AUTHORITY_BUSY: entry(
    'transport',
    'The authority has more requests than it can answer in time.',
    'Nothing: the agent comes back when the authority said. Serve with more processes if it happens often.',
  ),
  DATABASE_UNREACHABLE: entry(
    'local',
    'The PostgreSQL database of the authority cannot be reached, or did not answer in time.',
    'See whether it runs and is reached from this machine. A server tries again by itself; give a command again.',
  ),
  DATABASE_REFUSED: entry(
    'local',
    'The PostgreSQL database of the authority does not let this program in.',
    'See that its user, password, database and rights are those of --database.',
  ),
  STORE_FULL: entry(
    'local',
    'The disk that holds the data directory is full.',
    'Free some space; nothing that was acknowledged is lost.',
  ),
  STORE_MODULE_ABSENT: entry(
    'local',
    'The native module that keeps the data, better-sqlite3, is not there, or was built for another Node.',
    'Install again with install scripts allowed, or build it where it is: `npm rebuild better-sqlite3`, or `better-sqlite3-node22` from Node 22 on. Where no prebuilt one fits it needs Python, make and a C++ compiler.',
  ),
  STORE_TOO_NEW: entry(
    'local',
    'The stored state was written by a newer version of this program.',
    'Run the newer version.',
  ),
  FILE_UNREADABLE: entry(
    'local',
    'A file that was named could not be read.',
    'Check the path and its permissions.',
  ),
  FILE_UNWRITABLE: entry(
    'local',
    'A file that was named could not be written.',
    'Check the path, its permissions and the space on its disk.',
  ),
  DAEMON_RUNNING: entry(
    'local',
    'A daemon is already running on this data directory.',
    'Stop it first, or use it: commands act on it by themselves.',
  ),
  DAEMON_UNREACHABLE: entry(
    'local',
    'The daemon closed the connection before it answered.',
    "Try again; look at the daemon's log if it happens again.",
  ),
  CLOCK_NOT_TRUSTED: entry(
    'local',
    "The clock of the box was set back, or is far from the authority's.",
    'Set the clock of the box.',
  ),
  AGENT_CLOSED: entry(
    'local',
    'The agent was closed while something was under way.',
    'Nothing to do: it goes on with the next opening.',
  ),
  ADDRESS_IN_USE: entry(
    'local',
    'The address to listen on is in use, or is not of this machine.',
    'Name another address or port where that one was named, as with --listen or --metrics.',
  ),
  INTERNAL: entry(
    'local',
    'Something failed that this program did not foresee.',
    'Try again; if it stays, report it with the log.',
  ),

  // What the agent itself does not allow in its state.
  CHAOS_INVALID: entry(
    'usage',
    'What --chaos was given is not a list of faults.',
    "Give names of the catalogue, as in --chaos 'delay=200ms,error503=0.1'.",
  ),
  MANAGEMENT_UNAUTHORIZED: entry(
    'refusal',
    'The request to the management address does not carry its bearer.',
    'Send `Authorization: Bearer …` with what the file that `serve` names holds.',
  ),
  CHAOS_NOT_ALLOWED: entry(
    'refusal',
    'Only an authority that was made with `init --test` may be told to misbehave.',
    'Make one for tests with `smart-authority init --test`; boxes show that it is one.',
  ),
  TRANSPORT_NOT_CONFIGURED: entry(
    'refusal',
    'No way to the authority is set.',
    'Set one with `transport direct URL`.',
  ),
  TRANSPORT_URL_INVALID: entry(
    'refusal',
    'The URL of the authority cannot be used.',
    'Give an https:// URL without user name, query or fragment.',
  ),
  PROXY_URL_INVALID: entry(
    'refusal',
    'The URL of the proxy cannot be used.',
    'Give http://HOST or https://HOST, with :PORT unless it is 3128; user name and password have options of their own.',
  ),
  PROXY_CREDENTIALS_INVALID: entry(
    'refusal',
    'The user name or password of the proxy cannot be used.',
    'Give a user name without a colon, and the password as the proxy knows it.',
  ),
  TRUST_ANCHOR_MISSING: entry(
    'refusal',
    'The box has no root certificate to check the authority by.',
    'Get it with `smart-authority trust export` and install it with `smart-agent trust install FILE`.',
  ),
  TRUST_ANCHOR_INVALID: entry(
    'refusal',
    'The file is not a root certificate this program can use.',
    'Use the file that `smart-authority trust export` prints.',
  ),
  ALREADY_REGISTERED: entry(
    'refusal',
    'The box is registered already.',
    'To register it again, give --force ("Overwrite product instance"): it replaces the registration.',
  ),
  REGISTRATION_IN_PROGRESS: entry(
    'refusal',
    'A registration is under way.',
    'Wait for its outcome; `status` shows it.',
  ),
  REGISTRATION_EXPIRED: entry(
    'refusal',
    'The registration was not renewed within its year: the box is unregistered.',
    'Register the box again with a new token.',
  ),
  NOT_REGISTERED: entry(
    'refusal',
    'The box is not registered.',
    'Register it first with a token of the authority.',
  ),
  NOT_ALLOWED_IN_STATE: entry(
    'refusal',
    'The request does not fit the state the box is in.',
    'See `why` for what is possible now.',
  ),
  RESERVED: entry(
    'refusal',
    'The box works from a reservation: it makes no connections, and is not registered.',
    'Return the reservation first: `reservation return-code`, then `reservation return`.',
  ),
  UNKNOWN_TAG: entry(
    'refusal',
    'The product has no entitlement of that tag.',
    'Use one of the tags that the message lists.',
  ),
  EVALUATION_EXPIRED: entry(
    'refusal',
    'The evaluation period is used up and the box is not registered.',
    'Register the box, or install a reservation.',
  ),

  // Codes that people carry.
  CODE_MISTYPED: entry(
    'refusal',
    'A code was not typed as it was printed; the message names the groups that are wrong.',
    'Compare these groups with the printed code, and type it again.',
  ),
  CODE_MALFORMED: entry(
    'refusal',
    'The text is not a code of this kind.',
    'Copy the whole code again from where it was printed.',
  ),
  CODE_OTHER_KIND: entry(
    'refusal',
    'The text is a good code, of another kind than the one that belongs here.',
    'A request code is for `reservation reserve`, a confirmation code for `reservation confirm`, a return code for `instance remove`.',
  ),

  // Files that people carry.
  SIGNED_FILE_MALFORMED: entry(
    'refusal',
    'The file is not one of the kind that belongs here.',
    'Choose the file that the other side wrote, and carry it as a file.',
  ),
  SIGNED_FILE_TRUNCATED: entry(
    'refusal',
    'The end of the file is missing.',
    'Carry the whole file again, to its last line.',
  ),
  SIGNED_FILE_ALTERED: entry(
    'refusal',
    'The text of the file is not what was signed.',
    'Carry the file again as it was written, without editing it.',
  ),
  SIGNED_FILE_UNTRUSTED: entry(
    'refusal',
    'The file was signed by nobody this box trusts for that.',
    'Check which authority the file is of, and the root that `smart-agent trust show` prints.',
  ),
  SIGNED_FILE_SIGNER_EXPIRED: entry(
    'refusal',
    'The certificate that signed the file is not valid at the time of this box.',
    'Check the clock of the box; a file that has lain for months is written anew by `reservation show INSTANCE --out FILE` at the authority.',
  ),

  // Reservation, at the box.
  RESERVATION_REQUESTED: entry(
    'refusal',
    'A reservation was requested for this box.',
    'Install its authorization file, or give it up with `reservation cancel`.',
  ),
  RESERVATION_NONE: entry(
    'refusal',
    'This box works from no reservation.',
    'See `reservation show`; begin with `reservation request`.',
  ),
  RESERVATION_RETURNING: entry(
    'refusal',
    'The return code of the reservation was made: it cannot be changed any more.',
    'Enter the return code at the authority, and complete the return with `reservation return`.',
  ),
  RESERVATION_NOT_RETURNING: entry(
    'refusal',
    'The return was not begun: there is no return code.',
    'Make it with `reservation return-code`, and enter it at the authority.',
  ),
  NUMBERS_EXHAUSTED: entry(
    'refusal',
    'As many requests of a box, or updates of a reservation, were made as can be numbered.',
    'Return the reservation and reserve anew; for a box, make its data directory anew.',
  ),
  AUTHORIZATION_OTHER_BOX: entry(
    'refusal',
    'The authorization file is for another box.',
    'Install it on the box it names, or reserve with the request code of this one.',
  ),
  AUTHORIZATION_OTHER_REQUEST: entry(
    'refusal',
    'The authorization file answers a request that this box did not make.',
    'Reserve with the request code that `reservation show` prints. If the data directory was made anew, the old reservation is removed at the authority with `instance remove --lost-box REASON`.',
  ),
  AUTHORIZATION_CANCELLED: entry(
    'refusal',
    'The request that the authorization file answers was cancelled.',
    'Give it back with `reservation discard FILE`: enter the return code that prints at the authority.',
  ),
  AUTHORIZATION_NOT_CANCELLED: entry(
    'refusal',
    'Only what answers a cancelled request is given back without installing it.',
    'Cancel the request first with `reservation cancel`; an installed reservation is returned with `reservation return-code`.',
  ),
  AUTHORIZATION_INSTALLED: entry(
    'refusal',
    'The authorization file is installed already.',
    'Nothing to do; `reservation show` shows it.',
  ),
  AUTHORIZATION_SUPERSEDED: entry(
    'refusal',
    'A newer authorization file is installed already.',
    'Use the newest file of the authority: `reservation show INSTANCE --out FILE` writes it again.',
  ),
  AUTHORIZATION_RETURNED: entry(
    'refusal',
    'The reservation of the authorization file was returned.',
    'Reserve anew: `reservation request`.',
  ),
  POLICY_REFUSED: entry(
    'refusal',
    "The product's own terms refuse this in the state the box is in.",
    'See `why` for what would change the state.',
  ),
  NOT_AUTHORIZED: entry(
    'refusal',
    'More is in use than is reserved for this box: only licence management works.',
    'Have the reservation updated at the authority, or use less.',
  ),

  // Hosts, meetings and the system.
  HOST_DEACTIVATED: entry(
    'refusal',
    'The user is deactivated, and holds no licence.',
    'Activate the user first with `host activate USER`.',
  ),
  ATTENDEE_ONLY: entry(
    'refusal',
    'The user has an attendee-only account: neither host nor alternate host.',
    'Name another user, or change the account with `host attendee-only USER --off`.',
  ),
  HOST_LICENSED: entry(
    'refusal',
    'The user holds a host licence.',
    'Deactivate the user first with `host deactivate USER`: only that releases the licence.',
  ),
  HOST_IN_MEETING: entry(
    'refusal',
    'The user hosts a meeting now.',
    'End the meeting that the message names first.',
  ),
  HOST_BUSY: entry(
    'refusal',
    'The user hosts as many meetings at once as one licence allows.',
    'End one of them first, or let an alternate host begin the meeting.',
  ),
  MEETING_UNKNOWN: entry(
    'refusal',
    'There is no such meeting.',
    'Schedule it first; `meeting list` shows those there are.',
  ),
  MEETING_EXISTS: entry(
    'refusal',
    'There is a meeting of that id, with another host, alternates or time.',
    'Schedule it under another id.',
  ),
  MEETING_NOT_STARTED: entry(
    'refusal',
    'The meeting has not begun.',
    'Begin it with `meeting start`: its host does, or an alternate host.',
  ),
  MEETING_ENDED: entry('refusal', 'The meeting is over.', 'Schedule another one.'),
  SYSTEM_NOT_ALLOWED: entry(
    'refusal',
    'The system cannot be changed so.',
    'See `system show` for what it is now.',
  ),
  PORTS_IN_USE: entry(
    'refusal',
    'More ports are in use than the system would have.',
    'Wait until fewer attend meetings.',
  ),
  LICENSES_REQUIRED: entry(
    'refusal',
    'The licences for the change are not there; there is no trial for it.',
    'Buy them into the virtual account (or have the reservation updated), then try again.',
  ),
  VERSION_NOT_HIGHER: entry(
    'refusal',
    'An upgrade goes to a higher version.',
    'Name the version that the product was upgraded to.',
  ),
  MEETING_NOT_HOST: entry(
    'refusal',
    'Only the host of a meeting and its alternate hosts begin it.',
    'Let one of them begin it.',
  ),

  // Tokens.
  TOKEN_MISSING: entry(
    'usage',
    'No registration token was given.',
    'Give one as an argument, with --token-file, or on standard input with `-`.',
  ),
  TOKEN_MALFORMED: entry(
    'refusal',
    'The text is not a registration token: part of it is missing or changed.',
    'Copy the whole token again from the authority.',
  ),
  TOKEN_IS_ACTIVATION_KEY: entry(
    'refusal',
    'The text is a product activation key (PAK); this product takes smart licences only.',
    'Convert the key to a smart licence at the authority, create a registration token there, and register with that.',
  ),
  TOKEN_IS_LICENSE_FILE: entry(
    'refusal',
    'The text is a classic licence file; this product takes smart licences only.',
    'Convert the licence to a smart licence at the authority, create a registration token there, and register with that.',
  ),
  TOKEN_UNKNOWN: entry(
    'refusal',
    'The authority knows no such token.',
    'Create a new token at the authority that this box is connected to.',
  ),
  TOKEN_EXPIRED: entry('refusal', "The token's time is over.", 'Create a new token at the authority.'),
  TOKEN_REVOKED: entry('refusal', 'The token was revoked.', 'Create a new token at the authority.'),
  TOKEN_EXHAUSTED: entry(
    'refusal',
    'The token was used as often as it may be.',
    'Create a new token at the authority, with more uses.',
  ),
  TOKEN_WRONG_ACCOUNT: entry(
    'refusal',
    'The token belongs to another smart account.',
    'Use a token of the right smart account, or deregister first.',
  ),

  // Signed refusals of the authority.
  INSTANCE_ALREADY_REGISTERED: entry(
    'refusal',
    'The smart account has a product instance with this identifier already.',
    'Register again with --force ("Overwrite product instance") to replace it, or remove it at the authority.',
  ),
  INSTANCE_RESERVED: entry(
    'refusal',
    'Licences are reserved at the authority for a box with this identifier.',
    'Return the reservation of the box first, or remove it at the authority.',
  ),
  INSTANCE_UNKNOWN: entry(
    'refusal',
    'The authority knows no such product instance.',
    'Register the box again.',
  ),
  INSTANCE_REMOVED: entry(
    'refusal',
    'The product instance was removed at the authority.',
    'Register the box again with a new token.',
  ),
  INSTANCE_EXPIRED: entry(
    'refusal',
    'The registration was not renewed within its year, and has ended at the authority.',
    'Register the box again with a new token.',
  ),
  INSTANCE_REPLACED: entry(
    'refusal',
    'The product instance was replaced by a newer registration of the same identifier.',
    'If this is the right box, register it again with --force; if not, it is a copy.',
  ),
  INSTANCE_DIVERGED: entry(
    'refusal',
    'Two histories of this product instance exist: it was copied, or restored from a copy.',
    'Register the box again with --force, which gives it a new key.',
  ),
  SEQUENCE_SUPERSEDED: entry(
    'refusal',
    'The request is older than one the authority has already answered.',
    'Nothing to do: a newer request was answered. If it stays, register again with --force.',
  ),
  CERTIFICATE_REQUEST_INVALID: entry(
    'refusal',
    'The certificate request is not one the authority signs.',
    'Update the agent; if it stays, report it.',
  ),
  AGREEMENT_NOT_ACCEPTED: entry(
    'refusal',
    'The licence agreement of the smart account has not been accepted.',
    'Accept it, or ask someone with the authority to do so.',
  ),
  PROTOCOL_UNSUPPORTED: entry(
    'refusal',
    'The authority does not speak this version of the protocol.',
    'Update the older of the two programs.',
  ),

  // Transport: no answer that counts. Tried again by itself.
  DNS_FAILED: entry(
    'transport',
    'The name of the authority could not be resolved.',
    'Check the host name in the URL and the name servers of the box.',
  ),
  CONNECT_TIMED_OUT: entry(
    'transport',
    'Nothing answered the attempt to connect.',
    'Check the address, and whether a firewall drops the connection; the box may have to go through a proxy.',
  ),
  CONNECTION_REFUSED: entry(
    'transport',
    'Nothing listens at that address and port.',
    'Check host and port in the URL, and that the authority is running.',
  ),
  HOST_UNREACHABLE: entry(
    'transport',
    'There is no route to the authority.',
    'Check the network of the box, its gateway and the firewall.',
  ),
  CONNECTION_RESET: entry(
    'transport',
    'The connection was closed before the answer was complete.',
    'Check firewalls and gateways on the way; it is tried again.',
  ),
  TLS_UNTRUSTED: entry(
    'transport',
    "The server's certificate was issued by nobody this box trusts.",
    "Check that the URL is the authority's own; install its root with `smart-agent trust install FILE`. If the issuer named is a firewall's, ask the network team to leave this host out of TLS inspection.",
  ),
  TLS_INSPECTED: entry(
    'transport',
    "The server's certificate was issued by somebody who is no licensing authority: TLS is opened on the way, or a gateway has a CA of its own.",
    'Ask the network team to leave the host out of TLS inspection (the issuer named is the device that does it). If it is the CA of your own gateway, install it with `init --tls-ca` or `transport tls-ca FILE`.',
  ),
  TLS_PLAIN_TEXT: entry(
    'transport',
    'The port answers without TLS.',
    "Check the port in the URL: it must be the authority's https port.",
  ),
  TLS_EXPIRED: entry(
    'transport',
    "The server's certificate has expired, or the clock of this box is ahead.",
    'Check the clock of the box, then the certificate of the authority.',
  ),
  TLS_NOT_YET_VALID: entry(
    'transport',
    "The server's certificate is not valid yet: the clock of this box is probably behind.",
    'Set the clock of the box.',
  ),
  TLS_WRONG_AUTHORITY: entry(
    'transport',
    'The server is one of another authority than the one the request is for. Nothing was sent to it.',
    'Check the address with `transport show`; a box that is to move to another authority registers there with `register --force`.',
  ),
  TLS_NAME_MISMATCH: entry(
    'transport',
    "The server's certificate is for another name.",
    'Use the name in the certificate, or let the authority add this one with `serve --name`.',
  ),
  TLS_FAILED: entry(
    'transport',
    'No TLS connection could be made.',
    'Check what stands between the box and the authority; it must speak TLS 1.2 or later.',
  ),
  PROXY_UNREACHABLE: entry(
    'transport',
    'There is no connection to the proxy.',
    'Check host and port of the proxy (3128 unless it says otherwise), and that it is running.',
  ),
  PROXY_AUTHENTICATION_REQUIRED: entry(
    'transport',
    'The proxy asks for a user name and password (407), and none are set.',
    'Set them with `transport proxy URL --via PROXY --username U --password-file F`.',
  ),
  PROXY_AUTHENTICATION_REFUSED: entry(
    'transport',
    'The proxy does not take the user name and password (407).',
    'Check both with whoever runs the proxy, and set them again; it must accept Basic authentication.',
  ),
  PROXY_FORBIDDEN: entry(
    'transport',
    'The proxy does not allow a tunnel to the authority.',
    "Ask whoever runs the proxy to allow CONNECT to the authority's host and port.",
  ),
  PROXY_BAD_GATEWAY: entry(
    'transport',
    'The proxy cannot reach the authority.',
    'Check host and port of the authority as the proxy sees them: the name is resolved by the proxy.',
  ),
  PROXY_GATEWAY_TIMEOUT: entry(
    'transport',
    'The proxy got no answer from the authority.',
    'Check the way from the proxy to the authority; it is tried again.',
  ),
  PROXY_TIMED_OUT: entry(
    'transport',
    'The proxy took the connection and did not answer.',
    'Check the load of the proxy; it is tried again.',
  ),
  PROXY_FAILED: entry(
    'transport',
    'What answers at the address of the proxy is not a proxy, or broke off.',
    'Check host and port of the proxy, and whether its URL begins with http:// or https://.',
  ),
  PROXY_TLS_FAILED: entry(
    'transport',
    'No TLS connection could be made to the proxy, whose URL begins with https://.',
    'Check the scheme of its URL; where it has a CA of its own, install that with `transport tls-ca FILE`.',
  ),
  ANSWER_TOO_SLOW: entry(
    'transport',
    'An answer began, and was not complete within the time allowed.',
    'Check the network on the way; it is tried again.',
  ),
  ANSWER_TRUNCATED: entry(
    'transport',
    'An answer broke off in its middle.',
    'Check gateways and firewalls on the way; it is tried again.',
  ),
  ANSWER_NOT_HTTP: entry(
    'transport',
    'What answered does not speak HTTP.',
    "Check the port in the URL: it must be the authority's.",
  ),
  TIMED_OUT: entry(
    'transport',
    'The answer did not come within the time allowed.',
    'Check the network and the load of the authority; it is tried again.',
  ),
  ANSWER_TOO_LARGE: entry(
    'transport',
    'The answer is larger than any answer of an authority.',
    "Check that the URL is the authority's own.",
  ),
  REDIRECTED: entry(
    'transport',
    'The server sent the request elsewhere, which an authority never does.',
    'Give the final URL; sign in to the network if it has a sign-in page.',
  ),
  ANSWER_NOT_JSON: entry(
    'transport',
    'What answered is not an authority: the answer is not JSON.',
    'Check the URL; sign in to the network if it has a sign-in page.',
  ),
  RATE_LIMITED: entry(
    'transport',
    'The authority asks to come back later.',
    'Nothing to do: it is tried again when the authority said.',
  ),
  AUTHORITY_UNAVAILABLE: entry(
    'transport',
    'The authority cannot answer now (503).',
    'Nothing to do: it is tried again.',
  ),
  AUTHORITY_REJECTED: entry(
    'transport',
    'The server refused the message without a signed answer (4xx).',
    "Check that the URL is the authority's own, without anything in between that filters.",
  ),
  AUTHORITY_FAILED: entry(
    'transport',
    'The server failed without a signed answer (5xx).',
    "Look at the authority's log; it is tried again.",
  ),

  // An answer that came and is not the authority's, or not for this request. Changes nothing; tried again.
  ANSWER_MALFORMED: entry(
    'answer',
    'The answer has not the form the protocol gives it.',
    "Check that the URL is the authority's own; update the older of the two programs.",
  ),
  ANSWER_SIGNATURE_INVALID: entry(
    'answer',
    'The signature of the answer does not fit it: it was altered or forged.',
    'Find out what stands between the box and the authority.',
  ),
  ANSWER_SIGNER_UNTRUSTED: entry(
    'answer',
    'The answer was signed by a key that does not lead to the root this box trusts.',
    "Check that the URL is the right authority's, and the root that `smart-agent trust show` prints.",
  ),
  MANDATE_MISSING: entry(
    'answer',
    'The answer of a satellite carries no mandate of its manager.',
    'Synchronise the satellite with its manager.',
  ),
  MANDATE_INVALID: entry(
    'answer',
    'What a satellite shows as its mandate is not its manager’s leave to act.',
    'Synchronise the satellite with its manager; look into whether somebody has changed it.',
  ),
  MANDATE_EXPIRED: entry(
    'answer',
    'The mandate of the satellite has ended: it was out of touch with its manager for too long.',
    'Synchronise the satellite with its manager, by wire or by hand.',
  ),
  MANDATE_SUPERSEDED: entry(
    'answer',
    'The mandate of the satellite is older than one that this box has seen: the satellite may have been restored from a copy.',
    'Synchronise the satellite with its manager.',
  ),
  MANDATE_EXCEEDED: entry(
    'answer',
    'The satellite says that enough licences are there, and its manager gave it fewer.',
    'Synchronise the satellite with its manager; look into whether somebody has changed it.',
  ),
  ANSWER_SIGNER_ROLE: entry(
    'answer',
    'The answer was signed with a certificate made for something else.',
    'Find out what stands between the box and the authority.',
  ),
  ANSWER_WRONG_AUTHORITY: entry(
    'answer',
    'Another authority answered than the one the box is registered with.',
    'Set the transport to the authority the box is registered with, or register again.',
  ),
  ANSWER_WRONG_TYPE: entry(
    'answer',
    'The answer is to another kind of request.',
    'Find out what stands between the box and the authority.',
  ),
  ANSWER_WRONG_DIRECTION: entry(
    'answer',
    'The message is not an answer.',
    'Find out what stands between the box and the authority.',
  ),
  ANSWER_WRONG_AUDIENCE: entry(
    'answer',
    'The answer is addressed to another box.',
    'Find out what stands between the box and the authority.',
  ),
  ANSWER_WRONG_REQUEST: entry(
    'answer',
    'The answer belongs to another request.',
    'Find out what stands between the box and the authority.',
  ),
  ANSWER_NONCE_MISMATCH: entry(
    'answer',
    'The answer is an old one, played again.',
    'Find out what stands between the box and the authority.',
  ),
  ANSWER_STALE: entry(
    'answer',
    'The answer is older than one this box has already accepted.',
    'Check the clock of the authority.',
  ),
  ANSWER_PROTOCOL_VERSION: entry(
    'answer',
    'The answer is of a protocol version this agent does not speak.',
    'Update the older of the two programs.',
  ),
  ANSWER_CERTIFICATE_INVALID: entry(
    'answer',
    'The certificate that came with the answer is not for this box and its key.',
    'Find out what stands between the box and the authority.',
  ),

  // The authority's own administration.
  REQUEST_MALFORMED: entry(
    'local',
    'The message is not one of the protocol.',
    'Update the agent that sent it.',
  ),
  REQUEST_SIGNATURE_INVALID: entry(
    'local',
    'The signature of the request does not fit it.',
    'Find out what altered the message on its way.',
  ),
  ACCOUNT_UNKNOWN: entry('local', 'There is no smart account of that name.', 'See `account list`.'),
  ACCOUNT_EXISTS: entry(
    'local',
    'There is a smart account of that name already.',
    'Use it, or choose another domain.',
  ),
  ACCOUNT_AMBIGUOUS: entry(
    'usage',
    'There are several smart accounts, and none was chosen.',
    'Choose one with --account DOMAIN.',
  ),
  VIRTUAL_ACCOUNT_UNKNOWN: entry(
    'local',
    'The smart account has no virtual account of that name.',
    'See `virtual-account list`.',
  ),
  VIRTUAL_ACCOUNT_EXISTS: entry(
    'local',
    'The smart account has a virtual account of that name already.',
    'Use it, or choose another name.',
  ),
  VIRTUAL_ACCOUNT_IN_USE: entry(
    'local',
    'The virtual account still holds licences, product instances or valid tokens.',
    'Move or remove them first.',
  ),
  VIRTUAL_ACCOUNT_IS_DEFAULT: entry(
    'local',
    'The default virtual account cannot be removed.',
    'Make another one the default first.',
  ),
  INSTANCE_NOT_FOUND: entry('local', 'There is no product instance with that id.', 'See `instance list`.'),
  RESERVATION_NOT_ENABLED: entry(
    'refusal',
    'The smart account is not authorised for specific licence reservation.',
    'Authorise it with `reservation enable`.',
  ),
  REQUEST_CODE_USED: entry(
    'refusal',
    'Licences were reserved with this request code already.',
    'Write its authorization file again with `reservation show INSTANCE --out FILE`.',
  ),
  LICENSES_UNAVAILABLE: entry(
    'refusal',
    'The virtual account has fewer licences available than are to be reserved.',
    'Reserve at most what is available: see `license list`; buy or free the rest.',
  ),
  INSTANCE_NOT_RESERVED: entry(
    'refusal',
    'The product instance works from no reservation.',
    'Name one that does: see `instance list`.',
  ),
  UPDATE_PENDING: entry(
    'refusal',
    'An update of the reservation is not confirmed yet.',
    'Install its file on the box, and enter the confirmation code with `reservation confirm`.',
  ),
  UPDATE_NOT_PENDING: entry(
    'refusal',
    'No update of the reservation waits for a confirmation code.',
    'Nothing to do; `reservation show` shows what is reserved.',
  ),
  RESERVATION_EMPTY: entry(
    'refusal',
    'An update would leave nothing reserved.',
    'Return the reservation instead: `reservation return-code` on the box.',
  ),
  CONFIRMATION_CODE_OTHER_UPDATE: entry(
    'refusal',
    'The confirmation code is of another update of this reservation.',
    'Enter the code that the box printed for the newest file; `reservation show` on the box prints it again.',
  ),
  CODE_OTHER_RESERVATION: entry(
    'refusal',
    'The code is of another reservation than the one named.',
    'Compare product and serial number of the instance with the box that printed the code.',
  ),
  CODE_WRONG: entry(
    'refusal',
    'The code was typed as one is printed, and the box of this reservation did not make it.',
    'Copy the code again from `reservation show` on the box.',
  ),
  CODE_ATTEMPTS_EXCEEDED: entry(
    'refusal',
    'Too many wrong codes were entered for this reservation.',
    'Wait an hour, then enter the code that `reservation show` prints on the box.',
  ),
  RETURN_CODE_REQUIRED: entry(
    'refusal',
    'The product instance works from a reservation: its licences come back with a return code only.',
    'Make the code on the box with `reservation return-code`, and give it with --return-code. For a box that is lost: --lost-box REASON.',
  ),
  RESERVATION_ENDED: entry(
    'refusal',
    'The reservation has ended already.',
    'Nothing to do here. A box that has not completed its return does so with `reservation return`.',
  ),
  TOKEN_NOT_FOUND: entry('local', 'There is no such token.', 'See `token list`.'),
  ORDER_NOT_FOUND: entry('local', 'There is no such order.', 'See `order list`.'),
  ORDER_FULFILLED: entry(
    'local',
    'The order was fulfilled already.',
    'Nothing to do; `order list` shows it.',
  ),
  MAIL_NOT_CONFIGURED: entry(
    'local',
    'Nowhere is set for e-mail to go.',
    'Set it with `mail folder` or `mail smtp`.',
  ),
  MAIL_NOT_SENT: entry(
    'local',
    'An e-mail could not be sent.',
    'Check the mail settings with `mail show`; it is tried again by itself while the authority is served.',
  ),
  // Telling people and programs.
  WEBHOOK_NOT_FOUND: entry(
    'local',
    'There is no such webhook, or no such delivery.',
    'See `webhook list` and `webhook dead` for those there are.',
  ),
  WEBHOOK_URL_REFUSED: entry(
    'local',
    'A webhook is not sent to that address.',
    'Give an https URL without user name and password; http is for this machine alone.',
  ),
  ADDRESS_FORBIDDEN: entry(
    'local',
    'The name of a receiver leads to an address that nothing is sent to: link-local, or none at all.',
    'Give the webhook the name of a machine that may receive it.',
  ),
  WEBHOOK_NOT_DELIVERED: entry(
    'local',
    'The receiver of a webhook did not take what was sent.',
    'Look at the receiver; it is tried again by itself, and after the last attempt with `webhook retry`.',
  ),
  NOTIFICATION_NOT_FOUND: entry(
    'local',
    'There is no such notification.',
    'See `notification list` for those there are.',
  ),
  RECIPIENT_REFUSED: entry(
    'local',
    'E-mail about a smart account goes to addresses of its own domain alone.',
    'Give an address in the domain of the smart account, or in a domain below it.',
  ),
  SCHEDULE_NOT_FOUND: entry(
    'local',
    'There is no such scheduled report.',
    'See `report schedule list` for those there are.',
  ),
  AUDIT_BROKEN: entry(
    'local',
    'The audit record was changed after it was written.',
    'Find out who can write the database, and hold the record against an export or a checkpoint kept elsewhere.',
  ),
  SKU_UNKNOWN: entry(
    'local',
    'There is no such SKU in the catalogue.',
    'Order by --tag, or use a SKU that the message lists.',
  ),
  // Satellites.
  DATA_VERSION_UNSUPPORTED: entry(
    'local',
    'The data directory is of a development state of this program, before its first published version.',
    'Make a new directory with `init`.',
  ),
  WRONG_ROLE: entry(
    'local',
    'This authority is of another role than the command is for.',
    'Run the command on the manager, or on the satellite, as the message says.',
  ),
  SATELLITE_EXISTS: entry(
    'local',
    'The smart account has a satellite of that name already.',
    'Choose another name, or remove the satellite first.',
  ),
  SATELLITE_UNKNOWN: entry(
    'refusal',
    'The smart account has no satellite of that name.',
    'Add it at the manager with `satellite add`, under the name that it was made with.',
  ),
  TLS_NAME_OF_MANAGER: entry(
    'refusal',
    'A satellite would have certificates for a name of its manager.',
    'Give the satellite names of its own: at the manager with `satellite set NAME --tls-name`; or serve it without that `--name`, and then `trust rotate tls` and synchronise there.',
  ),
  SATELLITE_REMOVED: entry(
    'refusal',
    'The satellite was removed at its manager.',
    'Add a satellite at the manager anew, and register the boxes there.',
  ),
  SATELLITE_EXPIRED: entry(
    'refusal',
    'The satellite was out of touch with its manager for so long that it was taken out there.',
    'Synchronise by hand: `sync export` at the satellite, `sync respond` at the manager, `sync import` at the satellite.',
  ),
  SATELLITE_OUT_OF_TOUCH: entry(
    'refusal',
    'The satellite has been without its manager for too long, and may grant nothing.',
    'Whoever runs the satellite synchronises it by hand: `sync export` there, `sync respond` at its manager, `sync import` there.',
  ),
  SATELLITE_NOT_REGISTERED: entry(
    'local',
    'The satellite was never synchronised with its manager: it has nothing to give yet.',
    'Register it: `sync export FILE`, have the manager answer it with `sync respond`, and `sync import` the answer; or `sync now`.',
  ),
  SATELLITE_IN_DOUBT: entry(
    'refusal',
    'The satellite was restored, and what it has promised since the backup is not known to it yet.',
    'Synchronise the satellite with its manager, by wire with `sync now` or by hand with `sync export`.',
  ),
  VIRTUAL_ACCOUNT_OF_SATELLITE: entry(
    'local',
    'The virtual account belongs to a satellite, which does this itself.',
    'Do it on the satellite; at the manager only `satellite remove` frees its virtual accounts.',
  ),
  INSTANCE_OF_SATELLITE: entry(
    'local',
    'The product instance belongs to a satellite.',
    'Do it on the satellite; the manager hears of it at the next synchronisation.',
  ),
  ENROLMENT_CODE_INVALID: entry(
    'refusal',
    'The one-time code of the satellite is missing, wrong, used or too old.',
    'Have a new one made at the manager with `satellite code NAME`, and give it to `sync now` or `init`.',
  ),
  SYNC_KEY_UNKNOWN: entry(
    'refusal',
    'The name of the satellite is bound to another key.',
    'Synchronise from the satellite that was registered under this name; for another one, remove the old and add it anew.',
  ),
  SYNC_SUPERSEDED: entry(
    'refusal',
    'The request is older than one that was answered.',
    'Carry the newest request, or make a new one with `sync export`.',
  ),
  SYNC_EPOCH_SUPERSEDED: entry(
    'refusal',
    'Another copy of this satellite has been restored, and has synchronised since.',
    'Stop one of the two copies. To go on with this one, remove the satellite at the manager and add it anew.',
  ),
  SYNC_CREDENTIAL_EXPIRED: entry(
    'refusal',
    'The satellite may not synchronise by itself any more: its leave to do so ended unused.',
    'Synchronise by hand once: `sync export`, `sync respond` at the manager, `sync import`.',
  ),
  SYNC_ANSWER_IMPORTED: entry(
    'refusal',
    'This answer, or a newer one, was imported already.',
    'There is nothing to do; for newer licences make a new exchange with `sync export`.',
  ),
  SYNC_ANSWER_LAPSED: entry(
    'refusal',
    'What the answer gave has ended before it was imported.',
    'Check the clock of this machine; then make a new exchange with `sync export`, and carry it without delay.',
  ),
  SYNC_ANSWER_UNASKED: entry(
    'refusal',
    'The answer is to no request that this satellite has made and still waits for.',
    'Make a new exchange with `sync export`, and carry its own answer.',
  ),
  SYNC_OTHER_SATELLITE: entry(
    'refusal',
    'The file is of another satellite or another smart account.',
    'Carry the file to the satellite that it names.',
  ),
  SYNC_NOT_CONFIGURED: entry(
    'local',
    'The satellite knows no way to its manager.',
    'Set it with `sync manager URL`, or synchronise by hand with `sync export`.',
  ),
  SYNC_REPAIR_NEEDED: entry(
    'refusal',
    'The histories of the satellite and its manager do not fit together, as after a restore.',
    'Make another exchange: it reports everything anew.',
  ),
  SYNC_FINGERPRINT_MISMATCH: entry(
    'refusal',
    'The root certificate is not the one whose fingerprint was given.',
    'Compare the fingerprint with the one that the manager prints with `trust show`.',
  ),
  ROOT_KEY_ABSENT: entry(
    'local',
    'The key of the root certificate is not on this machine, and a satellite’s CA is signed by it.',
    'Give it with --root-key FILE, from `trust root export`; or put root.key into the keys directory for as long as it takes.',
  ),
  ROOT_KEY_WRONG: entry(
    'local',
    'The key given is not that of the root certificate in force.',
    'Give the file that the newest `trust rotate root` wrote, or `trust root export` if there was none.',
  ),
  ROTATION_UNDER_WAY: entry(
    'local',
    'The root certificate is being replaced, and both are believed until the overlap ends.',
    'Wait for the end of the overlap, which `trust show` tells.',
  ),
  ROOT_KEY_UNREADABLE: entry(
    'local',
    'The file of the root’s key cannot be opened: it is another file, damaged, or has another passphrase.',
    'Check the passphrase; carry the file as a binary file.',
  ),
  NO_TRUST_BUNDLE: entry(
    'local',
    'The root certificate was never replaced: there is no bundle.',
    'Give boxes the root certificate itself, from `trust export`.',
  ),
  TRUST_BUNDLE_REFUSED: entry(
    'refusal',
    'The bundle of root certificates is not signed by one that is believed here, or is not newer than what is.',
    'Get the file anew with `smart-authority trust bundle export`; compare fingerprints, and install the root certificate itself if this box has missed all of them.',
  ),
  TOKEN_IN_DOUBT: entry(
    'refusal',
    'The authority was restored from a backup, and does not know how often the token was used since.',
    'Ask the authority’s people for another token, or to confirm this one.',
  ),
  INSTANCE_NOT_IN_REVIEW: entry(
    'local',
    'Nothing waits to be confirmed of that product instance.',
    '`instance list` says which ones were taken back after a restore.',
  ),
  TOKEN_NOT_IN_REVIEW: entry('local', 'The token is not in doubt.', '`token list` says how each stands.'),
  RESERVATION_IN_DOUBT: entry(
    'local',
    'The authority was restored from a backup, and the reservation may have been changed since.',
    'Compare it with what the box shows, then confirm it with `instance confirm`; or end it with its return code.',
  ),
  TRANSFER_UNAVAILABLE: entry(
    'local',
    'The virtual account has not so many licences to transfer.',
    'See what there is with `license list`, and transfer fewer.',
  ),
  TRANSFER_UNCONFIRMED: entry(
    'local',
    'The transfer would put a pool out of compliance.',
    'Run it again with --yes if that is meant, or transfer fewer.',
  ),
  // The pages and their API.
  SIGN_IN_REQUIRED: entry('refusal', 'Nobody is signed in, or the session has ended.', 'Sign in.'),
  SIGN_IN_FAILED: entry(
    'refusal',
    'The user name or the password is not right.',
    'Try again; an administrator can set a new password.',
  ),
  TOO_MANY_REQUESTS: entry(
    'refusal',
    'Too many requests came from this address in a short time.',
    'Wait a minute and try again.',
  ),
  PASSWORD_CHANGE_REQUIRED: entry(
    'refusal',
    'The one-time password was used, and a password of one’s own has not been set yet.',
    'Set a password first.',
  ),
  PASSWORD_WEAK: entry(
    'refusal',
    'The password is too easy to guess.',
    'Choose one of at least 12 characters that is neither your name nor a common one.',
  ),
  PERMISSION_DENIED: entry(
    'refusal',
    'The role of this user does not allow it.',
    'Ask an administrator to do it, or for another role.',
  ),
  SESSION_TOKEN_INVALID: entry(
    'refusal',
    'The request did not carry the token that belongs to its session.',
    'Sign in again on the page itself.',
  ),
  ORIGIN_REFUSED: entry(
    'refusal',
    'The request came from a page of another site.',
    'Use the page of this server itself.',
  ),
  API_CLIENT_UNKNOWN: entry(
    'refusal',
    'The smart account has no such API client.',
    'See `api-client list` for those there are.',
  ),
  API_NOT_SERVED: entry(
    'refusal',
    'The call is one of the field’s REST API that this authority does not serve.',
    'See the guide to the REST API for what is served.',
  ),
  HOST_REFUSED: entry(
    'refusal',
    'The request named a host that this server is not.',
    'Use one of the names the server was started with, or add this one with --name.',
  ),
  USER_EXISTS: entry('refusal', 'There is a user of that name already.', 'Choose another name.'),
  USER_UNKNOWN: entry('refusal', 'There is no user of that name.', 'See who there is with `user list`.'),
  LAST_ADMINISTRATOR: entry(
    'refusal',
    'Nobody would be left who may administer.',
    'Make another administrator first.',
  ),
  BACKUP_UNREADABLE: entry(
    'local',
    'The backup cannot be opened: it is damaged, or the passphrase is another.',
    'Check the passphrase; carry the file as a binary file.',
  ),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable

/** What a failure says to a program: the JSON under `error`. */
export interface ErrorDocument {
  readonly code: ErrorCode
  readonly message: string
  readonly remedy: string
}

/** Longest message of an error, in characters: some of what is repeated comes from outside. */
const LONGEST_MESSAGE = 2_000

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

function printable(message: string): string {
  const clean = message.replace(CONTROL, '\u{fffd}')
  return clean.length <= LONGEST_MESSAGE ? clean : `${clean.slice(0, LONGEST_MESSAGE - 1)}…`
}

/**
 * The one error of this project. Never carries a secret: whoever makes one words it from public facts. Control
 * characters in its message are replaced, and what is longer than 2,000 characters is cut.
 * `cause` is kept off it on purpose: causes of the network hold headers and bodies.
 */
export class LicensingError extends Error {
  override readonly name = 'LicensingError'
  readonly code: ErrorCode
  readonly remedy: string
  /** For transport failures: not before this many milliseconds, as the other side asked. */
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, options: { remedy?: string; retryAfterMs?: number } = {}) {
    super(printable(message))
    this.code = code
    this.remedy = options.remedy ?? (isErrorCode(code) ? errorTable[code].remedy : '')
    this.retryAfterMs = options.retryAfterMs
  }

  get kind(): ErrorKind {
    // A newer authority may refuse by a code this version does not know.
    return isErrorCode(this.code) ? errorTable[this.code].kind : 'refusal'
  }

  toJSON(): ErrorDocument {
    return { code: this.code, message: this.message, remedy: this.remedy }
  }
}

/** A failure that was told, by an authority, a daemon or a document, as an error of its code and in its words. */
export const asTold = ({
  code,
  message,
  remedy,
}: {
  code: string
  message: string
  remedy: string
}): LicensingError => new LicensingError(code as ErrorCode, message, { remedy })

/** Whether a text is one of this project's codes: for errors that come over a wire. */
export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(errorTable, text)

/** Any thrown thing as a LicensingError; what was not foreseen becomes INTERNAL, with its message only. */
export function asLicensingError(thrown: unknown): LicensingError {
  if (thrown instanceof LicensingError) return thrown
  const message = thrown instanceof Error ? thrown.message : 'unknown failure'
  return new LicensingError('INTERNAL', message)
}
