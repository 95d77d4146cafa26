import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { eventually } from '../support/eventually.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { selectScale } from '../support/scale.ts'

const entry = JSON.stringify(new URL('../../dist/src/index.js', import.meta.url).href)

/** Opens the agent, serves its control socket and runs until it is killed. */
const HOLDER = `
  import { SmartAgent } from ${entry}
  const [dataDir, trust, url, token] = process.argv.slice(1)
  const agent = await SmartAgent.open({
    dataDir,
    product: { pid: 'CWMS-K9', version: '4.0', serial: 'TWO' },
    trust,
    transport: { kind: 'direct', url },
  })
  await agent.serve({ control: true })
  if (agent.status().registration.status === 'unregistered') await agent.register(token)
  console.log('ready')
`

/** Connects, and counts upward from the stored usage. Prints each count before and after the agent has stored it. */
const WORKER = `
  import { SmartAgent } from ${entry}
  const client = await SmartAgent.connect(process.argv[1], { timeoutMs: 60_000 })
  let count = client.status().entitlements.find(({ tag }) => tag === 'HOST')?.count ?? 0
  console.log('found ' + count)
  for (;;) {
    count++
    console.log('sent ' + count)
    await client.setUsage('HOST', count)
    if (!client.allows('meeting-start').allowed) throw new Error('The policy was lost.')
    console.log('stored ' + count)
  }
`

let programs: Programs
let authority: Authority
const started: ChildProcess[] = []
beforeEach(async () => {
  programs = createPrograms()
  const dataDir = join(programs.directory, 'authority')
  await Authority.init({ dataDir, account: 'acme.example', acceptAgreement: true })
  authority = await Authority.open({ dataDir })
})
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
  await authority.close()
  await programs.close()
})

/** Starts a script. `last` returns the number of the last line with a label. */
function start(script: string, ...words: string[]) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  started.push(child)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = new Promise((resolve) => child.once('close', resolve))
  return {
    hasSaid: (text: string) => output.includes(`${text}\n`),
    last: (label: string): number | null => {
      const numbers = [...output.matchAll(new RegExp(`^${label} (\\d+)\\n`, 'gm'))]
      return numbers.length === 0 ? null : Number(numbers.at(-1)?.[1])
    },
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

const ROUNDS = selectScale(4, 30)

it('two processes of a product lose and double no usage when either is killed, and the other continues (R-EMB-4)', async () => {
  await authority.orders.create({ tag: 'HOST', quantity: 1_000_000 })
  const url = await authority.listen({ host: '127.0.0.1', port: 0 })
  const { token } = await authority.tokens.create({ days: 30 })
  const startHolder = async () => {
    const holder = start(HOLDER, programs.dataDir(), authority.trustAnchor(), url, token)
    await eventually(() => {
      expect(holder.hasSaid('ready')).toBe(true)
    })
    return holder
  }
  let holder = await startHolder()
  let worker = start(WORKER, programs.dataDir())
  const storesMore = async (count: number) => {
    const from = worker.last('stored') ?? worker.last('found') ?? 0
    await eventually(() => {
      expect(worker.last('stored') ?? 0).toBeGreaterThanOrEqual(from + count)
    })
  }
  for (let round = 1; round <= ROUNDS; round++) {
    await storesMore(round * 3)
    await holder.kill()
    holder = await startHolder()
    // The worker continues with the count that was in flight.
    await storesMore(round * 2)
    expect(worker.isRunning()).toBe(true)

    await worker.kill()
    const [stored, sent] = [worker.last('stored'), worker.last('sent')]
    expect(holder.isRunning()).toBe(true)
    worker = start(WORKER, programs.dataDir())
    await eventually(() => {
      expect(worker.last('found')).not.toBeNull()
    })
    // The agent has the last stored count, or the one that was in flight.
    expect([stored, sent]).toContain(worker.last('found'))
  }
  await worker.kill()
  const { SmartAgent } = await import('../../src/index.ts')
  const client = await SmartAgent.connect(programs.dataDir())
  await client.flushUsage()
  const count = client.status().entitlements.find(({ tag }) => tag === 'HOST')?.count
  expect([worker.last('stored'), worker.last('sent')]).toContain(count)
  const [instance] = await authority.instances.list()
  expect(instance?.entitlements).toMatchObject([{ tag: 'HOST', count }])
  await client.close()
})
