import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

let directory: string
let url: string
const started: ChildProcess[] = []

/** Starts an example. @returns the first line of its output */
async function start(name: string, ...words: string[]): Promise<string> {
  const child = spawn(process.execPath, [`examples/router/${name}.mjs`, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  started.push(child)
  let output = ''
  child.stdout.setEncoding('utf8')
  for await (const chunk of child.stdout as AsyncIterable<string>) {
    output += chunk
    if (output.includes('\n')) break
  }
  return output.split('\n', 1)[0] ?? ''
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sla-example-'))
  url = await start('authority', directory)
})
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  rmSync(directory, { recursive: true, force: true })
})

describe('an example product with its own tags and its own authority', () => {
  it.each(['fastify', 'express'])('is licensed in %s, and counts its tunnels (R-EMB-2)', async (name) => {
    const product = await start(name, directory, url)
    const open = async () => (await fetch(`${product}/tunnels`, { method: 'POST' })).status
    const state = async () => ((await (await fetch(`${product}/license`)).json()) as { state: string }).state
    expect(await state()).toBe('authorized')
    expect([await open(), await open()]).toEqual([201, 201])
    expect(await state()).toBe('authorized')
  })

  it('is licensed with worker threads that ask the main thread (R-EMB-2)', async () => {
    expect(JSON.parse(await start('worker-threads', directory, url))).toEqual({
      state: 'out-of-compliance',
      tunnels: 3,
    })
  })
})

it('R-INS-5: the exported machine runs as an actor of XState, with notices', async () => {
  const child = spawn(process.execPath, ['examples/statechart/exported.mjs'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8')
  for await (const chunk of child.stdout as AsyncIterable<string>) output += chunk
  expect(output.trim().split('\n')).toEqual(['EVAL_START', 'EVAL_EXPIRED', 'unregistered'])
})
