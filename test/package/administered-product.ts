import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { manifest, type PackedProduct } from './packed-product.ts'

/** Defines tests of an agent that several processes use. The tests use the installed package. */
export function describeAdministration(product: PackedProduct): void {
  const importAgent = `import { defineProfile, SmartAgent } from '${manifest.name}'\n`
  const profile = `defineProfile({
  name: 'router',
  tags: [{ tag: 'TUNNEL' }],
  policies: { deniedActions: { evaluation: { actions: ['tunnel-open'], reason: 'Register the router first.' } } },
})`
  const open = (dataDir: string, options = '') => `await SmartAgent.open({
  dataDir: ${JSON.stringify(dataDir)},
  product: { pid: 'RT-9', serial: 'R1', version: '1.0' },
  ${options}
})`
  const agent = (dataDir: string, ...words: string[]) =>
    product.run([product.program('smart-agent'), '--data-dir', dataDir, ...words])

  describe('an agent of the installed package', () => {
    afterEach(() => product.stopAll())

    it('is administered by `smart-agent` while the product holds its directory (R-EMB-3)', async () => {
      const dataDir = join(product.directory, 'held')
      product.write(
        'held.mjs',
        `${importAgent}const agent = ${open(dataDir, `profile: ${profile},`)}
await agent.serve({ control: true })
agent.setUsage('TUNNEL', 4)
console.log('ready')
process.once('SIGTERM', () => agent.close())`,
      )
      expect(await product.start(['held.mjs'])).toBe('ready')
      expect(JSON.parse(await agent(dataDir, 'status', '--json'))).toMatchObject({
        state: 'evaluation',
        entitlements: [{ tag: 'TUNNEL', count: 4 }],
      })
      expect(JSON.parse(await agent(dataDir, 'why', '--json'))).toMatchObject({ state: 'evaluation' })
      expect(await agent(dataDir, 'show', 'tech')).toContain('TUNNEL')
      expect(await agent(dataDir, 'events')).toContain('usage.changed')
      await agent(dataDir, 'usage', 'set', 'TUNNEL', '6')
      const watched = JSON.parse(
        await product.start([product.program('smart-agent'), '--data-dir', dataDir, 'watch', '--json']),
      ) as unknown
      expect(watched).toMatchObject({ entitlements: [{ tag: 'TUNNEL', count: 6 }] })
      const refused = await agent(dataDir, 'allows', 'tunnel-open', '--json').catch(
        (error: unknown) => error as { code: number; stdout: string },
      )
      expect(refused).toMatchObject({ code: 1 })
      expect(JSON.parse((refused as { stdout: string }).stdout)).toEqual({
        allowed: false,
        reason: 'Register the router first.',
      })
    })

    it('as a daemon answers `allows` and counts for a product that connects to it (R-EMB-4)', async () => {
      const dataDir = join(product.directory, 'daemon')
      product.write('daemon-profile.json', JSON.stringify({ name: 'router', tags: [{ tag: 'TUNNEL' }] }))
      const device = ['--pid', 'RT-9', '--serial', 'R2', '--profile', 'daemon-profile.json']
      await agent(dataDir, 'init', ...device)
      await product.start([product.program('smart-agent'), '--data-dir', dataDir, 'run'])
      expect(
        await product.runProgram(
          `${importAgent}const client = await SmartAgent.connect(${JSON.stringify(dataDir)})
await client.setUsage('TUNNEL', 3)
const decisions = [client.allows('tunnel-open'), await client.askAllows('tunnel-open')]
console.log(JSON.stringify([decisions, client.status().entitlements[0].count]))
await client.close()`,
        ),
      ).toEqual([Array(2).fill({ allowed: true, reason: null }), 3])
      expect(JSON.parse(await agent(dataDir, 'status', '--json'))).toMatchObject({
        entitlements: [{ tag: 'TUNNEL', count: 3 }],
      })
    })

    it('is shared by the worker processes of a cluster (R-EMB-4)', async () => {
      const dataDir = join(product.directory, 'cluster')
      expect(
        await product.runProgram(
          `import cluster from 'node:cluster'
${importAgent}if (cluster.isPrimary) {
  const agent = ${open(dataDir, `profile: ${profile},`)}
  await agent.serve({ control: true })
  const ended = []
  for (let number = 1; number <= 2; number++) {
    const worker = cluster.fork({ NUMBER: String(number) })
    ended.push(new Promise((resolve) => worker.once('message', resolve)))
    await ended.at(-1)
  }
  const allowed = await Promise.all(ended)
  const { count } = agent.status().entitlements[0]
  await agent.close()
  console.log(JSON.stringify({ allowed, count }))
} else {
  const client = await SmartAgent.connect(${JSON.stringify(dataDir)})
  await client.setUsage('TUNNEL', 10 * Number(process.env.NUMBER))
  const { allowed } = client.allows('tunnel-open')
  await client.close()
  process.send(allowed, () => process.disconnect())
}`,
        ),
      ).toEqual({ allowed: [false, false], count: 20 })
    })
  })
}
