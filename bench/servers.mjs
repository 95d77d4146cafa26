// Starts the servers under load, each in its own process, and creates data directories of authorities.
import { fork, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority } from '../dist/src/authority/index.js'
import { parseRoots, computeThumbprint } from '../dist/src/pki/chain-validation.js'

const program = new URL('../dist/bin/smart-authority.js', import.meta.url).pathname

/** Starts a server. @param kind a kind of `serve.mjs` */
export function start(kind, options) {
  const child = fork(new URL('serve.mjs', import.meta.url).pathname, [kind, JSON.stringify(options)])
  return new Promise((resolve, reject) => {
    child.once('message', (info) => resolve({ child, ...info }))
    child.once('exit', () => reject(new Error(`${kind} did not start`)))
  })
}

export const stop = ({ child }) =>
  new Promise((resolve) => {
    child.once('exit', resolve)
    child.disconnect()
  })

/** Sends a message to a server, and returns its reply. */
export const ask = ({ child }, message) =>
  new Promise((resolve) => {
    child.once('message', resolve)
    child.send(message)
  })

/** Returns the current and the peak memory of a server in bytes. */
export const memoryOf = (server) => ask(server, 'memory')

/** Starts `smart-authority serve`. @returns its port, a stop function, and `peak`, the memory of its largest process in bytes */
export async function serve(dataDir, ...options) {
  const words = ['--data-dir', dataDir, 'serve', '--listen', '127.0.0.1:0', '--json', '--log-level', 'error']
  const child = spawn(process.execPath, [program, ...words, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const info = JSON.parse(
    await new Promise((resolve) => child.stdout.once('data', (d) => resolve(String(d)))),
  )
  const tree = () => [
    child.pid,
    ...readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean),
  ]
  const peakOf = (pid) => 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
  return {
    port: Number(new URL(info.listening).port),
    peak: () => Math.max(...tree().map(peakOf)),
    stop: async () => {
      const exited = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** Creates an authority with one pool and ten registration tokens. */
export async function newAuthority(directory, { database, quantity = 1_000_000, orders = 1 } = {}) {
  const dataDir = join(directory, `authority-${Math.random().toString(36).slice(2)}`)
  await Authority.init({ dataDir, account: 'bench.example', acceptAgreement: true, database })
  const authority = await Authority.open({ dataDir })
  for (let i = 0; i < orders; i++) await authority.orders.create({ tag: 'HOST', quantity: quantity / orders })
  const tokens = []
  for (let i = 0; i < 10; i++) tokens.push((await authority.tokens.create({ days: 30 })).token)
  const root = computeThumbprint(parseRoots(authority.trustAnchor())[0])
  await authority.close()
  return { dataDir, tokens, root }
}
