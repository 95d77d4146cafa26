import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { manifest, type PackedProduct } from './packed-product.ts'

interface Failure {
  readonly code: string
  readonly message: string
  readonly remedy: string
}

/** Returns the files that a module of the installed package imports when it loads, itself included. */
function listStaticImports(path: string, known = new Set<string>()): Set<string> {
  if (known.has(path)) return known
  known.add(path)
  for (const [, imported = ''] of readFileSync(path, 'utf8').matchAll(
    /^(?:import|export)\b[^'"`;]*?["'](\.[^"']+)["']/gm,
  ))
    listStaticImports(resolve(dirname(path), imported), known)
  return known
}

/** Defines tests of what a product meets while it embeds the agent. The tests use the installed package. */
export function describeEmbedding(product: PackedProduct): void {
  let devices = 0
  /** Source that opens an agent of a new device. */
  const open = (options = '') => `await SmartAgent.open({
  dataDir: ${JSON.stringify(join(product.directory, `embedded-${++devices}`))},
  product: { pid: 'RT-9', serial: 'R1', version: '1.0' },
  ${options}
})`
  const importAgent = `import { SmartAgent } from '${manifest.name}'\n`
  const catchError = `const fail = async (work) => {
  try { await work() } catch ({ code, message, remedy }) { return { code, message, remedy } }
  return null
}\n`

  describe('the installed package', () => {
    it('is accepted by `npm install --engine-strict`, with all that it depends on (R-EMB-7)', async () => {
      await product.installStrictly()
    })

    it('loads no authority with `smart-licensing-agent/testing` (R-EMB-7)', () => {
      const has = (entry: string) =>
        [...listStaticImports(product.installed(`dist/lib/${entry}.js`))].some((path) =>
          readFileSync(path, 'utf8').includes('class Authority {'),
        )
      expect([has('testing'), has('index'), has('authority')]).toEqual([false, false, true])
    })

    it('cites only requirements that it contains', () => {
      const requirements = readFileSync(product.installed('docs/requirements.md'), 'utf8')
      const directory = product.installed('dist/lib')
      const declarations = readdirSync(directory, { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.d.ts'))
        .map((path) => readFileSync(join(directory, path), 'utf8'))
        .join('\n')
      const cited = [...new Set(declarations.match(/\bR-[A-Z]+-\d+/g))]
      expect(cited.length).toBeGreaterThan(0)
      expect(cited.filter((id) => !requirements.includes(`</a>${id} `))).toEqual([])
      // Sections of documents that the package does not contain. Those of an RFC can be followed.
      expect(declarations.match(/^(?!.*RFC \d).*§.*$/gm)).toBeNull()
    })
  })

  describe('an agent in a product', () => {
    it.each(['pino', 'fastify'])('logs message and fields to %s', async (name) => {
      const logger = {
        pino: `(await import('pino')).default({}, sink)`,
        fastify: `(await import('fastify')).default({ logger: { stream: sink } }).log`,
      }[name]
      const lines = await product.runProgram<Record<string, unknown>[]>(
        `${importAgent}const lines = []
const sink = { write: (line) => lines.push(JSON.parse(line)) }
const agent = ${open(`logger: ${logger ?? ''},`)}
agent.on('state', () => { throw new Error('planted') })
agent.setUsage('HOST', 1)
agent.setUsage('HOST', 0)
await agent.close()
console.log(JSON.stringify(lines))`,
      )
      expect(lines.length).toBeGreaterThan(0)
      expect(lines).toContainEqual(
        expect.objectContaining({
          level: 50,
          msg: expect.any(String) as string,
          reason: expect.stringContaining('planted') as string,
        }),
      )
    })

    it('refuses each call after `close` with AGENT_CLOSED (R-EMB-6)', async () => {
      const codes = await product.runProgram<Record<string, string | undefined>>(
        `${importAgent}${catchError}const agent = ${open()}
const { hosts } = agent.module
await agent.close()
const calls = {
  status: () => agent.status(),
  explain: () => agent.explain(),
  history: () => agent.history(),
  hosts: () => hosts.list(),
  denials: () => agent.usage.denials(),
  transport: () => agent.transport.set({ kind: 'direct', url: 'https://a.example' }),
  renew: () => agent.renewAuthorization(),
  trust: () => agent.trust.anchor(),
  allows: () => agent.allows('x'),
}
const codes = {}
for (const [name, call] of Object.entries(calls)) codes[name] = (await fail(call))?.code
console.log(JSON.stringify(codes))`,
      )
      expect(Object.keys(codes)).toHaveLength(9)
      expect(new Set(Object.values(codes))).toEqual(new Set(['AGENT_CLOSED']))
    })

    it('gives remedies that name its own calls, and says that this process has the directory', async () => {
      const failures = await product.runProgram<Failure[]>(
        `${importAgent}${catchError}const dataDir = ${JSON.stringify(join(product.directory, 'twice'))}
const options = { dataDir, product: { pid: 'RT-9', serial: 'R1', version: '1.0' } }
const agent = await SmartAgent.open(options)
const failures = [
  await fail(() => SmartAgent.open(options)),
  await fail(() => agent.transport.test()),
  await fail(() => SmartAgent.open({ dataDir: dataDir + '-none' })),
]
await agent.close()
console.log(JSON.stringify(failures))`,
      )
      expect(failures).toMatchObject([
        { code: 'DATA_DIR_LOCKED', message: expect.stringContaining('This process') as string },
        { code: 'TRANSPORT_NOT_CONFIGURED', remedy: expect.stringContaining('transport.set') as string },
        { code: 'DATA_DIR_MISSING', remedy: expect.stringContaining('`product`') as string },
      ])
      for (const { remedy } of failures) expect(remedy).not.toMatch(/--\w|smart-agent /)
    })

    it('refuses a shared mount as its directory, and creates a private one in it (R-EMB-7)', async () => {
      const codes = await product.runProgram<(string | null)[]>(
        `import { chmodSync, mkdirSync } from 'node:fs'
${importAgent}${catchError}const product = { pid: 'RT-9', serial: 'R1', version: '1.0' }
const codes = []
for (const mode of [0o755, 0o1777, 0o2770]) {
  const mount = ${JSON.stringify(join(product.directory, 'mount-'))} + mode
  mkdirSync(mount)
  chmodSync(mount, mode)
  const open = (dataDir) => fail(async () => (await SmartAgent.open({ dataDir, product })).close())
  codes.push((await open(mount)).code, await open(mount + '/licensing'))
}
console.log(JSON.stringify(codes))`,
      )
      expect(codes).toEqual(Array(3).fill(['DATA_DIR_UNSAFE', null]).flat())
    })

    it('takes policies in part, and has no deployment in the status of a router (R-EMB-8)', async () => {
      const status = await product.runProgram<object>(
        `${importAgent}const agent = ${open(`profile: { name: 'router', tags: [{ tag: 'TUNNEL' }], policies: { deniedActions: {} } },`)}
console.log(JSON.stringify(agent.status()))
await agent.close()`,
      )
      expect(status).toMatchObject({ product: { pid: 'RT-9', serial: 'R1', version: '1.0' } })
      expect(Object.keys((status as { product: object }).product)).toEqual(['pid', 'serial', 'version'])
      expect(status).not.toHaveProperty('hosts')
    })

    it('warns of a listener that throws, and lets the process end without `close` (R-EMB-6)', async () => {
      const warning = await product.runProgram(
        `${importAgent}process.on('warning', ({ code }) => process.once('exit', () => console.log(JSON.stringify(code))))
const agent = ${open('keepAlive: false,')}
agent.on('state', () => { throw new Error('planted') })
agent.setUsage('HOST', 1)`,
        {},
        ['--no-warnings'],
      )
      expect(warning).toBe('LISTENER_FAILED')
    })

    it('closes at the end of its block', async () => {
      const code = await product.runProgram(
        `${importAgent}${catchError}const agent = ${open()}
await agent[Symbol.asyncDispose]()
console.log(JSON.stringify((await fail(() => agent.idle())).code))`,
      )
      expect(code).toBe('AGENT_CLOSED')
    })
  })
}
