import type { RequestHandler } from 'msw'
import {
  createMockAuthorityParts,
  type MockAuthorityOptions,
  type MockAuthorityParts,
} from './authority-parts.ts'
import { createHandlers } from './msw-handlers.ts'

/** Real authority for tests, with faults between agent and authority. */
export interface MockAuthority extends Pick<
  MockAuthorityParts,
  'authority' | 'trustAnchor' | 'requests' | 'setFaults' | 'listen' | 'setConnectionFault' | 'close'
> {
  /** Handlers for `setupServer(...handlers)` of `msw/node`. Faults of connections require `listen()` instead. */
  readonly handlers: readonly RequestHandler[]
  readonly url: string
}

/**
 * Creates an authority for tests in a temporary directory, with handlers for MSW and a network of real sockets.
 *
 * @example
 * const mock = await createMockAuthority({ faults: [{ fault: 'error503', times: 2 }] })
 * const server = setupServer(...mock.handlers)
 */
export async function createMockAuthority(options: MockAuthorityOptions = {}): Promise<MockAuthority> {
  const { url = 'https://authority.test' } = options
  const parts = await createMockAuthorityParts(options)
  return Object.assign(parts, { url, handlers: createHandlers(url, parts) })
}
