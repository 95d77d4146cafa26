import { describe, expect, it } from 'vitest'
import { assertSupportedHost } from '../../src/storage/sqlite.ts'
import { getRefusal } from '../support/refusal.ts'
import { Database } from '../support/sqlite.ts'

const host = { platform: 'linux', arch: 'x64', nodeMajor: 22 }
const given = [{ nativeBinding: '/opt/product/better_sqlite3.node' }, { Database }]

describe('SQLite is loaded (R-EMB-7)', () => {
  it.each([host, { ...host, arch: 'arm64' }, { ...host, nodeMajor: 26 }])('on %o', (supported) => {
    expect(() => {
      assertSupportedHost({}, supported)
    }).not.toThrow()
  })

  it('on another processor from a given native part or class', () => {
    for (const options of given)
      expect(() => {
        assertSupportedHost(options, { ...host, arch: 'arm' })
      }).not.toThrow()
  })
})

describe('PLATFORM_UNSUPPORTED', () => {
  const refuse = (options: object, other: object) =>
    getRefusal(() => {
      assertSupportedHost(options, { ...host, ...other })
    })

  it('is thrown on Node 20, before the native part is loaded, which would end the process', () => {
    const text = 'PLATFORM_UNSUPPORTED: Node 20 is not supported.'
    expect(refuse({}, { nodeMajor: 20 })).toBe(text)
    expect(refuse({ nativeBinding: '/opt/product/better_sqlite3.node' }, { nodeMajor: 20 })).toBe(text)
  })

  it('is thrown on another processor and another operating system', () => {
    expect(refuse({}, { arch: 'arm' })).toContain('The platform linux-arm is not supported.')
    for (const options of [{}, ...given])
      expect(refuse(options, { platform: 'darwin' })).toContain('The platform darwin-x64 is not supported.')
  })
})
