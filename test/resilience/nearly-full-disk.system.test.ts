import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'

let programs: Programs
let mounted: string[]
beforeEach(() => {
  programs = createPrograms()
  mounted = []
})
afterEach(async () => {
  // The directory of a mounted file system cannot be removed.
  for (const path of mounted) execFileSync('umount', ['--lazy', path])
  await programs.close()
})

function mountDisk(path: string): void {
  mkdirSync(path, { mode: 0o700 })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m,mode=0700', 'tmpfs', path])
  mounted.push(path)
}

/** Fills a disk except for some pages. @returns a function that frees the space again */
function fillDisk(path: string, pagesLeft: number): () => void {
  const ballast = join(path, 'ballast')
  const { bavail, bsize } = statfsSync(path)
  writeFileSync(ballast, Buffer.alloc((bavail - pagesLeft) * bsize))
  return () => rmSync(ballast)
}

it('a device with two free pages refuses to add a user with STORE_FULL and keeps its users', async () => {
  const { agent, good } = programs
  mountDisk(programs.dataDir())
  await good(agent(['init', '--pid', 'CWMS-K9', '--serial', 'DEVICE', '--json']))
  await good(agent(['user', 'add', 'first', '--role', 'viewer', '--json']))
  const path = join(programs.dataDir(), 'console', 'users.json')
  const [user] = JSON.parse(readFileSync(path, 'utf8')) as object[]
  const many = Array.from({ length: 32 }, (_, number) => ({ ...user, name: `user-${number}` }))
  writeFileSync(path, JSON.stringify(many, null, 2))
  const before = readFileSync(path, 'utf8')
  expect(before.length).toBeGreaterThan(8192)
  const free = fillDisk(programs.dataDir(), 2)
  const add = ['user', 'add', 'victim', '--role', 'viewer', '--json']
  const refused = await agent(add)
  expect([refused.code, refused.stdout, parseError(refused).code]).toEqual([1, '', 'STORE_FULL'])
  expect(readFileSync(path, 'utf8')).toBe(before)
  free()
  await good(agent(add))
})

it('an authority on a nearly full disk refuses an order with STORE_FULL', async () => {
  const { authority, good } = programs
  mountDisk(programs.dataDir('authority'))
  await good(authority(['init', '--account', 'acme.example', '--accept-agreement', '--json']))
  const free = fillDisk(programs.dataDir('authority'), 9)
  const order = ['order', '--tag', 'HOST', '--quantity', '1', '--json']
  const codes = new Set<string>()
  for (let number = 0; number < 3; number++) codes.add(parseError(await authority(order)).code)
  expect(codes).toEqual(new Set(['STORE_FULL']))
  free()
  await good(authority(order))
})
