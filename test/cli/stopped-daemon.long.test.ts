import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { createPrograms, parseError, type Programs } from '../support/programs.ts'

let programs: Programs
beforeEach(() => {
  programs = createPrograms()
})
afterEach(() => programs.close())

it('a stopped daemon is reported, its last commit is shown, and no command is lost or late (R-UI-3)', async () => {
  const { agent, good } = programs
  await good(agent(['init', '--pid', 'CWMS-K9', '--serial', 'SN1', '--json']))
  const { child } = await programs.daemon()
  await good(agent(['usage', 'set', 'HOST', '7', '--json']))
  await good(agent(['host', 'assign', 'ann', '--json']))
  const before = await programs.status()
  child.kill('SIGSTOP')
  // The commit is only in the write-ahead log of the stopped process, which holds the lock.
  const [status, refused] = await Promise.all([
    agent(['status', '--json']),
    agent(['usage', 'set', 'HOST', '9', '--json']),
  ])
  expect(status.code).toBe(0)
  expect(JSON.parse(status.stderr)).toMatchObject({ warning: { code: 'DAEMON_UNREACHABLE' } })
  const { evaluation: _, ...rest } = before
  expect(JSON.parse(status.stdout)).toMatchObject(rest)
  expect((JSON.parse(status.stdout) as Status).entitlements).toMatchObject([{ tag: 'HOST', count: 8 }])
  expect([refused.code, parseError(refused).code]).toEqual([1, 'DAEMON_UNREACHABLE'])
  expect((await agent(['watch', '--json'])).code).toBe(1)
  child.kill('SIGCONT')
  expect((await programs.status()).entitlements).toMatchObject([{ tag: 'HOST', count: 8 }])
})
