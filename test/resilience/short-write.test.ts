import { ESLint, Linter } from 'eslint'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FileUserStore } from '../../src/http/file-user-store.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'

let programs: Programs
beforeEach(() => {
  programs = createPrograms()
})
afterEach(() => programs.close())

/** Unit of `ulimit -f`. */
const BLOCK_BYTES = 512
/** Maximum file size. A write across it is cut short, as on a nearly full disk. */
const MAX_FILE_BYTES = 8 * BLOCK_BYTES

/** Fills the user list until one more user would exceed the limit. */
function fillUsers(path: string): void {
  const [user] = JSON.parse(readFileSync(path, 'utf8')) as { name: string }[]
  const listOf = (count: number) =>
    JSON.stringify(
      Array.from({ length: count }, (_, number) => ({ ...user, name: `user-${number}` })),
      null,
      2,
    )
  let count = 1
  while (Buffer.byteLength(listOf(count + 1)) <= MAX_FILE_BYTES) count++
  writeFileSync(path, listOf(count))
}

it('an agent refuses to add a user with STORE_FULL if the list would be truncated, and keeps its users', async () => {
  const { agent, good } = programs
  await good(agent(['init', '--pid', 'CWMS-K9', '--serial', 'DEVICE', '--json']))
  await good(agent(['user', 'add', 'first', '--role', 'viewer', '--json']))
  const path = join(programs.dataDir(), 'console', 'users.json')
  fillUsers(path)
  const before = readFileSync(path, 'utf8')
  const add = ['user', 'add', 'victim', '--role', 'viewer', '--json']
  const refused = await agent(add, { fileBlocks: MAX_FILE_BYTES / BLOCK_BYTES })
  expect([refused.code, refused.stdout, parseError(refused).code]).toEqual([1, '', 'STORE_FULL'])
  expect(readFileSync(path, 'utf8')).toBe(before)
  expect(readdirSync(join(programs.dataDir(), 'console'))).not.toContainEqual(
    expect.stringMatching(/^users\.json\./),
  )
  const { users } = await good<{ users: { name: string }[] }>(agent(['user', 'list', '--json']))
  expect(users.map(({ name }) => name)).toContain('user-0')
  await good(agent(add))
})

it('an audit file keeps no partial line if a write is cut short', async () => {
  const { dataDir } = programs
  const users = new URL('../../dist/src/http/file-user-store.js', import.meta.url)
  const actions = {
    at: 0,
    who: 'admin',
    address: '127.0.0.1',
    action: 'try',
    subject: 'x'.repeat(1000),
    outcome: 'done',
  }
  const program = `
    const { FileUserStore } = await import(${JSON.stringify(users.href)})
    const users = new FileUserStore(${JSON.stringify(dataDir())})
    const outcomes = []
    for (let number = 0; number < 6; number++)
      outcomes.push(await users.record(${JSON.stringify(actions)}).then(() => 'kept', ({ code }) => code))
    console.log(JSON.stringify(outcomes))`
  const output = execFileSync(
    'sh',
    [
      ...['-c', 'ulimit -f "$0" && exec "$@"', String(MAX_FILE_BYTES / BLOCK_BYTES)],
      ...[process.execPath, '--input-type=module', '--eval', program],
    ],
    { encoding: 'utf8' },
  )
  expect(JSON.parse(output)).toEqual(['kept', 'kept', 'kept', 'STORE_FULL', 'STORE_FULL', 'STORE_FULL'])
  const store = new FileUserStore(dataDir())
  await store.record({ ...actions, action: 'after' })
  expect((await store.auditEntries(10)).map(({ action }) => action)).toEqual(['after', 'try', 'try', 'try'])
})

it('the lint rules reject writeSync, whose result must be checked, and files that are not written whole', async () => {
  const eslint = new ESLint({ cwd: new URL('../..', import.meta.url).pathname })
  const path = new URL('../../src/storage/private-files.ts', import.meta.url).pathname
  const { rules } = (await eslint.calculateConfigForFile(path)) as { rules: Linter.RulesRecord }
  const writes = ['no-restricted-imports', 'no-restricted-syntax']
  const config = { rules: Object.fromEntries(writes.map((rule) => [rule, rules[rule] ?? 'off'])) }
  const rulesOf = (text: string) => new Linter().verify(text, config).map(({ ruleId }) => ruleId)
  expect(rulesOf("import { writeSync } from 'node:fs'\nwriteSync(1, 'x')\n")).toEqual([
    'no-restricted-imports',
    'no-restricted-syntax',
  ])
  expect(rulesOf("import fs from 'node:fs'\nfs.writeSync(1, 'x')\n")).toEqual([
    'no-restricted-imports',
    'no-restricted-syntax',
  ])
  for (const text of [
    "import { writeFileSync } from 'node:fs'\nwriteFileSync('file', 'x')\n",
    "import { createWriteStream as create } from 'node:fs'\ncreate('file')\n",
    "import { open } from 'node:fs/promises'\nawait open('file', 'w')\n",
    "import fs from 'fs'\nfs.copyFileSync('one', 'two')\n",
  ])
    expect(rulesOf(text), text).toEqual(['no-restricted-imports'])
  expect(rulesOf("import { readFileSync } from 'node:fs'\nreadFileSync('file')\n")).toEqual([])
})
