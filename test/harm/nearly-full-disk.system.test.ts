import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { errorOf, makePrograms, type Programs } from '../support/programs.ts'

let programs: Programs
beforeEach(() => {
  programs = makePrograms()
  mkdirSync(programs.box(), { mode: 0o700 })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m,mode=0700', 'tmpfs', programs.box()])
})
afterEach(async () => {
  // A mounted file system keeps its directory from being removed.
  execFileSync('umount', ['--lazy', programs.box()])
  await programs.close()
})

it('a disk with two pages left refuses a user with STORE_FULL, and keeps the users of the box', async () => {
  const { agent, good } = programs
  await good(agent(['init', '--pid', 'CWMS-K9', '--serial', 'BOX', '--json']))
  await good(agent(['user', 'add', 'first', '--role', 'viewer', '--json']))
  const path = join(programs.box(), 'console', 'users.json')
  const [user] = JSON.parse(readFileSync(path, 'utf8')) as object[]
  const many = Array.from({ length: 32 }, (_, number) => ({ ...user, name: `user-${number}` }))
  writeFileSync(path, JSON.stringify(many, null, 2))
  const before = readFileSync(path, 'utf8')
  expect(before.length).toBeGreaterThan(8192)
  const ballast = join(programs.box(), 'ballast')
  const { bavail, bsize } = statfsSync(programs.box())
  writeFileSync(ballast, Buffer.alloc((bavail - 2) * bsize))
  const add = ['user', 'add', 'victim', '--role', 'viewer', '--json']
  const refused = await agent(add)
  expect([refused.code, refused.stdout, errorOf(refused).code]).toEqual([1, '', 'STORE_FULL'])
  expect(readFileSync(path, 'utf8')).toBe(before)
  rmSync(ballast)
  await good(agent(add))
})
