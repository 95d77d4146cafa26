import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import { endpoint } from './contract.ts'
import type { EnvelopeForm } from './error-responses.ts'
import { everywhere, legacy, newer } from './routes.ts'
import { noBody, noQuery } from './fields.ts'

/** A call of the field's API that this authority does not serve: it says so, instead of being nowhere. */
const notServed = (
  name: string,
  method: 'GET' | 'POST',
  routes: readonly string[],
  why: string,
  envelope: EnvelopeForm = 'E1',
) =>
  endpoint({
    name,
    method,
    routes,
    needs: 'read',
    envelope,
    summary: `Not served: ${why}.`,
    body: noBody,
    query: noQuery,
    answer: z.never(),
    run: () =>
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
    [...legacy('/devices/authrequest'), ...newer('/licensing/v2/device/request-auth-codes')],
    POLICY,
    'E5',
  ),
  notServed(
    'usage-reports',
    'POST',
    [
      ...legacy('/devices/reportusage'),
      ...newer('/licensing/v2/report-usage', '/licensing/v2/report-usage-legacy'),
    ],
    POLICY,
    'E5',
  ),
  notServed('poll', 'POST', [...legacy('/accounts/poll'), ...newer('/licensing/v2/poll')], POLICY, 'E5'),
  notServed(
    'policy',
    'GET',
    newer('/licensing/v2/account-policy'),
    'there is no reporting policy: agents report by the periods of their product',
    'E5',
  ),
  notServed(
    'msla-subscriptions',
    'POST',
    newer('/licensing/v1/account/:domain/virtual-account/:virtualAccount/get-msla-subscriptions'),
    'no licences are paid by use here',
  ),
  notServed(
    'license-conversion',
    'POST',
    [
      ...everywhere('/accounts/:domain/dlc_convert'),
      ...newer('/licensing/v1/account/:domain/convert-bulk-dlc'),
    ],
    CONVERSION,
  ),
  notServed(
    'enterprise-agreements',
    'GET',
    newer('/ea/v1/subscription/account/:domain/consumption'),
    'there are no enterprise agreements here',
    'EA',
  ),
]
