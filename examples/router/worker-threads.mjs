// Licenses a product with worker threads: node examples/router/worker-threads.mjs DIR AUTHORITY-URL
// The main thread has the agent. The workers ask it by messages, because one thread of one process opens the data directory.
import { once } from 'node:events'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { openAgent } from './open-agent.mjs'

if (isMainThread) {
  const [directory, url] = process.argv.slice(2)
  const agent = await openAgent({ directory, url })
  let tunnels = 0
  const workers = [1, 2, 3].map(() => new Worker(new URL(import.meta.url)))
  for (const worker of workers)
    worker.on('message', () => {
      const { allowed } = agent.allows('tunnel-open')
      if (allowed) agent.setUsage('TUNNEL', ++tunnels)
      worker.postMessage(allowed)
    })
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  await agent.flushUsage()
  const { state, entitlements } = agent.status()
  console.log(JSON.stringify({ state, tunnels: entitlements[0]?.count ?? 0 }))
  await agent.close()
} else {
  // One encrypted tunnel for each worker.
  parentPort.postMessage('open')
  await once(parentPort, 'message')
  process.exit()
}
