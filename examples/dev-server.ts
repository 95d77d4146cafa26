import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * `npm start`: an authority and an agent that stay up, with their pages. Without a directory named they live in one that is
 * gone with them; `npm start -- DIR` keeps them there.
 */
const [kept] = process.argv.slice(2)
const directory = kept ?? mkdtempSync(join(tmpdir(), 'smart-licensing-'))
const getBinPath = (name: string): string => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url))
const [authorityDir, boxDir] = [join(directory, 'authority'), join(directory, 'box')]
const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

function run(name: string, dataDir: string, ...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [getBinPath(name), '--data-dir', dataDir, ...words],
    {
      encoding: 'utf8',
    },
  )
  if (status === 0) return stdout
  process.stderr.write(stderr)
  process.exit(1)
}

const running: ChildProcess[] = []

/** Starts a program that stays up; gives the lines it has said when it is ready. */
function startServer(name: string, dataDir: string, ready: RegExp, ...words: string[]): Promise<string> {
  const child = spawn(process.execPath, [getBinPath(name), '--data-dir', dataDir, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C is told to all of a terminal's programs: these are to be told once, below.
    detached: true,
  })
  running.push(child)
  return new Promise((resolve) => {
    let said = ''
    let wrong = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (wrong += text))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (ready.test(said)) resolve(said)
    })
    child.once('exit', (code) => {
      if (code !== 0 && code !== null) process.stderr.write(wrong)
      stop()
    })
  })
}

let stopping = false
function stop(): void {
  if (stopping) return
  stopping = true
  let left = running.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).length
  const gone = () => {
    if (left > 0) return
    if (kept === undefined) rmSync(directory, { recursive: true, force: true })
    process.exit(0)
  }
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.once('exit', () => {
      left--
      gone()
    })
    child.kill('SIGTERM')
  }
  gone()
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop)

if (!existsSync(authorityDir)) {
  run('smart-authority', authorityDir, '--account', 'acme.example', 'init', '--accept-agreement')
  run('smart-authority', authorityDir, 'order', '--tag', 'HOST', '--quantity', '100')
}
const authority = await startServer(
  'smart-authority',
  authorityDir,
  /^Software Manager is at/m,
  'serve',
  '--listen',
  'localhost:8443',
)
const [, authorityUrl = ''] = /^Software Manager is at (\S+)/m.exec(authority) ?? []
if (!existsSync(boxDir)) {
  const root = join(directory, 'root.pem')
  writeFileSync(root, run('smart-authority', authorityDir, 'trust', 'export'))
  run('smart-agent', boxDir, 'init', '--pid', 'CWMS-K9', '--serial', 'SN-1', '--trust', root)
  run('smart-agent', boxDir, 'transport', 'direct', authorityUrl)
}
const box = await startServer(
  'smart-agent',
  boxDir,
  /^Smart Licenses is at/m,
  'run',
  '--listen',
  'localhost:8444',
)
const [, boxUrl = ''] = /^Smart Licenses is at (\S+)/m.exec(box) ?? []
const { token } = JSON.parse(
  run('smart-authority', authorityDir, '--json', 'token', 'create', '--days', '30'),
) as {
  token: string
}

/** Good once, and asked to be changed at once: meant for the screen of whoever tries this out. */
function formatSignIn(dataDir: string): string {
  const file = join(dataDir, 'console', 'first-password')
  return existsSync(file)
    ? `sign in as admin, with ${readFileSync(file, 'utf8').trim()}`
    : 'sign in as before'
}

print(`Software Manager    ${authorityUrl}    ${formatSignIn(authorityDir)}`)
print(`Smart Licenses      ${boxUrl}    ${formatSignIn(boxDir)}`)
print(`Registration token  ${token}`)
print(
  `Browsers do not know the certificates of either and say so. The commands work on both: --data-dir ${authorityDir} and --data-dir ${boxDir}.`,
)
print('Ctrl-C stops both.')
