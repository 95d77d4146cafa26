import Fastify, { type FastifyError } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { LicensingError, notFoundError } from '../../src/core/errors.ts'
import { toErrorStatus } from '../../src/http/error-status.ts'
import { type InvalidInputError, createJsonContent, useZodSchemas } from '../../src/http/zod-schemas.ts'

const failure = z.object({ code: z.string(), message: z.string() })
const servers: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

/** Creates a server with one route, whose handler returns the given answer. */
async function serve(answer: unknown) {
  const server = Fastify()
  servers.push({ close: () => server.close() })
  const inputs: unknown[] = []
  await useZodSchemas(
    server,
    {
      title: 'Test',
      description: 'For tests.',
      serverUrl: '/',
      tags: [{ name: 'Doing', description: 'Changes something.' }],
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      errorBodies: { Failure: failure },
    },
    ({ field, reason }, part) => `${part} ${field}: ${reason}`,
  )
  server.setErrorHandler(async (error: FastifyError | Error, _request, reply) => {
    const status = error instanceof LicensingError ? toErrorStatus(error, 409) : 500
    const { message } = error
    const code = error instanceof LicensingError ? error.code : 'INTERNAL'
    await reply
      .code(status)
      .send({ code, message, secret: 'left out', field: (error as InvalidInputError).field })
  })
  server.post(
    '/things',
    {
      schema: {
        operationId: 'things',
        tags: ['Doing'],
        body: z.object({
          count: z.number().max(10, 'at most 10'),
          kind: z
            .string()
            .meta({ enum: ['a', 'b'] })
            .default('a'),
        }),
        response: {
          200: createJsonContent('Done.', z.object({ count: z.number() })),
          '4xx': createJsonContent('Refused.', failure),
        },
      },
    },
    (request) => {
      inputs.push(request.body)
      return answer
    },
  )
  const post = (payload: object) => server.inject({ method: 'POST', url: '/things', payload })
  return { server, inputs, post }
}

describe('routes with zod schemas', () => {
  it('pass the parsed input to the handler and omit undeclared fields from the response', async () => {
    const { inputs, post } = await serve({ count: 3, password: 'secret' })
    const response = await post({ count: 3, unknown: true })
    expect([response.statusCode, response.body]).toEqual([200, '{"count":3}'])
    expect(inputs).toEqual([{ count: 3, kind: 'a' }])
  })

  it('refuse an invalid input before the handler runs, with only its field and reason', async () => {
    const { inputs, post } = await serve({ count: 3 })
    for (const [payload, message] of [
      [{ count: 11 }, 'body count: at most 10'],
      [{}, 'body count: it is missing'],
    ] as const) {
      const response = await post(payload)
      expect([response.statusCode, response.json()]).toEqual([400, { code: 'INVALID_ARGUMENT', message }])
    }
    expect(inputs).toEqual([])
  })

  it('answer 500 without schema issues if the response does not match its schema', async () => {
    const { post } = await serve({ count: 'a secret text' })
    const response = await post({ count: 1 })
    expect(response.statusCode).toBe(500)
    expect(response.body).not.toMatch(/secret text|invalid_type|expected/i)
  })

  it('are described as OpenAPI 3.1, with named error bodies and the metadata of their schemas', async () => {
    const { server } = await serve({ count: 1 })
    await server.ready()
    const document = server.swagger() as unknown as {
      openapi: string
      paths: Record<string, { post: { requestBody: object; responses: Record<string, object> } }>
      components: { schemas: object }
    }
    expect(document.openapi).toBe('3.1.0')
    expect(document.components.schemas).toEqual({ Failure: expect.objectContaining({ type: 'object' }) })
    const { requestBody, responses } = document.paths['/things']!.post
    expect(JSON.stringify(requestBody)).toContain('"enum":["a","b"]')
    expect(responses['4XX']).toMatchObject({
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } },
    })
  })
})

describe('the HTTP status of an error', () => {
  it.each([
    [404, notFoundError('smart-account', 'x')],
    [409, notFoundError('token', 'x')],
    [503, new LicensingError('DATABASE_UNREACHABLE', 'x')],
    [500, new LicensingError('STORE_UNREADABLE', 'x')],
    [401, new LicensingError('SIGN_IN_REQUIRED', 'x')],
  ])('is %i for %s', (status, error) => {
    expect(toErrorStatus(error, 409)).toBe(status)
  })
})
