import { describe, expect, it } from 'vitest'
import { parseBody } from '../../src/rest/bodies.ts'
import { getRefusal } from '../support/refusal.ts'

const refuse = (text: string) => getRefusal(() => parseBody('application/json', text))

describe('the JSON of a REST request', () => {
  it('is refused with a key that could change the prototype of an object', () => {
    for (const text of [
      '{"virtualAccounts":[],"__proto__":{"limit":1}}',
      '{"x":[{"\\u005f_proto__":{}}]}',
      '{"constructor":{"prototype":{"limit":1}}}',
    ])
      expect(refuse(text), text).toBe('REQUEST_MALFORMED: The request is not valid JSON.')
    expect(parseBody('application/json', '{"constructor":"a name"}')).toEqual({ constructor: 'a name' })
  })

  it('is refused beyond a depth of 32, in an ignored field too', () => {
    expect(parseBody('application/json', `${'['.repeat(32)}${']'.repeat(32)}`)).toBeInstanceOf(Array)
    expect(refuse(`{"x":${'['.repeat(32)}${']'.repeat(32)}}`)).toContain('nested too deeply')
  })
})
