import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

describe('docs/getting-started.md', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sla-readme-'))
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  /** Returns the command block of a page. */
  const commands = (page: string): string => /```sh\n([\s\S]*?)```/.exec(read(page))?.[1] ?? ''

  it('R-UI-3: has commands that work in an empty directory', () => {
    const script = commands('docs/getting-started.md')
      // The default port may be in use on this machine.
      .replace(
        ' serve &',
        ' serve --listen localhost:0 > serve.log & until [ -s serve.log ]; do sleep 0.1; done',
      )
      .replace('direct https://localhost:8443', 'direct "$(sed "s/.* //;q" serve.log)"')
    expect(script).toContain('register -')
    const npx = join(directory, 'npx')
    writeFileSync(
      npx,
      `#!/bin/sh\nname=$1; shift\nexec '${process.execPath}' '${root}'/dist/bin/"$name".js "$@"\n`,
    )
    chmodSync(npx, 0o755)
    const { status, stdout, stderr } = spawnSync('bash', ['-ec', `trap 'kill %1; wait' EXIT\n${script}`], {
      cwd: directory,
      encoding: 'utf8',
      env: { PATH: `${directory}:${process.env.PATH ?? ''}`, HOME: directory },
      timeout: 300_000,
    })
    expect([status, stderr.replace(/^\{.*\n/gm, '')]).toEqual([0, ''])
    expect(stdout).toContain('The device is in the state authorized.')
  })
})
