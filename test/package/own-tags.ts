import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { manifest, type PackedProduct } from './packed-product.ts'

/** Returns the code blocks of a document of the installed package. */
const readCode = (product: PackedProduct, document: string, language: string): string[] =>
  [
    ...readFileSync(product.installed(document), 'utf8').matchAll(
      new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'),
    ),
  ].map(([, code]) => code ?? '')

interface Listening {
  readonly listening: string
  readonly metrics: string
}

/** Defines tests of a product with its own entitlement tags. The tests use the installed package. */
export function describeOwnTags(product: PackedProduct): void {
  const authority = (...words: string[]) =>
    product.run([product.program('smart-authority'), '--data-dir', 'licensing-authority', ...words])
  const agent = (...words: string[]) =>
    product.run([product.program('smart-agent'), '--data-dir', 'licensing-device', ...words])
  const serve = async (): Promise<Listening> => {
    const [profile = ''] = readCode(product, 'docs/embedding.md', 'json')
    product.write('router.json', profile)
    const words = ['serve', '--development', '--profile', 'router.json', '--listen', '127.0.0.1:0']
    return JSON.parse(
      await product.start([
        ...[product.program('smart-authority'), '--data-dir', 'licensing-authority', '--json'],
        ...[...words, '--metrics', '0'],
      ]),
    ) as Listening
  }

  describe('a product with its own tags, with the installed package', () => {
    afterEach(() => product.stopAll())

    it('follows the tutorial of docs/embedding.md, and is licensed in programs, API and metrics (R-EMB-2)', async () => {
      const { listening, metrics } = await serve()
      const [open = '', register = '', count = ''] = readCode(product, 'docs/embedding.md', 'ts')
      const code = `${open.replace('https://127.0.0.1:8443', listening)}${register}
const tunnels = []
class Tunnel {}
${count}
openTunnel()
openTunnel()
await agent.flushUsage()
console.log(JSON.stringify(agent.status()))
await agent.close()`
      expect(await product.runProgram(code)).toMatchObject({
        state: 'authorized',
        entitlements: [{ tag: 'TUNNEL', name: 'Tunnel', count: 2, status: 'in-compliance' }],
      })
      // The programs know the tags, too.
      expect(JSON.parse(await agent('status', '--json'))).toMatchObject({
        state: 'authorized',
        entitlements: [{ tag: 'TUNNEL', count: 2 }],
      })
      await agent('usage', 'set', 'GBIT', '101')
      expect(JSON.parse(await agent('status', '--json'))).toMatchObject({ state: 'out-of-compliance' })
      await authority('order', '--tag', 'GBIT', '--quantity', '1')
      await agent('renew', 'authorization')
      expect(JSON.parse(await agent('status', '--json'))).toMatchObject({ state: 'authorized' })
      const { licenses } = JSON.parse(await authority('license', 'list', '--json')) as {
        licenses: { tag: string }[]
      }
      expect(licenses).toMatchObject([
        { tag: 'GBIT', quantity: 101, inUse: 101 },
        { tag: 'TUNNEL', quantity: 100, inUse: 2 },
      ])
      expect(await authority('report', 'licenses')).toContain('TUNNEL')
      expect(await (await fetch(`${metrics}/metrics`)).text()).toMatch(
        /licenses_in_use\{.*tag="TUNNEL".*\} 2$/m,
      )
      const { clientId, clientSecret } = JSON.parse(await authority('api-client', 'create', '--json')) as {
        clientId: string
        clientSecret: string
      }
      const listed = await product.runProgram<{ licenses: { license: string }[] }>(
        `const [url, id, secret] = ${JSON.stringify([listening, clientId, clientSecret])}
const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret })
const { access_token: token } = await (await fetch(url + '/oauth/token', { method: 'POST', body })).json()
const headers = { authorization: 'Bearer ' + token, 'content-type': 'application/json' }
const path = '/api/v1/accounts/development.example/licenses'
const answer = await fetch(url + path, { method: 'POST', headers, body: '{"virtualAccounts":["Default"],"limit":50,"offset":0}' })
console.log(JSON.stringify(await answer.json()))`,
        { NODE_EXTRA_CA_CERTS: join(product.project, 'licensing-authority/root.pem') },
      )
      expect(listed.licenses.map(({ license }) => license).sort()).toEqual(['GBIT', 'Tunnel'])
    })

    it('opens an agent and an authority with the profile of docs/profiles.md as it is printed (R-EMB-2)', async () => {
      const [code = ''] = readCode(product, 'docs/profiles.md', 'ts')
      const { root: trust, url } = await product.createInput()
      expect(
        await product.runProgram(
          `const dataDir = ${JSON.stringify(join(product.directory, 'profiled-device'))}
const authorityDir = ${JSON.stringify(join(product.directory, 'profiled-authority'))}
const product = { pid: 'RT-9', serial: 'R1', version: '1.0' }
const [trust, transport] = ${JSON.stringify([trust, { kind: 'direct', url }])}
${code}
agent.setUsage('GBIT', 1)
await authority.orders.create({ sku: 'RT-GBIT-10', quantity: 1 })
console.log(JSON.stringify([agent.status().entitlements[0].tag, (await authority.licenses.list())[0].tag]))
await agent.close()
await authority.close()`,
        ),
      ).toEqual(['GBIT', 'GBIT'])
    })

    it('is licensed by the mock authority in its own tests (R-EMB-2)', async () => {
      expect(
        await product.runProgram(
          `import { setupServer } from 'msw/node'
import { defineProfile, SmartAgent } from '${manifest.name}'
import { createMockAuthority } from '${manifest.name}/mocks'
import { VirtualClock } from '${manifest.name}/testing'
const profile = defineProfile({ name: 'router', tags: [{ tag: 'GBIT' }] })
const clock = new VirtualClock()
const mock = await createMockAuthority({ clock, profile })
setupServer(...mock.handlers).listen({ onUnhandledRequest: 'error' })
await mock.authority.orders.create({ tag: 'GBIT', quantity: 1 })
const agent = await SmartAgent.open({
  dataDir: ${JSON.stringify(join(product.directory, 'mocked-device'))},
  product: { pid: 'RT-9', serial: 'R1', version: '1.0' },
  profile, clock, heartbeat: false, trust: mock.trustAnchor,
  transport: { kind: 'direct', url: mock.url },
})
agent.setUsage('GBIT', 1)
await agent.register((await mock.authority.tokens.create({ days: 30 })).token)
const states = [agent.status().state]
agent.setUsage('GBIT', 2)
await agent.flushUsage()
states.push(agent.status().state)
await agent.close()
await mock.close()
console.log(JSON.stringify(states))
process.exit(0)`,
        ),
      ).toEqual(['authorized', 'out-of-compliance'])
    })
  })
}
