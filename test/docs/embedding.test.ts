import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SmartAgent as Agent } from '../../src/agent/agent.ts'
import { AgentClient } from '../../src/agent/agent-client.ts'
import { ReservationApi } from '../../src/agent/reservation-api.ts'
import { TransportApi } from '../../src/agent/transport-api.ts'
import { TrustApi } from '../../src/agent/trust-api.ts'
import { UsageReports } from '../../src/agent/usage-reports.ts'
import { SmartAgent } from '../../src/index.ts'

const page = readFileSync('docs/embedding.md', 'utf8')
/** Code in the text and in blocks. */
const code = [...page.matchAll(/`[^`\n]+`|^```[\s\S]*?^```/gm)].map(([text]) => text).join('\n')
const isNamed = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(code)

/** Returns the members of the interface that a source declares. */
const listMembers = (source: string, name: string): string[] => {
  const [, body = ''] =
    new RegExp(`^export interface ${name}\\b[^{]*?\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(
      readFileSync(source, 'utf8'),
    ) ?? []
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, member = '']) => member)
}

const membersOf = (api: { readonly prototype: object }): string[] =>
  Object.getOwnPropertyNames(api.prototype).filter((name) => name !== 'constructor')

describe('docs/embedding.md', () => {
  it.each([
    { of: 'SmartAgent', members: Object.keys(SmartAgent) },
    { of: 'the agent', members: membersOf(Agent) },
    { of: 'a client', members: membersOf(AgentClient) },
    { of: '`agent.transport`', members: membersOf(TransportApi) },
    { of: '`agent.trust`', members: membersOf(TrustApi) },
    { of: '`agent.usage`', members: membersOf(UsageReports) },
    { of: '`agent.reservation`', members: membersOf(ReservationApi) },
  ])('names each member of $of', ({ members }) => {
    expect(members.length).toBeGreaterThan(1)
    expect(members.filter((member) => !isNamed(member))).toEqual([])
  })

  it('names each option of `open` and of `connect`', () => {
    const options = [
      ...listMembers('src/agent/open-agent.ts', 'OpenOptions'),
      ...listMembers('src/agent/transport-manager.ts', 'TransportOptions'),
      ...listMembers('src/agent/agent-client.ts', 'ConnectOptions'),
    ]
    expect(options.length).toBeGreaterThan(15)
    expect(options.filter((option) => !isNamed(option))).toEqual([])
  })
})
