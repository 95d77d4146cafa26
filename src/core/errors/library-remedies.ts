import type { ErrorCode } from './error-table.ts'

/**
 * Remedies for a product that calls the library, for the codes whose remedy in the error table names a command or one of its
 * options.
 */
export const libraryRemedies: Partial<Record<ErrorCode, string>> = {
  USAGE: 'Use a command of the agent or of its product module.',
  DAEMON_UNREACHABLE:
    'Open the agent in one process of the product, and call `serve({ control: true })`. A connected client connects again automatically.',
  ADDRESS_IN_USE: 'Choose another address or port.',
  NOT_ALLOWED_IN_STATE: 'Call `explain()` to see what is possible now.',
  RESERVED: 'Return the reservation first: `reservation.returnCode()`, then `reservation.return()`.',
  POLICY_REFUSED: 'Call `explain()` to see what would change the state.',
  ANSWER_SIGNER_UNTRUSTED:
    'Check that the URL belongs to the right authority. Compare its root certificate with `trust.anchor()`.',
  ALREADY_REGISTERED:
    'To replace the registration, register again with `{ force: true }` ("Overwrite product instance").',
  REGISTRATION_IN_PROGRESS: 'Wait for the outcome. `status()` shows it.',
  TOKEN_MISSING: 'Pass the token to `register`.',
  INSTANCE_ALREADY_REGISTERED:
    'To replace the product instance, register with `{ force: true }` ("Overwrite product instance"). Or remove it at the authority.',
  INSTANCE_REPLACED:
    'If this is the original device, register it again with `{ force: true }`. Otherwise it is a copy.',
  INSTANCE_DIVERGED: 'Register the device again with `{ force: true }`, which gives it a new key.',
  SEQUENCE_SUPERSEDED:
    'Nothing to do: the authority answered a newer request. If the failure persists, register again with `{ force: true }`.',
  RESERVATION_REQUESTED: 'Install its authorization file, or cancel the request with `reservation.cancel()`.',
  RESERVATION_NONE: 'See `status().reservation`. Start with `reservation.request()`.',
  RESERVATION_RETURNING:
    'Enter the return code at the authority, and complete the return with `reservation.return()`.',
  RESERVATION_NOT_RETURNING:
    'Create the code with `reservation.returnCode()`, and enter it at the authority.',
  AUTHORIZATION_OTHER_REQUEST:
    'Reserve with the request code in `status().reservation`. If the data directory was created again, remove the old reservation at the authority.',
  AUTHORIZATION_CANCELED:
    'Return the file with `reservation.discard(file)`. Enter its return code at the authority.',
  AUTHORIZATION_NOT_CANCELED:
    'Cancel the request first with `reservation.cancel()`. Return an installed reservation with `reservation.returnCode()`.',
  AUTHORIZATION_INSTALLED: 'Nothing to do. `status().reservation` shows the installed reservation.',
  AUTHORIZATION_SUPERSEDED: 'Use the newest file of the authority.',
  AUTHORIZATION_RETURNED: 'Reserve again with `reservation.request()`.',
  SIGNED_FILE_UNTRUSTED:
    'Check which authority wrote the file. Compare its root certificate with `trust.anchor()`.',
  SIGNED_FILE_SIGNER_EXPIRED:
    'Check the clock of the device. If the file is months old, write it again at the authority.',
  DATA_DIR_MISSING: 'Pass `product` to create the data directory, or correct `dataDir`.',
  DATA_DIR_EXISTS: 'Open the existing directory with `open`, or pass another `dataDir`.',
  DATA_VERSION_UNSUPPORTED: 'Use a new data directory.',
  TRANSPORT_NOT_CONFIGURED: 'Call `transport.set(settings)`, or pass `transport` to `open`.',
  TLS_UNTRUSTED:
    'Check that the URL belongs to the authority. Install its root with `trust.install(pem)`. If the named issuer is a firewall, ask the network team to exempt this host from TLS inspection.',
  TLS_INSPECTED:
    'Ask the network team to exempt the host from TLS inspection (the named issuer is the inspecting device). Install the CA of your own gateway with `trust.installTlsCa(pem)`.',
  TLS_WRONG_AUTHORITY:
    'Check the address in `status().transport`. To move the device to another authority, register there with `{ force: true }`.',
  PROXY_AUTHENTICATION_REQUIRED: 'Pass `username` and `password` to `transport.set`.',
  PROXY_TLS_FAILED:
    'Check the scheme of the proxy URL. If the proxy has its own CA, install the CA with `trust.installTlsCa(pem)`.',
  TRUST_ANCHOR_MISSING:
    'Export the root certificate at the authority, and install it with `trust.install(pem)` or the option `trust` of `open`.',
  TRUST_ANCHOR_INVALID: 'Use the root certificate that the authority exports, as PEM.',
  HOST_DEACTIVATED: 'Activate the user first with `hosts.activate(user)`.',
  ATTENDEE_ONLY: 'Name another user, or change the account with `hosts.setAttendeeOnly(user, false)`.',
  HOST_LICENSED: 'Deactivate the user first with `hosts.deactivate(user)`: only this releases the license.',
  MEETING_NOT_STARTED: 'Start the meeting with `meetings.start`, as its host or an alternate host.',
  SYSTEM_NOT_ALLOWED: 'See `system.show()` for the current deployment.',
}
