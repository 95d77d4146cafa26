import { type Json, queryParameters, schemaOf } from '../core/json-schema.ts'
import { VERSION } from '../core/version.ts'
import type { Endpoint } from './contract.ts'
import type { EnvelopeForm } from './error-responses.ts'
import { TOKEN_PATHS } from './oauth.ts'

const text = { type: 'string' }
const objectOf = (properties: Record<string, Json>): Json => ({
  type: 'object',
  required: Object.keys(properties),
  properties,
})

const envelopes: Record<EnvelopeForm, Json> = {
  E1: objectOf({ status: { const: 'ERROR' }, statusMessage: text }),
  E3: objectOf({ status: { const: 'FAILED' }, localized_message: text, message: text }),
  E4: objectOf({ status: { const: 'FAILURE' }, message: text }),
  E5: objectOf({ status: { const: 'FAILED' }, localized_message: text, message: text, message_code: text }),
  EA: objectOf({ code: text, message: text, severity: text }),
  OAuth: objectOf({ error: text, error_description: text }),
}

const pathOf = (route: string): string => route.replace(/:(\w+)/g, '{$1}')

const pathParameters = (route: string): Json[] =>
  [...route.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    description: name === 'domain' ? 'The domain of a smart account.' : 'The name of a virtual account.',
    schema: text,
  }))

const named = (json: Json): Json | undefined => (Object.keys(json).length === 0 ? undefined : json)

function operation({ name, method, routes, needs, envelope, summary, body, query, answer }: Endpoint): Json {
  const [route = ''] = routes
  const input = method === 'POST' ? named(schemaOf(body, 'input')) : undefined
  const refused = {
    description: 'Not of its form (400), or refused (422). 401, 403 and 404 have no body.',
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${envelope}` } } },
  }
  return {
    operationId: name,
    tags: [needs === 'read' ? 'Reading' : 'Doing'],
    summary: name.replaceAll('-', ' ').replace(/^./, (first) => first.toUpperCase()),
    description: `${summary} A client needs the scope ${needs}.${
      routes.length === 1
        ? ''
        : ` Also at: ${routes
            .slice(1)
            .map((one) => `\`${pathOf(one)}\``)
            .join(', ')}.`
    }`,
    parameters: [...pathParameters(route), ...queryParameters(query)],
    ...(input && { requestBody: { content: { 'application/json': { schema: input } } } }),
    responses: {
      200: {
        description: 'Answered.',
        content: { 'application/json': { schema: schemaOf(answer, 'output') } },
      },
      '4XX': refused,
      '5XX': { description: 'The authority could not answer. No body.' },
    },
  }
}

const tokenOperation = (path: string): Json => ({
  post: {
    operationId: `token${path.replaceAll(/\W+/g, '-')}`,
    tags: ['Access tokens'],
    summary: 'Access token',
    description:
      'An access token, for the secret of a client or the password of a user (RFC 6749). As JSON, as a form or in the query; a client also by HTTP Basic.',
    security: [],
    requestBody: {
      content: {
        'application/x-www-form-urlencoded': {
          schema: {
            type: 'object',
            required: ['grant_type'],
            properties: {
              grant_type: { enum: ['client_credentials', 'password'] },
              client_id: text,
              client_secret: text,
              username: text,
              password: text,
            },
          },
        },
      },
    },
    responses: {
      200: {
        description: 'Given.',
        content: {
          'application/json': {
            schema: objectOf({
              access_token: text,
              token_type: { const: 'Bearer' },
              expires_in: { type: 'integer' },
            }),
          },
        },
      },
      '4XX': {
        description: 'Refused.',
        content: {
          'application/json': { schema: envelopes.OAuth },
        },
      },
    },
  },
})

/** The REST API as OpenAPI 3.1, made of the contracts it is served by: each call at the first of its places. */
export function describeRest(endpoints: readonly Endpoint[]): Json {
  const paths: Record<string, Json> = {}
  for (const one of endpoints) {
    const path = pathOf(one.routes[0] ?? '')
    paths[path] = { ...paths[path], [one.method.toLowerCase()]: operation(one) }
  }
  for (const path of TOKEN_PATHS) paths[path] = tokenOperation(path)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Smart accounts and licensing',
      version: VERSION,
      description:
        'The REST API of the field, as clients of Smart Software Manager use it. Numbers in paths and headers are those that the account searches tell.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Access tokens', description: 'What every other call carries, as `Authorization: Bearer`.' },
      { name: 'Reading', description: 'Changes nothing.' },
      { name: 'Doing', description: 'Changes something, and is recorded with who did it.' },
    ],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: Object.fromEntries(
        [...new Set(endpoints.map(({ envelope }) => envelope))].map((form) => [form, envelopes[form]]),
      ),
    },
  }
}
