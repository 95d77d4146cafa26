import type { FastifySchema } from 'fastify'
import { z } from 'zod'
import { type ApiDescription, createJsonContent } from '../http/zod-schemas.ts'
import type { Endpoint } from './endpoint.ts'
import { errorBodies } from './error-responses.ts'

const PATH_PARAMETERS: Record<string, string> = {
  domain: 'The domain of a smart account.',
  virtualAccount: 'The name of a virtual account.',
}

const toOpenApiPath = (url: string): string => url.replace(/:(\w+)/g, '{$1}')

/** Returns the Fastify schema of an endpoint at one of its paths. */
export function toFastifySchema(
  { method, schema: { body, querystring, response }, errorFormat }: Endpoint,
  url: string,
): FastifySchema {
  const names = [...url.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
  const params = z.object(
    Object.fromEntries(names.map((name) => [name, z.string().meta({ description: PATH_PARAMETERS[name] })])),
  )
  return {
    ...(names.length > 0 && { params }),
    ...(method === 'POST' && body && { body }),
    ...(querystring && { querystring }),
    response: {
      200: createJsonContent('Success.', response),
      '4xx': createJsonContent(
        'Malformed (400) or refused (422). 401, 403 and 404 have no body.',
        errorBodies[errorFormat],
      ),
      '5xx': z.null().meta({ description: 'The authority failed. No body.' }),
    },
  }
}

export function describeEndpoint({ name, scope, summary, urls }: Endpoint): FastifySchema {
  const others = urls.slice(1).map((url) => `\`${toOpenApiPath(url)}\``)
  return {
    operationId: name,
    tags: [scope === 'read' ? 'Reading' : 'Doing'],
    summary: name.replaceAll('-', ' ').replace(/^./, (letter) => letter.toUpperCase()),
    description: `${summary} A client needs the scope ${scope}.${
      others.length === 0 ? '' : ` Also at: ${others.join(', ')}.`
    }`,
  }
}

const parameter = z.string().optional()

/** Returns the schema of a token endpoint for the description. The endpoint itself validates the request. */
export const createTokenSchema = (url: string): FastifySchema => ({
  operationId: `token${url.replaceAll(/\W+/g, '-')}`,
  tags: ['Access tokens'],
  summary: 'Access token',
  description:
    'Issues an access token for the secret of a client or the password of a user (RFC 6749). Send the parameters as JSON, as a form or in the query. A client can also use HTTP Basic.',
  security: [],
  consumes: ['application/x-www-form-urlencoded'],
  body: z.object({
    grant_type: z.enum(['client_credentials', 'password']),
    client_id: parameter,
    client_secret: parameter,
    username: parameter,
    password: parameter,
  }),
  response: {
    200: createJsonContent(
      'Given.',
      z.object({ access_token: z.string(), token_type: z.literal('Bearer'), expires_in: z.int() }),
    ),
    '4xx': createJsonContent('Refused.', errorBodies.OAuth),
  },
})

/** Describes the REST API without its endpoints. */
export const describeRestApi = (endpoints: readonly Endpoint[]): ApiDescription => ({
  title: 'Smart accounts and licensing',
  description:
    'The REST API of Cisco Smart Software Manager. The account searches return the numbers for paths and headers.',
  serverUrl: '/',
  tags: [
    {
      name: 'Access tokens',
      description: 'Access tokens for all other calls, sent as `Authorization: Bearer`.',
    },
    { name: 'Reading', description: 'Changes nothing.' },
    { name: 'Doing', description: 'Changes data, and records the caller.' },
  ],
  securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
  errorBodies: Object.fromEntries(
    [...new Set(endpoints.map(({ errorFormat }) => errorFormat)), 'OAuth' as const].map((format) => [
      format,
      errorBodies[format],
    ]),
  ),
})
