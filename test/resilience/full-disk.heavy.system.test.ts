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
  // The directory of a mounted file system cannot be removed.
  const close = programs.close
  for (const child of mounted) execFileSync('umount', ['--lazy', child])
  await close()
  rmSync(directory, { recursive: true, force: true })
})

/** Mounts a small file system as the data directory of a program. */
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

describe('a full disk', () => {
  it('makes a device refuse changes with STORE_FULL, loses no data, and allows changes once space is free', async () => {
    await programs.initAuthority()
    await programs.order(10)
    const disk = mountDisk(programs.dataDir())
    const { agent, good } = programs
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
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

  it('makes an authority reject renewals, loses no data, and allows renewals once space is free', async () => {
    const disk = mountDisk(programs.dataDir('authority'))
    const { agent, authority, good } = programs
    await programs.initAuthority()
    await programs.order(10)
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
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
