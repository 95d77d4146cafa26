// What an embedder asks before every meeting: whether it is allowed.
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
  let kept
  const floor = rate(() => {
    kept = facts.get('meeting-start')
  })
  const measured = rate(() => {
    kept = agent.allows('meeting-start')
  })
  if (!kept.allowed) throw new Error('a box in evaluation must be allowed everything')
  row('allows()', perSecond(measured), `${perSecond(floor)} one Map look-up`, floor / measured, '')
  await agent.close()
}
