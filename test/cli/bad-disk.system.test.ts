import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPrograms, type Programs } from '../support/programs.ts'

let programs: Programs
beforeAll(() => {
  programs = createPrograms()
})
afterAll(async () => {
  await programs.close()
})

describe('smart-agent on a failing disk', () => {
  /** Runs commands in their own mount namespace on a disk of one megabyte. */
  const onSmallDisk = (script: string) => {
    const program = `${process.execPath} ${new URL('../../dist/bin/smart-agent.js', import.meta.url).pathname}`
    const mount = join(programs.directory, 'disk')
    const { stdout, stderr } = spawnSync(
      'unshare',
      [
        '--map-root-user',
        '--mount',
        'bash',
        '-c',
        `mkdir -p ${mount}; mount -t tmpfs -o size=1m,mode=0700 none ${mount}; A="${program} --data-dir ${mount}/device --json"; D=${mount}; ${script}`,
      ],
      { encoding: 'utf8' },
    )
    return { stdout, errors: stderr.trimEnd().split('\n') }
  }
  const codes = (lines: string[]) =>
    lines.map((line) => (JSON.parse(line) as { error: { code: string } }).error.code)

  it('fails with STORE_FULL on a full disk, keeps its data, and recovers when space is free (R-UI-3)', () => {
    const { stdout, errors } = onSmallDisk(`
      $A init --pid X --serial 1 >/dev/null
      $A usage set HOST 5 >/dev/null
      dd if=/dev/zero of=$D/fill bs=1k count=4000 2>/dev/null
      for i in 6 7 8; do $A usage set HOST $i; done
      rm $D/fill
      $A status`)
    expect(new Set(codes(errors))).toEqual(new Set(['STORE_FULL']))
    expect(errors).toHaveLength(3)
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'evaluation',
      entitlements: [{ tag: 'HOST', count: 5 }],
    })
  })

  it('fails with STORE_UNWRITABLE on a read-only disk (R-UI-3)', () => {
    const { stdout, errors } = onSmallDisk(`
      $A init --pid X --serial 1 >/dev/null
      mount -o remount,ro $D
      $A usage set HOST 5
      $A run
      $A --data-dir $D/other init --pid X --serial 2`)
    expect(codes(errors)).toEqual(['STORE_UNWRITABLE', 'STORE_UNWRITABLE', 'STORE_UNWRITABLE'])
    expect(stdout).toBe('')
  })
})
