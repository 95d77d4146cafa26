import { errorTable } from '../core/errors.ts'
import { type Json, queryParameters, schemaOf } from '../core/json-schema.ts'
import { VERSION } from '../core/version.ts'
import type { Access, Call } from '../http/contract.ts'

const who: Record<Access, string> = {
  open: 'Anybody.',
  'signed-in': 'Whoever is signed in.',
  viewer: 'Whoever is signed in, with a password of their own.',
  user: 'Users and administrators.',
  administrator: 'Administrators.',
}

const failure = {
  description: 'Refused or failed: a code, why, and what to do.',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } },
}

const words = (name: string): string =>
  name.replaceAll('-', ' ').replace(/^./, (first) => first.toUpperCase())

function operation(name: string, call: Call): Json {
  return {
    operationId: name,
    tags: [call.method === 'GET' ? 'Reading' : 'Doing'],
    summary: words(name),
    description: `${call.summary} ${who[call.access]}`,
    ...(call.access === 'open' && { security: [] }),
    ...(call.method === 'GET'
      ? { parameters: queryParameters(call.input) }
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(call.input, 'input') } },
          },
        }),
    responses: {
      200: {
        description: 'Done.',
        content: { 'application/json': { schema: schemaOf(call.output, 'output') } },
      },
      '4XX': failure,
      '5XX': failure,
    },
  }
}

/** An API as OpenAPI 3.1, made of the contract it is served by. */
export function describeApi(title: string, contract: Readonly<Record<string, Call>>): Json {
  const paths = Object.entries(contract).map(([name, call]) => [
    `/${name}`,
    { [call.method.toLowerCase()]: operation(name, call) },
  ])
  return {
    openapi: '3.1.0',
    info: {
      title,
      version: VERSION,
      description:
        'Sign in with `sign-in`; send its cookie and its token, in `X-Session-Token`, with every other call.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/api/v1' }],
    tags: [
      { name: 'Reading', description: 'Changes nothing.' },
      { name: 'Doing', description: 'Changes something, and is recorded with who did it.' },
    ],
    security: [{ session: [], token: [] }],
    paths: {
      ...Object.fromEntries(paths),
      '/live': {
        get: {
          operationId: 'live',
          tags: ['Reading'],
          summary: 'Live',
          description: 'What happens, as it happens: server-sent events.',
          responses: {
            200: {
              description: 'Events until the session ends.',
              content: { 'text/event-stream': { schema: { type: 'string' } } },
            },
            '4XX': failure,
          },
        },
      },
    },
    components: {
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: 'session' },
        token: { type: 'apiKey', in: 'header', name: 'X-Session-Token' },
      },
      schemas: {
        Failure: {
          type: 'object',
          required: ['error'],
          properties: {
            error: {
              type: 'object',
              required: ['code', 'message', 'remedy'],
              properties: {
                code: { type: 'string', examples: Object.keys(errorTable).slice(0, 3) },
                message: { type: 'string' },
                remedy: { type: 'string' },
                field: { type: 'string', description: 'The input that was not of its form.' },
              },
            },
          },
        },
      },
    },
  }
}
