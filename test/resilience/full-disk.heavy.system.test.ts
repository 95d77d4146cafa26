import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { Status } from '../../src/index.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(2)

let programs: Programs
let mounted: string[] = []
beforeEach(() => {
  programs = createPrograms()
  mounted = []
})
afterEach(async () => {
  const { directory } = programs
  // What is mounted keeps its directory from being removed.
  const close = programs.close
  for (const child of mounted) execFileSync('umount', ['--lazy', child])
  await close()
  rmSync(directory, { recursive: true, force: true })
})

/** A small disk of its own where a program will keep its data. */
function mountDisk(path: string): { fill: () => void; free: () => void } {
  mkdirSync(path, { mode: 0o700 })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', path])
  mounted.push(path)
  const ballast = join(path, 'ballast')
  return {
    fill: () => {
      const { bavail, bsize } = statfsSync(path)
      writeFileSync(ballast, Buffer.alloc(bavail * bsize))
    },
    free: () => rmSync(ballast),
  }
}

describe('a disk that is full', () => {
  it('of a box: what cannot be kept is refused in words, nothing is lost, and it goes on when there is room', async () => {
    await programs.initAuthority()
    await programs.order(10)
    const disk = mountDisk(programs.box())
    const { agent, good } = programs
    const { url } = await programs.serveAuthority()
    await programs.initBox(url)
    await programs.daemon()
    await good<Status>(agent(['register', await programs.token(), '--json']))
    await good(agent(['usage', 'set', 'HOST', '3', '--json']))
    disk.fill()
    const refused = await agent(['usage', 'set', 'HOST', '4', '--json'])
    expect([refused.code, parseError(refused).code]).toEqual([1, 'STORE_FULL'])
    expect((await programs.status()).entitlements).toMatchObject([{ tag: 'HOST', count: 3 }])
    disk.free()
    await good(agent(['usage', 'set', 'HOST', '5', '--json']))
    expect(await good<Status>(agent(['renew', 'authorization', '--json']))).toMatchObject({
      state: 'authorized',
      entitlements: [{ tag: 'HOST', count: 5 }],
    })
  })

  it('of an authority: boxes are asked to come again, nothing is lost, and it goes on when there is room', async () => {
    const disk = mountDisk(programs.box('authority'))
    const { agent, authority, good } = programs
    await programs.initAuthority()
    await programs.order(10)
    const { url } = await programs.serveAuthority()
    await programs.initBox(url)
    await good<Status>(agent(['register', await programs.token(), '--json']))
    disk.fill()
    await good(agent(['usage', 'set', 'HOST', '2', '--json']))
    const failed = await agent(['renew', 'authorization', '--json'])
    expect(failed.code).not.toBe(0)
    expect((await programs.status()).authorization.lastAttempt?.outcome).toBe('failed')
    disk.free()
    expect(await good<Status>(agent(['renew', 'authorization', '--json']))).toMatchObject({
      state: 'authorized',
    })
    expect(await good(authority(['license', 'list', '--json']))).toMatchObject({
      licenses: [{ tag: 'HOST', inUse: 2 }],
    })
  })
})
