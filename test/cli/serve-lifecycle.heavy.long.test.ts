import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, renameSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DAY } from '../../src/core/time.ts'
import { createSelfSigned, toTlsOptions } from '../../src/pki/certificate-generation.ts'
import { eventually } from '../support/eventually.ts'
import { createPrograms, parseError, type Programs } from '../support/programs.ts'
import { itInRelease } from '../support/scale.ts'
import { Database } from '../support/sqlite.ts'

let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
})
afterEach(() => programs.close())

/** Requests a page, whose server must have a certificate. @returns the status */
const askStatus = (url: string, ca?: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    const trust = ca === undefined ? { rejectUnauthorized: false } : { ca, rejectUnauthorized: true }
    get(url, { ...trust, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', reject)
  })

/** Requests `/health` of an authority. @returns the status */
const askHealth = (url: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    get(`${url}/health`, { rejectUnauthorized: false, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', reject)
  })

const askText = async (url: string) => {
  const response = await fetch(url)
  return `${response.status} ${await response.text()}`
}

test('an authority whose database is locked answers health and metrics as starting, and ends at a signal', async () => {
  const other = new Database(join(programs.dataDir('authority'), 'authority.db'))
  other.exec('begin immediate')
  const words = ['serve', '--listen', '127.0.0.1:0', '--metrics', '0', '--log-format', 'json']
  const child = programs.start('smart-authority', ['--data-dir', programs.dataDir('authority'), ...words])
  const ended = new Promise((resolve) => child.once('close', resolve))
  if (!child.stderr) throw new Error('The program has no standard error.')
  const lines = createInterface({ input: child.stderr })
  const [line] = await new Promise<string[]>((resolve) => {
    lines.once('line', (text) => {
      resolve([text])
    })
  })
  const { metrics } = JSON.parse(line ?? '') as { metrics: string }
  expect(await askText(`${metrics}/health`)).toBe('200 {"status":"ok"}')
  expect(await askText(`${metrics}/ready`)).toBe('503 {"status":"not-ready","reasons":["starting"]}')
  expect(await askText(`${metrics}/metrics`)).toMatch(/^smart_authority_ready 0$/m)
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
  other.exec('commit')
  other.close()
})

test('an authority whose database file is replaced ends with STORE_REPLACED', async () => {
  const words = ['serve', '--listen', '127.0.0.1:0', '--metrics', '0', '--json']
  const server = await programs.serve('smart-authority', [
    '--data-dir',
    programs.dataDir('authority'),
    ...words,
  ])
  const { metrics } = JSON.parse(server.line) as { metrics: string }
  expect(await askText(`${metrics}/ready`)).toBe('200 {"status":"ready"}')
  const path = join(programs.dataDir('authority'), 'authority.db')
  copyFileSync(path, `${path}.copy`)
  renameSync(`${path}.copy`, path)
  const ended = new Promise((resolve) => server.child.once('close', resolve))
  // The server notices it at its next write: that of a request, of a check, or of the work of each minute.
  const asking = setInterval(() => void askText(`${metrics}/ready`).catch(() => undefined), 200)
  expect(await ended).toBe(1)
  clearInterval(asking)
  expect(parseError({ code: 1, stdout: '', stderr: server.log() }).code).toBe('STORE_REPLACED')
})

test('an authority serves the web console at an address of its own, with a certificate of the company', async () => {
  const now = Date.now()
  const { cert, key } = toTlsOptions(
    await createSelfSigned({
      name: 'company',
      notBefore: now - DAY,
      notAfter: now + DAY,
      hosts: ['licenses.corp.example', '127.0.0.1'],
    }),
  )
  const [certFile, keyFile] = ['company.pem', 'company.key'].map((name) => join(programs.directory, name))
  writeFileSync(certFile ?? '', cert)
  writeFileSync(keyFile ?? '', key)
  const words = [
    '--tls-cert',
    certFile ?? '',
    '--tls-key',
    keyFile ?? '',
    '--console',
    '127.0.0.1:0',
    '--json',
  ]
  const server = await programs.serve('smart-authority', [
    '--data-dir',
    programs.dataDir('authority'),
    'serve',
    '--listen',
    '127.0.0.1:0',
    ...words,
  ])
  const { listening, console: page } = JSON.parse(server.line) as { listening: string; console: string }
  expect(await askStatus(`${page}/`, cert)).toBe(200)
  expect(await askStatus(`${listening}/`)).toBe(404)
  expect(await askHealth(listening)).toBe(200)
  expect(await server.stop()).toBe(0)
})

test('a server goes on when the reader of its output ends', async () => {
  const server = await programs.serveAuthority(0, { more: ['--log-level', 'debug'] })
  server.child.stdout?.destroy()
  server.child.stderr?.destroy()
  for (let i = 0; i < 5; i++) expect(await askHealth(server.url)).toBe(200)
  expect(await server.stop()).toBe(0)
})

itInRelease('a server tells a new reader of its log how many lines were lost', async () => {
  const pipe = join(programs.directory, 'log')
  execFileSync('sh', ['-c', 'mkfifo "$0"', pipe])
  const words = ['--data-dir', programs.dataDir('authority'), 'serve', '--listen', '127.0.0.1:0']
  const read = () => {
    const reader = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'ignore'] })
    let text = ''
    reader.stdout.setEncoding('utf8').on('data', (data: string) => (text += data))
    return { reader, text: () => text }
  }
  const first = read()
  const command = `exec "$0" "$@" 2> '${pipe}'`
  const program = new URL('../../dist/bin/smart-authority.js', import.meta.url).pathname
  const server = spawn('sh', ['-c', command, process.execPath, program, ...words, '--log-level', 'debug'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let output = ''
  server.stdout.setEncoding('utf8').on('data', (data: string) => (output += data))
  await eventually(() => {
    expect(output).toMatch(/listening on/)
  })
  const url = /listening on (\S+)/.exec(output)?.[1] ?? ''
  first.reader.kill('SIGKILL')
  await new Promise((resolve) => first.reader.once('close', resolve))
  for (let i = 0; i < 5; i++) expect(await askHealth(url)).toBe(200)
  const second = read()
  await eventually(async () => {
    expect(await askHealth(url)).toBe(200)
    expect(second.text()).toMatch(/"lines":5,"message":"log lines were lost/)
  })
  server.kill('SIGTERM')
  expect(await new Promise((resolve) => server.once('close', resolve))).toBe(0)
})
