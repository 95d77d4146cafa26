import type { RateLimitPluginOptions } from '@fastify/rate-limit'
import { LicensingError } from '../core/errors.ts'
import { toClientKey } from '../core/ip-address.ts'
import { MINUTE } from '../core/time.ts'

/** Returns options for `@fastify/rate-limit`: `max` requests a minute from one address or /64 network, on routes that opt in. */
export const createRateLimitOptions = (max: number): RateLimitPluginOptions => ({
  global: false,
  max,
  timeWindow: MINUTE,
  keyGenerator: (request) => toClientKey(request.clientAddress),
  errorResponseBuilder: (_request, { ttl }) =>
    new LicensingError('TOO_MANY_REQUESTS', 'Too many requests came from this address.', {
      retryAfterMs: ttl,
    }),
})
