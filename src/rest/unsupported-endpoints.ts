import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import { createEndpoint } from './endpoint.ts'
import type { ErrorFormat } from './error-responses.ts'
import { sharedRoutes, cloudV1Routes, cloudV2Routes } from './routes.ts'

/** Creates an endpoint of Cisco's API that the authority refuses with a reason instead of 404. */
const createUnsupportedEndpoint = (
  name: string,
  method: 'GET' | 'POST',
  routes: readonly string[],
  why: string,
  envelope: ErrorFormat = 'statusMessage',
) =>
  createEndpoint({
    name,
    method,
    urls: routes,
    scope: 'read',
    errorFormat: envelope,
    summary: `Not supported: ${why}.`,
    schema: { response: z.never() },
    handler: () =>
      Promise.reject(
        new LicensingError('API_NOT_SERVED', `This authority does not support the call: ${why}.`),
      ),
  })

const POLICY = 'devices report through their agents, with their own certificates, and not by report files'
const CONVERSION = 'there are no classic licenses to convert'

export const unsupportedEndpoints = [
  createUnsupportedEndpoint(
    'authorization-requests',
    'POST',
    [...cloudV1Routes('/devices/authrequest'), ...cloudV2Routes('/licensing/v2/device/request-auth-codes')],
    POLICY,
    'localizedWithCode',
  ),
  createUnsupportedEndpoint(
    'usage-reports',
    'POST',
    [
      ...cloudV1Routes('/devices/reportusage'),
      ...cloudV2Routes('/licensing/v2/report-usage', '/licensing/v2/report-usage-legacy'),
    ],
    POLICY,
    'localizedWithCode',
  ),
  createUnsupportedEndpoint(
    'poll',
    'POST',
    [...cloudV1Routes('/accounts/poll'), ...cloudV2Routes('/licensing/v2/poll')],
    POLICY,
    'localizedWithCode',
  ),
  createUnsupportedEndpoint(
    'policy',
    'GET',
    cloudV2Routes('/licensing/v2/account-policy'),
    'there is no reporting policy: agents report by the periods of their product',
    'localizedWithCode',
  ),
  createUnsupportedEndpoint(
    'msla-subscriptions',
    'POST',
    cloudV2Routes('/licensing/v1/account/:domain/virtual-account/:virtualAccount/get-msla-subscriptions'),
    'there are no pay-per-use licenses',
  ),
  createUnsupportedEndpoint(
    'license-conversion',
    'POST',
    [
      ...sharedRoutes('/accounts/:domain/dlc_convert'),
      ...cloudV2Routes('/licensing/v1/account/:domain/convert-bulk-dlc'),
    ],
    CONVERSION,
  ),
  createUnsupportedEndpoint(
    'enterprise-agreements',
    'GET',
    cloudV2Routes('/ea/v1/subscription/account/:domain/consumption'),
    'there are no enterprise agreements',
    'enterpriseAgreement',
  ),
]
