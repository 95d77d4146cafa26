import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Runs an authority and an agent with their web consoles: `npm start`. By default, their data is in a temporary directory that
// is deleted at the end. `npm start -- DIR` keeps the data in DIR.
const [persistentDir] = process.argv.slice(2)
const directory = persistentDir ?? mkdtempSync(join(tmpdir(), 'smart-licensing-'))
const getBinPath = (name: string): string => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url))
const [authorityDir, deviceDir] = [join(directory, 'authority'), join(directory, 'device')]
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

/** Starts a server. @returns its output when it matches `ready` */
function startServer(name: string, dataDir: string, ready: RegExp, ...words: string[]): Promise<string> {
  const child = spawn(process.execPath, [getBinPath(name), '--data-dir', dataDir, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C signals all processes of the terminal. These are stopped below instead, and only once.
    detached: true,
  })
  running.push(child)
  return new Promise((resolve) => {
    let output = ''
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (ready.test(output)) resolve(output)
    })
    child.once('exit', (code) => {
      if (code !== 0 && code !== null) process.stderr.write(errors)
      stop()
    })
  })
}

let stopping = false
function stop(): void {
  if (stopping) return
  stopping = true
  let remaining = running.filter(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  ).length
  const exitWhenStopped = () => {
    if (remaining > 0) return
    if (persistentDir === undefined) rmSync(directory, { recursive: true, force: true })
    process.exit(0)
  }
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.once('exit', () => {
      remaining--
      exitWhenStopped()
    })
    child.kill('SIGTERM')
  }
  exitWhenStopped()
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
if (!existsSync(deviceDir)) {
  const root = join(directory, 'root.pem')
  writeFileSync(root, run('smart-authority', authorityDir, 'trust', 'export'))
  run('smart-agent', deviceDir, 'init', '--pid', 'CWMS-K9', '--serial', 'SN-1', '--trust', root)
  run('smart-agent', deviceDir, 'transport', 'direct', authorityUrl)
}
const device = await startServer(
  'smart-agent',
  deviceDir,
  /^Smart Licenses is at/m,
  'run',
  '--listen',
  'localhost:8444',
)
const [, deviceUrl = ''] = /^Smart Licenses is at (\S+)/m.exec(device) ?? []
const { token } = JSON.parse(
  run('smart-authority', authorityDir, '--json', 'token', 'create', '--days', '30'),
) as {
  token: string
}

/** Formats the first sign-in with the one-time password. Printing it is acceptable here, because it must be changed at once. */
function formatSignIn(dataDir: string): string {
  const file = join(dataDir, 'console', 'first-password')
  return existsSync(file)
    ? `sign in as admin with the password ${readFileSync(file, 'utf8').trim()}`
    : 'sign in with your password'
}

print(`Software Manager    ${authorityUrl}    ${formatSignIn(authorityDir)}`)
print(`Smart Licenses      ${deviceUrl}    ${formatSignIn(deviceDir)}`)
print(`Registration token  ${token}`)
print(
  `Browsers warn about both certificates, because their CA is not installed. Commands: use --data-dir ${authorityDir} or --data-dir ${deviceDir}.`,
)
print('Ctrl-C stops both.')
