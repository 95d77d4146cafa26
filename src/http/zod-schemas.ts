import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import { createJsonSchemaTransform, serializerCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ENGLISH } from '../core/english.ts'
import { LicensingError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'

/** Validation issue of an input: the path of the field, empty for the whole input, and the reason. */
export interface InputIssue {
  readonly field: string
  readonly reason: string
}

/** Error for an input that does not match its schema. */
export class InvalidInputError extends LicensingError {
  readonly field: string

  constructor(field: string, message: string) {
    super('INVALID_ARGUMENT', message)
    this.field = field
  }
}

type InputPart = 'body' | 'query'

/** Returns a validator compiler that fails with the primary issue, formatted by `describe`. */
export const createInputValidator =
  (describe: (issue: InputIssue, part: InputPart) => string): FastifySchemaCompiler<z.ZodType> =>
  ({ schema, httpPart }) =>
  (data: unknown) => {
    // A request without a body is validated as an empty object.
    const parsed = schema.safeParse(data ?? {}, ENGLISH)
    if (parsed.success) return { value: parsed.data }
    const issue = findPrimaryIssue(parsed.error.issues) ?? { field: '', reason: 'it is not valid' }
    return {
      error: new InvalidInputError(issue.field, describe(issue, httpPart === 'body' ? 'body' : 'query')),
    }
  }

interface RankedIssue extends InputIssue {
  readonly isMissing: boolean
}

/** Returns the issue to report. For a union, the issue is from the branch that matches the input best. */
function findPrimaryIssue(
  issues: readonly z.core.$ZodIssue[],
  within: readonly PropertyKey[] = [],
): RankedIssue | undefined {
  const ranked = issues.map((issue): RankedIssue => {
    const path = [...within, ...issue.path]
    if (issue.code === 'invalid_union' && issue.message === 'Invalid input') {
      const branches = issue.errors.flatMap((branch) => findPrimaryIssue(branch, path) ?? [])
      const best = branches.find(({ isMissing }) => !isMissing) ?? branches[0]
      if (best) return best
    }
    const isMissing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined')
    return {
      field: path.map(String).join('.'),
      reason: isMissing ? 'it is missing' : issue.message,
      isMissing,
    }
  })
  return ranked.find(({ isMissing }) => !isMissing) ?? ranked[0]
}

export const createJsonContent = (description: string, schema: z.ZodType) => ({
  description,
  content: { 'application/json': { schema } },
})

/** Adds the metadata of `.meta()`, because the transformation only reads its own registry. */
const zodToJsonConfig = {
  override: ({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: object }) => {
    Object.assign(jsonSchema, z.globalRegistry.get(zodSchema))
  },
}

/** Returns the JSON Schema (2020-12, as in OpenAPI 3.1) of a schema. */
function toComponent(schema: z.ZodType): object {
  const { $schema: _, ...component } = z.toJSONSchema(schema, { io: 'input' })
  return component
}

/** Description of an API, without its paths. */
export interface ApiDescription {
  readonly title: string
  readonly description: string
  readonly serverUrl: string
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  /** Security schemes of every call, except for routes with their own security. */
  readonly securitySchemes: Readonly<
    Record<
      string,
      { type: 'apiKey'; in: 'cookie' | 'header'; name: string } | { type: 'http'; scheme: 'bearer' }
    >
  >
  /** Schemas of error bodies by name. Each becomes a component of the OpenAPI description. */
  readonly errorBodies: Readonly<Record<string, z.ZodType>>
}

/**
 * Validates requests and serializes responses of a scope's routes with zod schemas, and describes the tagged routes as
 * OpenAPI 3.1 in `scope.swagger()`.
 *
 * @param describeIssue formats the message of a validation issue
 */
export async function useZodSchemas(
  scope: FastifyInstance,
  api: ApiDescription,
  describeIssue: (issue: InputIssue, part: InputPart) => string,
): Promise<void> {
  scope.setValidatorCompiler(createInputValidator(describeIssue))
  scope.setSerializerCompiler(serializerCompiler)
  const schemaRegistry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(api.errorBodies)) schemaRegistry.add(schema, { id })
  const { title, description, serverUrl, tags, securitySchemes } = api
  await scope.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title,
        version: VERSION,
        description,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: serverUrl }],
      tags: [...tags],
      security: [Object.fromEntries(Object.keys(securitySchemes).map((name) => [name, []]))],
      components: {
        securitySchemes,
        schemas: Object.fromEntries(
          Object.entries(api.errorBodies).map(([name, schema]) => [name, toComponent(schema)]),
        ),
      },
    },
    hideUntagged: true,
    convertConstToEnum: false,
    transform: createJsonSchemaTransform({ schemaRegistry, zodToJsonConfig }),
  })
}
