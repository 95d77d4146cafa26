import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import { endpoint } from './endpoint.ts'
import type { ErrorFormat } from './error-responses.ts'
import { sharedRoutes, cloudV1Routes, cloudV2Routes } from './routes.ts'

/** A call of the field's API that this authority does not serve: it says so, instead of being nowhere. */
const notServed = (
  name: string,
  method: 'GET' | 'POST',
  routes: readonly string[],
  why: string,
  envelope: ErrorFormat = 'E1',
) =>
  endpoint({
    name,
    method,
    urls: routes,
    scope: 'read',
    errorFormat: envelope,
    summary: `Not served: ${why}.`,
    schema: { response: z.never() },
    handler: () =>
      Promise.reject(
        new LicensingError('API_NOT_SERVED', `This authority does not serve that call: ${why}.`),
      ),
  })

const POLICY =
  'its boxes report by their agents, under their own identities, and not by reports that are carried here'
const CONVERSION = 'there are no classic licences to convert'

export const unservedEndpoints = [
  notServed(
    'authorization-requests',
    'POST',
    [...cloudV1Routes('/devices/authrequest'), ...cloudV2Routes('/licensing/v2/device/request-auth-codes')],
    POLICY,
    'E5',
  ),
  notServed(
    'usage-reports',
    'POST',
    [
      ...cloudV1Routes('/devices/reportusage'),
      ...cloudV2Routes('/licensing/v2/report-usage', '/licensing/v2/report-usage-legacy'),
    ],
    POLICY,
    'E5',
  ),
  notServed(
    'poll',
    'POST',
    [...cloudV1Routes('/accounts/poll'), ...cloudV2Routes('/licensing/v2/poll')],
    POLICY,
    'E5',
  ),
  notServed(
    'policy',
    'GET',
    cloudV2Routes('/licensing/v2/account-policy'),
    'there is no reporting policy: agents report by the periods of their product',
    'E5',
  ),
  notServed(
    'msla-subscriptions',
    'POST',
    cloudV2Routes('/licensing/v1/account/:domain/virtual-account/:virtualAccount/get-msla-subscriptions'),
    'no licences are paid by use here',
  ),
  notServed(
    'license-conversion',
    'POST',
    [
      ...sharedRoutes('/accounts/:domain/dlc_convert'),
      ...cloudV2Routes('/licensing/v1/account/:domain/convert-bulk-dlc'),
    ],
    CONVERSION,
  ),
  notServed(
    'enterprise-agreements',
    'GET',
    cloudV2Routes('/ea/v1/subscription/account/:domain/consumption'),
    'there are no enterprise agreements here',
    'EA',
  ),
]
