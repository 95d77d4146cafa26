// Licenses an Express server: node examples/router/express.mjs DIR AUTHORITY-URL
import express from 'express'
import { openAgent } from './open-agent.mjs'

const [directory, url] = process.argv.slice(2)
const app = express()
const agent = await openAgent({ directory, url })
let tunnels = 0

app.post('/tunnels', (_request, response) => {
  const { allowed, reason } = agent.allows('tunnel-open')
  if (!allowed) return response.status(403).json({ reason })
  agent.setUsage('TUNNEL', ++tunnels)
  return response.status(201).json({ tunnels })
})
app.get('/license', (_request, response) => response.json(agent.status()))

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`)
})
process.once('SIGTERM', () => {
  server.close()
  void agent.close()
})
