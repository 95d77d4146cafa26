import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { selectScale } from '../support/scale.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'

/**
 * What is killed in the middle is whole when it is started again: at every step by which a command changes the file system, and at
 * random moments, which are those of the database.
 */
const DIE_AT = new URL('../support/crash-at.cjs', import.meta.url).pathname
const KILLED = null
/** Steps of one command that are tried in one run of the tests. */
const TRIED = selectScale(2, Infinity)
const LONGEST = selectScale(undefined, 600_000)
let programs: Programs

beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
  await programs.order(5)
  writeFileSync(join(programs.directory, 'passphrase'), 'correct horse battery')
})
afterEach(() => programs.close())

const passphrase = () => ['--passphrase-file', join(programs.directory, 'passphrase')]
const dying = (words: readonly string[], step: number) =>
  programs.authority(words, {
    env: { NODE_OPTIONS: `--require ${DIE_AT}`, DIE_AT: String(step), DIE_UNDER: programs.directory },
  })

/** How many steps a command makes, on a copy of the directory. */
async function stepsOf(words: readonly string[], cleanUp: () => void): Promise<number> {
  const count = join(programs.directory, 'steps')
  const kept = join(programs.directory, 'kept')
  copyDirectory(programs.box('authority'), kept)
  const done = await programs.authority(words, {
    env: {
      NODE_OPTIONS: `--require ${DIE_AT}`,
      DIE_AT: '0',
      DIE_UNDER: programs.directory,
      DIE_COUNT: count,
    },
  })
  expect(done).toMatchObject({ code: 0 })
  rmSync(programs.box('authority'), { recursive: true })
  copyDirectory(kept, programs.box('authority'))
  rmSync(kept, { recursive: true })
  cleanUp()
  const steps = Number(readFileSync(count, 'utf8').trim().split('\n').at(-1))
  rmSync(count)
  return steps
}

/** Kills a command at its steps, one after the other, and looks at what is left after each. */
async function killAtSteps(
  words: readonly string[],
  whole: () => Promise<void>,
  cleanUp: () => void = () => undefined,
): Promise<void> {
  const steps = await stepsOf(words, cleanUp)
  expect(steps).toBeGreaterThan(0)
  const stride = Math.max(1, Math.ceil(steps / TRIED))
  for (let step = 1 + (steps % stride); step <= steps; step += stride) {
    expect((await dying(words, step)).code, `step ${step} of ${steps}`).toBe(KILLED)
    await whole()
    cleanUp()
  }
}

/** Whether the authority is whole: it opens, knows its keys, and signs by them. */
async function isWhole(): Promise<void> {
  const shown = await programs.good<{ fingerprint: string }>(programs.authority(['trust', 'show', '--json']))
  expect(shown.fingerprint).toMatch(/^[0-9A-F:]{95}$/)
  await programs.token()
  const authority = await Authority.open({ dataDir: programs.box('authority') })
  try {
    await authority.operations.endpoint.identify({
      protocol: 1,
      direction: 'request',
      type: 'hello',
      messageId: '6fd6f1a6-5b53-44a4-9f4f-5a4a5d6a7e10',
      nonce: 'n'.repeat(24),
      audience: 'anybody',
      epoch: 0,
      trustBundle: 0,
    })
    await authority.security.trust.rotate(['answer-signer', 'tls'])
  } finally {
    await authority.close()
  }
}

describe('kill -9', () => {
  it(
    'of the rotation of a root: the root is the old or the new one, and its key is there',
    async () => {
      await killAtSteps(['trust', 'rotate', 'root', '--json'], async () => {
        await isWhole()
        const { bundle } = await programs.good<{ bundle: number }>(
          programs.authority(['trust', 'show', '--json']),
        )
        expect(
          existsSync(
            join(programs.box('authority'), 'keys', bundle === 1 ? 'root.key' : `root-${bundle}.key`),
          ),
        ).toBe(true)
        if (bundle === 1) return
        // It was done: what is left to try begins where it began.
        await programs.close()
        programs = createPrograms()
        await programs.initAuthority()
      })
    },
    LONGEST,
  )

  it('of the rotation of an issuing CA and of leaves', async () => {
    for (const what of ['issuing-ca', 'leaves'])
      for (let run = 0; run < 3; run++) {
        const child = programs.start('smart-authority', [
          '--data-dir',
          programs.box('authority'),
          'trust',
          'rotate',
          what,
        ])
        const ended = new Promise((end) => child.once('close', end))
        setTimeout(() => child.kill('SIGKILL'), 250 + run * 150)
        await ended
        await isWhole()
      }
  })

  it(
    'of the export of the root’s key: the key is on the machine, or in its file',
    async () => {
      const file = join(programs.directory, 'root.sealed')
      await killAtSteps(['trust', 'root', 'export', file, ...passphrase()], async () => {
        await isWhole()
        const onHost = existsSync(join(programs.box('authority'), 'keys', 'root.key'))
        if (onHost) return
        const given = ['--root-key', file, ...passphrase(), '--json']
        await programs.good(programs.authority(['trust', 'rotate', 'issuing-ca', ...given]))
        await programs.close()
        programs = createPrograms()
        await programs.initAuthority()
      })
    },
    LONGEST,
  )

  it(
    'of a backup and a restore: whole, or not there',
    async () => {
      const file = join(programs.directory, 'backup')
      await killAtSteps(
        ['backup', file, ...passphrase()],
        async () => {
          await isWhole()
          if (!existsSync(file)) return
          // It has its name, and was killed before it could say so.
          const tried = join(programs.directory, 'tried')
          await programs.good(
            programs.authority(['--data-dir', tried, 'restore', file, ...passphrase(), '--json']),
          )
          rmSync(tried, { recursive: true })
        },
        () => {
          rmSync(file, { force: true })
        },
      )
      await programs.good(programs.authority(['backup', file, ...passphrase(), '--json']))
      const place = join(programs.directory, 'new')
      const restore = ['--data-dir', place, 'restore', file, ...passphrase(), '--json']
      await killAtSteps(
        restore,
        async () => {
          // The same here: what has its name is whole, and nothing is restored over it.
          const there = existsSync(place) && readdirSync(place).length > 0
          if (!there) await programs.good(programs.authority(restore))
          await programs.good(programs.authority(['--data-dir', place, 'trust', 'show', '--json']))
        },
        () => {
          rmSync(place, { recursive: true, force: true })
        },
      )
    },
    LONGEST,
  )
})
