// Measures `agent.allows()`, which an embedding product calls before every meeting.
import { join } from 'node:path'
import { SmartAgent } from '../../dist/src/index.js'
import { rate } from '../rate.mjs'
import { perSecond } from '../table.mjs'

export async function policyCheck(row, directory) {
  const agent = await SmartAgent.open({
    dataDir: join(directory, 'embedded'),
    product: { pid: 'BENCH', serial: '1', version: '1.0' },
    heartbeat: false,
  })
  const facts = new Map([['meeting-start', { allowed: true, reason: null }]])
  let result
  const floor = rate(() => {
    result = facts.get('meeting-start')
  })
  const measured = rate(() => {
    result = agent.allows('meeting-start')
  })
  if (!result.allowed) throw new Error('a device in evaluation must be allowed everything')
  row('allows()', perSecond(measured), `${perSecond(floor)} one Map lookup`, floor / measured, '')
  await agent.close()
}
