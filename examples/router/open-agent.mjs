import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SmartAgent } from 'smart-licensing-agent'
import { profile } from './profile.mjs'

/** Opens the router's agent, and registers it the first time. */
export async function openAgent({ directory, url, logger }) {
  const agent = await SmartAgent.open({
    dataDir: join(directory, 'device'),
    product: { pid: 'RT-9', serial: '0001', version: '1.0' },
    profile,
    trust: readFileSync(join(directory, 'root.pem'), 'utf8'),
    transport: { kind: 'direct', url },
    logger,
  })
  if (agent.status().registration.status === 'unregistered')
    await agent.register(readFileSync(join(directory, 'token'), 'utf8').trim())
  return agent
}
