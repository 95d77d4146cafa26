import { expect, test } from 'vitest'
import { parseDatabaseUrl } from '../../src/authority/store/database-url.ts'

const messageOf = (url: string): string => {
  try {
    parseDatabaseUrl(url)
    return 'no error'
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

test('a database URL is read as by libpq, with several hosts, percent codes and parameters', () => {
  expect(
    parseDatabaseUrl(
      'postgresql://u%40x:p%23%2Fq@h1:5433,[::1],h3/licensing?sslmode=require&target_session_attrs=read-write&lock_timeout=7',
    ),
  ).toMatchObject({
    servers: [
      { host: 'h1', port: 5433 },
      { host: '::1', port: undefined },
      { host: 'h3', port: undefined },
    ],
    user: 'u@x',
    password: 'p#/q',
    database: 'licensing',
    sslMode: 'require',
    requiresWriter: true,
    timeouts: { lock_timeout: 7 },
  })
  expect(parseDatabaseUrl('postgres:///licensing?host=/var/run/postgresql&port=5433')).toMatchObject({
    servers: [{ host: '/var/run/postgresql', port: 5433 }],
    user: undefined,
    database: 'licensing',
    requiresWriter: false,
  })
})

test.each([
  ['postgres://u:secret#word@h/db', '#', '%23'],
  ['postgres://u:1234#word@h/db', '#', '%23'],
  ['postgres://u:secret/word@h/db', '/', '%2F'],
  ['postgres://u:1234/word@h/db', '/', '%2F'],
  ['postgres://u:secret?word@h/db', '?', '%3F'],
  ['postgres://u:secret%word@h/db', '%', '%25'],
])('the password in %s is refused with the percent code of its character', (url, character, code) => {
  const message = messageOf(url)
  expect(message).toContain(` ${character} `)
  expect(message).toContain(`Percent-encode it in a user name or password: write ${code}.`)
  expect(message).not.toMatch(/secret|1234/)
})

test.each([
  ['mysql://h/db', /^The database URL is invalid/],
  ['postgres://h:port/db', /invalid host or port/],
  ['postgres://h/db?sslmod=verify-full', /unknown parameter "sslmod"/],
  ['postgres://h/db?sslmode=no-verify', /parameter sslmode of the database URL is invalid/],
  ['postgres://h/db?target_session_attrs=standby', /parameter target_session_attrs/],
])('%s is refused with INVALID_ARGUMENT', (url, message) => {
  expect(messageOf(url)).toMatch(message)
})
