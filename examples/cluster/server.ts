/**
 * A product of several processes: `node dist/examples/cluster/server.js DATA_DIR`. The primary process opens the agent and
 * serves its control socket. The workers connect, ask whether a tunnel may be opened, and report how many they have open.
 *
 * POST /open opens a tunnel. GET / shows the license state that the worker knows.
 */
import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defineProfile, LicensingError, SmartAgent } from '../../src/index.ts'

const WORKERS = 2
const [dataDir = 'licensing'] = process.argv.slice(2)

const profile = defineProfile({
  name: 'tunnel-server',
  tags: [{ tag: 'TUNNEL', name: 'Tunnel', description: 'One open tunnel' }],
})

async function runPrimary(): Promise<void> {
  const agent = await SmartAgent.open({
    dataDir,
    product: { pid: 'TUNNEL-SERVER', serial: '0001', version: '1.0' },
    profile,
  })
  const served = await agent.serve({ control: true })

  // A count is absolute for all processes, so one process adds up the counts of all workers.
  const tunnels = new Map<number, number>()
  const report = () => {
    try {
      agent.setUsage(
        'TUNNEL',
        [...tunnels.values()].reduce((sum, count) => sum + count, 0),
      )
    } catch (error) {
      // More tunnels are refused while only license management works. The workers refuse them too.
      process.stderr.write(`${error instanceof LicensingError ? error.message : String(error)}\n`)
    }
  }
  report()
  cluster.on('message', (worker, message: { tunnels: number }) => {
    tunnels.set(worker.id, message.tunnels)
    report()
  })

  let isStopping = false
  cluster.on('exit', (worker) => {
    if (isStopping) return
    // The tunnels of a worker end with it, however it ended.
    tunnels.delete(worker.id)
    report()
    cluster.fork()
  })
  process.once('SIGTERM', () => {
    isStopping = true
    cluster.disconnect(() => {
      void served.drain().then(() => agent.close())
    })
  })

  for (let worker = 0; worker < WORKERS; worker++) cluster.fork()
  const [, { port }] = (await once(cluster, 'listening')) as [unknown, AddressInfo]
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`)
}

async function runWorker(): Promise<void> {
  const client = await SmartAgent.connect(dataDir)
  let tunnels = 0
  const server = createServer((request, response) => {
    const respond = (status: number, document: object) => {
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
      response.end(JSON.stringify({ worker: process.pid, tunnels, ...document }))
    }
    if (request.method !== 'POST') {
      respond(200, { state: client.status().state })
      return
    }
    // The answer comes from memory, so a worker may ask at each request.
    const { allowed, reason } = client.allows('tunnel-open')
    if (allowed) process.send?.({ tunnels: ++tunnels })
    respond(allowed ? 200 : 403, { reason })
  })
  server.listen(0, '127.0.0.1')
  process.once('disconnect', () => {
    void client.close()
  })
}

await (cluster.isPrimary ? runPrimary() : runWorker())
