import type { ErrorEntry } from './error-entry.ts'

/** Errors of transport settings, and of exchanges without a valid answer. The agent retries the latter. */
export const transportErrors = {
  TRANSPORT_NOT_CONFIGURED: {
    kind: 'refusal',
    meaning: 'No transport is configured.',
    remedy: 'Set one with `smart-agent transport direct URL`.',
  },
  TRANSPORT_URL_INVALID: {
    kind: 'refusal',
    meaning: 'The URL of the authority cannot be used.',
    remedy: 'Give an https:// URL without user name, query or fragment.',
  },
  PROXY_URL_INVALID: {
    kind: 'refusal',
    meaning: 'The URL of the proxy cannot be used.',
    remedy:
      'Give http://HOST or https://HOST, with :PORT unless it is 3128; user name and password have separate options.',
  },
  PROXY_CREDENTIALS_INVALID: {
    kind: 'refusal',
    meaning: 'The user name or password of the proxy cannot be used.',
    remedy:
      'Give a user name without a colon. Neither the user name nor the password may contain control characters.',
  },
  DNS_FAILED: {
    kind: 'transport',
    meaning: 'The name of the authority could not be resolved.',
    remedy: 'Check the host name in the URL and the name servers of the device.',
  },
  CONNECT_TIMED_OUT: {
    kind: 'transport',
    meaning: 'The connection attempt got no response.',
    remedy:
      'Check the address, and whether a firewall drops the connection; the device may have to go through a proxy.',
  },
  CONNECTION_REFUSED: {
    kind: 'transport',
    meaning: 'No server listens on that address and port.',
    remedy: 'Check host and port in the URL, and that the authority is running.',
  },
  HOST_UNREACHABLE: {
    kind: 'transport',
    meaning: 'No network route to the authority exists.',
    remedy: 'Check the network of the device, its gateway and the firewall.',
  },
  CONNECTION_RESET: {
    kind: 'transport',
    meaning: 'The connection was closed before the answer was complete.',
    remedy: 'Check firewalls and gateways on the network path. The agent retries automatically.',
  },
  REQUEST_INTERCEPTED: {
    kind: 'transport',
    meaning:
      'A mock in the process of the agent intercepted the request, and has no handler for it or cannot do what it needs.',
    remedy:
      'Add `...mock.handlers` to the handlers of the MSW server, or let the request through with `passthrough()` in a handler for its URL.',
  },
  TLS_UNTRUSTED: {
    kind: 'transport',
    meaning: "The issuer of the server's certificate is not trusted by this device.",
    remedy:
      'Check that the URL belongs to the authority. Install its root with `smart-agent trust install FILE`. If the named issuer is a firewall, ask the network team to exempt this host from TLS inspection.',
  },
  TLS_INSPECTED: {
    kind: 'transport',
    meaning:
      "The server's certificate was not issued by a licensing authority: a device on the network intercepts TLS, or a gateway has its own CA.",
    remedy:
      'Ask the network team to exempt the host from TLS inspection (the named issuer is the inspecting device). Install the CA of your own gateway with `init --tls-ca` or `transport tls-ca FILE`.',
  },
  TLS_PLAIN_TEXT: {
    kind: 'transport',
    meaning: 'The port answers without TLS.',
    remedy: "Check the port in the URL: it must be the authority's https port.",
  },
  TLS_EXPIRED: {
    kind: 'transport',
    meaning: "The server's certificate has expired, or the clock of this device is ahead.",
    remedy: 'Check the clock of the device, then the certificate of the authority.',
  },
  TLS_NOT_YET_VALID: {
    kind: 'transport',
    meaning: "The server's certificate is not valid yet: the clock of this device is probably behind.",
    remedy: 'Set the clock of the device.',
  },
  TLS_WRONG_AUTHORITY: {
    kind: 'transport',
    meaning:
      'The server belongs to another authority than the one that the request is for. No request was sent.',
    remedy:
      'Check the address with `transport show`. To move the device to another authority, register there with `register --force`.',
  },
  TLS_NAME_MISMATCH: {
    kind: 'transport',
    meaning: "The server's certificate is for another host name.",
    remedy: 'Use a host name in the certificate, or add this name to the authority with `serve --name`.',
  },
  TLS_FAILED: {
    kind: 'transport',
    meaning: 'No TLS connection could be made.',
    remedy:
      'Check the network equipment between the device and the authority. It must support TLS 1.2 or later.',
  },
  PROXY_UNREACHABLE: {
    kind: 'transport',
    meaning: 'The proxy cannot be reached.',
    remedy: 'Check host and port of the proxy (default 3128), and that the proxy is running.',
  },
  PROXY_AUTHENTICATION_REQUIRED: {
    kind: 'transport',
    meaning: 'The proxy requires a user name and password (407), but none are set.',
    remedy: 'Set them with `transport proxy URL --via PROXY --username U --password-file F`.',
  },
  PROXY_AUTHENTICATION_REFUSED: {
    kind: 'transport',
    meaning: 'The proxy refuses the user name and password (407).',
    remedy:
      'Check both with the operator of the proxy, and set them again. The proxy must accept Basic authentication.',
  },
  PROXY_FORBIDDEN: {
    kind: 'transport',
    meaning: 'The proxy does not allow a tunnel to the authority.',
    remedy: "Ask the operator of the proxy to allow CONNECT to the authority's host and port.",
  },
  PROXY_BAD_GATEWAY: {
    kind: 'transport',
    meaning: 'The proxy cannot reach the authority.',
    remedy: 'Check host and port of the authority as seen by the proxy, which resolves the name.',
  },
  PROXY_GATEWAY_TIMEOUT: {
    kind: 'transport',
    meaning: 'The proxy got no answer from the authority.',
    remedy: 'Check the network between the proxy and the authority. The agent retries automatically.',
  },
  PROXY_TIMED_OUT: {
    kind: 'transport',
    meaning: 'The proxy accepted the connection but did not answer.',
    remedy: 'Check the load of the proxy. The agent retries automatically.',
  },
  PROXY_FAILED: {
    kind: 'transport',
    meaning: 'The server at the address of the proxy is not a proxy, or closed the connection.',
    remedy: 'Check host and port of the proxy, and whether its URL begins with http:// or https://.',
  },
  PROXY_TLS_FAILED: {
    kind: 'transport',
    meaning: 'No TLS connection could be made to the proxy, whose URL begins with https://.',
    remedy:
      'Check the scheme of the proxy URL. If the proxy has its own CA, install the CA with `transport tls-ca FILE`.',
  },
  ANSWER_TOO_SLOW: {
    kind: 'transport',
    meaning: 'The answer was not complete within the time limit.',
    remedy: 'Check the network path. The agent retries automatically.',
  },
  ANSWER_TRUNCATED: {
    kind: 'transport',
    meaning: 'The answer was truncated.',
    remedy: 'Check gateways and firewalls on the network path. The agent retries automatically.',
  },
  ANSWER_NOT_HTTP: {
    kind: 'transport',
    meaning: 'The server does not speak HTTP.',
    remedy: 'Check the port in the URL: it must be the port of the authority.',
  },
  TIMED_OUT: {
    kind: 'transport',
    meaning: 'No answer arrived within the time limit.',
    remedy: 'Check the network and the load of the authority. The agent retries automatically.',
  },
  ANSWER_TOO_LARGE: {
    kind: 'transport',
    meaning: 'The answer is larger than any valid answer of an authority.',
    remedy: 'Check that the URL belongs to the authority.',
  },
  REDIRECTED: {
    kind: 'transport',
    meaning: 'The server redirected the request, which an authority never does.',
    remedy: 'Set the final URL. If the network has a sign-in page, sign in.',
  },
  ANSWER_NOT_JSON: {
    kind: 'transport',
    meaning: 'The server is not an authority: its answer is not JSON.',
    remedy: 'Check the URL. If the network has a sign-in page, sign in.',
  },
  RATE_LIMITED: {
    kind: 'transport',
    meaning: 'The authority asked the agent to retry later.',
    remedy: 'Nothing to do: the agent retries at the time that the authority requested.',
  },
  AUTHORITY_BUSY: {
    kind: 'transport',
    meaning: 'The authority has more requests than it can answer in time.',
    remedy:
      'Wait: the agent retries at the time that the authority requested. If this happens often, serve with more workers.',
  },
  AUTHORITY_UNAVAILABLE: {
    kind: 'transport',
    meaning: 'The authority cannot answer now (503).',
    remedy: 'Nothing to do: the agent retries automatically.',
  },
  AUTHORITY_REJECTED: {
    kind: 'transport',
    meaning: 'The server refused the message without a signed answer (4xx).',
    remedy:
      'Check that the URL belongs to the authority, and that no system on the network path filters requests.',
  },
  AUTHORITY_FAILED: {
    kind: 'transport',
    meaning: 'The server failed without a signed answer (5xx).',
    remedy: 'Check the log of the authority. The agent retries automatically.',
  },
} as const satisfies Record<string, ErrorEntry>
