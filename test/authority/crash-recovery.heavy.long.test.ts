import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { selectScale } from '../support/scale.ts'
import { createHelloRequest } from '../support/hello.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'

/**
 * Commands leave consistent data when they are killed: at every step that changes the file system, and at other moments, which
 * test the database.
 */
const DIE_AT = new URL('../support/crash-at.cjs', import.meta.url).pathname
const KILLED = null
/** Maximum number of steps per command at which a test run kills the command. */
const MAX_STEPS = selectScale(1, Infinity)
const TIMEOUT_MS = selectScale(undefined, 600_000)
let programs: Programs

beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
  await programs.order(5)
  writeFileSync(join(programs.directory, 'passphrase'), 'correct horse battery')
})
afterEach(() => programs.close())

const passphrase = () => ['--passphrase-file', join(programs.directory, 'passphrase')]
const runAndKill = (words: readonly string[], step: number) =>
  programs.authority(words, {
    env: { NODE_OPTIONS: `--require ${DIE_AT}`, DIE_AT: String(step), DIE_UNDER: programs.directory },
  })

/** Counts the steps of a command and restores the data directory afterwards. */
async function countSteps(words: readonly string[], cleanUp: () => void): Promise<number> {
  const count = join(programs.directory, 'steps')
  const kept = join(programs.directory, 'kept')
  copyDirectory(programs.dataDir('authority'), kept)
  const done = await programs.authority(words, {
    env: {
      NODE_OPTIONS: `--require ${DIE_AT}`,
      DIE_AT: '0',
      DIE_UNDER: programs.directory,
      DIE_COUNT: count,
    },
  })
  expect(done).toMatchObject({ code: 0 })
  rmSync(programs.dataDir('authority'), { recursive: true })
  copyDirectory(kept, programs.dataDir('authority'))
  rmSync(kept, { recursive: true })
  cleanUp()
  const steps = Number(readFileSync(count, 'utf8').trim().split('\n').at(-1))
  rmSync(count)
  return steps
}

/** Kills a command at its steps, one run per step, and checks the data after each. */
async function killAtSteps(
  words: readonly string[],
  check: () => Promise<void>,
  cleanUp: () => void = () => undefined,
): Promise<void> {
  const steps = await countSteps(words, cleanUp)
  expect(steps).toBeGreaterThan(0)
  const stride = Math.max(1, Math.ceil(steps / MAX_STEPS))
  for (let step = 1 + (steps % stride); step <= steps; step += stride) {
    expect((await runAndKill(words, step)).code, `step ${step} of ${steps}`).toBe(KILLED)
    await check()
    cleanUp()
  }
}

/** Asserts that the authority opens, has its keys, and signs with them. */
async function assertIntact(): Promise<void> {
  const shown = await programs.good<{ fingerprint: string }>(programs.authority(['trust', 'show', '--json']))
  expect(shown.fingerprint).toMatch(/^[0-9A-F:]{95}$/)
  await programs.token()
  const authority = await Authority.open({ dataDir: programs.dataDir('authority') })
  try {
    await authority.operations.endpoint.identify(createHelloRequest())
    await authority.security.trust.rotate(['answer-signer', 'tls'])
  } finally {
    await authority.close()
  }
}

describe('kill -9', () => {
  it(
    'during a root rotation leaves the old or the new root, with its key',
    async () => {
      await killAtSteps(['trust', 'rotate', 'root', '--json'], async () => {
        await assertIntact()
        const { rootVersion } = await programs.good<{ rootVersion: number }>(
          programs.authority(['trust', 'show', '--json']),
        )
        expect(
          existsSync(
            join(
              programs.dataDir('authority'),
              'keys',
              rootVersion === 1 ? 'root.key' : `root-${rootVersion}.key`,
            ),
          ),
        ).toBe(true)
        if (rootVersion === 1) return
        // The rotation was completed. Start the remaining steps with a new authority.
        await programs.close()
        programs = createPrograms()
        await programs.initAuthority()
      })
    },
    TIMEOUT_MS,
  )

  it('during the rotation of an issuing CA or leaf keys leaves an intact authority', async () => {
    for (const keys of ['issuing-ca', 'leaves'])
      for (let run = 0; run < 3; run++) {
        const child = programs.start('smart-authority', [
          '--data-dir',
          programs.dataDir('authority'),
          'trust',
          'rotate',
          keys,
        ])
        const ended = new Promise((end) => child.once('close', end))
        setTimeout(() => child.kill('SIGKILL'), 250 + run * 150)
        await ended
        await assertIntact()
      }
  })

  it(
    'during the export of the root key leaves the key on the host or in the file',
    async () => {
      const file = join(programs.directory, 'root.sealed')
      await killAtSteps(['trust', 'root', 'export', file, ...passphrase()], async () => {
        await assertIntact()
        const onHost = existsSync(join(programs.dataDir('authority'), 'keys', 'root.key'))
        if (onHost) return
        const given = ['--root-key', file, ...passphrase(), '--json']
        await programs.good(programs.authority(['trust', 'rotate', 'issuing-ca', ...given]))
        await programs.close()
        programs = createPrograms()
        await programs.initAuthority()
      })
    },
    TIMEOUT_MS,
  )

  it(
    'during a backup or restore leaves a complete result or none',
    async () => {
      const file = join(programs.directory, 'backup')
      await killAtSteps(
        ['backup', file, ...passphrase()],
        async () => {
          await assertIntact()
          if (!existsSync(file)) return
          // The backup was complete, but the command was killed before it reported success.
          const restored = join(programs.directory, 'restored')
          await programs.good(
            programs.authority(['--data-dir', restored, 'restore', file, ...passphrase(), '--json']),
          )
          rmSync(restored, { recursive: true })
        },
        () => {
          rmSync(file, { force: true })
        },
      )
      await programs.good(programs.authority(['backup', file, ...passphrase(), '--json']))
      const dataDir = join(programs.directory, 'new')
      const restore = ['--data-dir', dataDir, 'restore', file, ...passphrase(), '--json']
      await killAtSteps(
        restore,
        async () => {
          // A directory with its final name is complete, and a restore would refuse to overwrite it.
          const exists = existsSync(dataDir) && readdirSync(dataDir).length > 0
          if (!exists) await programs.good(programs.authority(restore))
          await programs.good(programs.authority(['--data-dir', dataDir, 'trust', 'show', '--json']))
        },
        () => {
          rmSync(dataDir, { recursive: true, force: true })
        },
      )
    },
    TIMEOUT_MS,
  )
})
