import type { FastifySchema } from 'fastify'
import { z } from 'zod'
import { errorTable } from '../core/errors.ts'
import type { Access, Procedure } from '../http/procedures.ts'
import { type ApiDescription, createJsonContent } from '../http/zod-schemas.ts'

const ALLOWED_USERS: Record<Access, string> = {
  open: 'Anyone.',
  'signed-in': 'Signed-in users.',
  viewer: 'Signed-in users with a password of their own.',
  user: 'Users and administrators.',
  'account-administrator': 'Administrators and account administrators.',
  administrator: 'Administrators.',
}

/** Schema of the body of every error. */
const failureSchema = z.object({
  error: z.object({
    code: z.string().meta({ examples: Object.keys(errorTable).slice(0, 3) }),
    message: z.string(),
    remedy: z.string(),
    resource: z.string().meta({ description: 'The kind of object of the error.' }).optional(),
    field: z.string().meta({ description: 'The name of the invalid input.' }).optional(),
  }),
})
const failure = createJsonContent('Refused or failed: the error code, message and remedy.', failureSchema)

/** Returns the Fastify schema of a procedure: its input, its response and its part of the description. */
export const toFastifySchema = (
  name: string,
  { method, access, summary, schema }: Pick<Procedure, 'method' | 'access' | 'summary' | 'schema'>,
): FastifySchema => ({
  operationId: name,
  tags: [method === 'GET' ? 'Reading' : 'Doing'],
  summary: name.replaceAll('-', ' ').replace(/^./, (letter) => letter.toUpperCase()),
  description: `${summary} ${ALLOWED_USERS[access]}`,
  ...(access === 'open' && { security: [] }),
  ...('body' in schema ? { body: schema.body } : { querystring: schema.querystring }),
  response: { 200: createJsonContent('Done.', schema.response), '4xx': failure, '5xx': failure },
})

export const liveSchema: FastifySchema = {
  operationId: 'live',
  tags: ['Reading'],
  summary: 'Live',
  description: 'Sends changes as server-sent events.',
  response: {
    200: {
      description: 'Events until the session ends.',
      content: { 'text/event-stream': { schema: z.string() } },
    },
    '4xx': failure,
  },
}

/** Describes a console's API without its procedures. */
export const describeConsole = (title: string): ApiDescription => ({
  title,
  description:
    'Sign in with `sign-in`. Send its cookie, and its token in `X-Session-Token`, with every other call.',
  serverUrl: '/api/v1',
  tags: [
    { name: 'Reading', description: 'Changes nothing.' },
    { name: 'Doing', description: 'Changes data, and records the caller.' },
  ],
  securitySchemes: {
    session: { type: 'apiKey', in: 'cookie', name: 'session' },
    token: { type: 'apiKey', in: 'header', name: 'X-Session-Token' },
  },
  errorBodies: { Failure: failureSchema },
})
