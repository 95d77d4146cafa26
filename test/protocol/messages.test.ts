import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

// Each test imports the module, so that an error while creating the schemas fails a test.
const messages = () => import('../../src/protocol/messages.ts')

const { $defs } = JSON.parse(readFileSync('docs/protocol.schema.json', 'utf8')) as {
  $defs: Record<string, object>
}
const schemaOf = (type: z.ZodType) => {
  const { $schema, ...rest } = z.toJSONSchema(type, { io: 'input' })
  expect($schema).toBeDefined()
  return rest
}
const sealed = (text: string) => ({ protected: text, payload: 'AA', signature: 'AA' })

describe('messages', () => {
  it('lose the characters of names and texts that would change a terminal', async () => {
    const { authorizeAcceptedSchema, refusalSchema } = await messages()
    const ill = 'East\u001b]0;PWNED\u0007\u001b[2J\nstate authorized\u202e'
    const clean = 'East\ufffd]0;PWNED\ufffd\ufffd[2J\ufffdstate authorized\ufffd'
    const entitlement = { tag: 'HOST', name: ill, description: ill, count: 1, status: 'in-compliance' }
    const accepted = authorizeAcceptedSchema.parse({
      outcome: 'accepted',
      entitlements: [entitlement],
      compliance: 'in-compliance',
      deadlineAt: '2026-01-01T00:00:00.000Z',
      nextContactAt: null,
      softwareVersion: ill,
      smartAccount: ill,
      virtualAccount: ill,
    })
    expect(accepted).toMatchObject({ smartAccount: clean, virtualAccount: clean, softwareVersion: clean })
    expect(accepted.entitlements[0]).toMatchObject({ name: clean, description: clean })
    const refusal = { outcome: 'refused', code: 'REFUSED_BY_TEST', message: ill, remedy: ill }
    expect(refusalSchema.parse(refusal)).toMatchObject({ message: clean, remedy: clean })
  })

  it('match docs/protocol.schema.json', async () => {
    const { answerSchema, helloRequestSchema, requestSchema, signedMessageSchema, ...kinds } =
      await messages()
    const options = {
      request: [...requestSchema.options, helloRequestSchema],
      answer: answerSchema.options,
    }
    for (const [direction, forms] of Object.entries(options))
      for (const form of forms)
        expect(schemaOf(form), form.shape.type.value).toEqual($defs[`${form.shape.type.value}-${direction}`])
    expect(schemaOf(signedMessageSchema)).toEqual($defs.sealed)
    const typesOf = (forms: readonly { shape: { type: { value: string } } }[]) =>
      forms.map(({ shape }) => shape.type.value)
    expect(kinds.requestTypeSchema.options).toEqual(typesOf(requestSchema.options))
    expect(kinds.messageTypeSchema.options).toEqual(typesOf(options.answer))
    expect(Object.keys($defs)).toHaveLength(1 + options.request.length + options.answer.length)
  })

  it('have six types, each with its own path', async () => {
    const { getMessagePath, messageTypeSchema, requestTypeSchema } = await messages()
    expect(requestTypeSchema.options).toEqual(['register', 'authorize', 'renew', 'deregister', 'acknowledge'])
    expect(messageTypeSchema.options.map(getMessagePath)).toEqual([
      '/smart-agent/v1/register',
      '/smart-agent/v1/authorize',
      '/smart-agent/v1/renew',
      '/smart-agent/v1/deregister',
      '/smart-agent/v1/acknowledge',
      '/smart-agent/v1/hello',
    ])
  })

  it('must be canonical base64url and have no other members', async () => {
    const { signedMessageSchema } = await messages()
    const good = (value: unknown) => signedMessageSchema.safeParse(value).success
    expect(good(sealed('AAA'))).toBe(true)
    // None of these is canonical: bits are set in the padding, or characters are not of the alphabet.
    for (const text of ['AAB', 'A', 'AA=', 'A+A', '', 'AA A']) expect(good(sealed(text)), text).toBe(false)
    expect(good({ ...sealed('AA'), more: 1 })).toBe(false)
    expect(good({ ...sealed('AA'), protected: 'A'.repeat(32_768) })).toBe(true)
    expect(good({ ...sealed('AA'), protected: 'A'.repeat(32_770) })).toBe(false)
  })
})
