// Licenses a Fastify server: node examples/router/fastify.mjs DIR AUTHORITY-URL
import Fastify from 'fastify'
import { openAgent } from './open-agent.mjs'

const [directory, url] = process.argv.slice(2)
const app = Fastify()
const agent = await openAgent({ directory, url })
let tunnels = 0

app.post('/tunnels', async (request, reply) => {
  const { allowed, reason } = agent.allows('tunnel-open')
  if (!allowed) return reply.code(403).send({ reason })
  agent.setUsage('TUNNEL', ++tunnels)
  return reply.code(201).send({ tunnels })
})
app.get('/license', () => agent.status())
app.addHook('onClose', () => agent.close())

console.log(await app.listen({ host: '127.0.0.1', port: 0 }))
process.once('SIGTERM', () => app.close())
