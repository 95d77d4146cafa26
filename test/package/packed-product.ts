import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { Authority } from '../../src/authority/index.ts'

const execute = promisify(execFile)

/** The parts of package.json that the tests of the package read. */
export const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  name: string
  version: string
  bin: Record<string, string>
  exports: Record<string, string | { types: string; default: string }>
  dependencies: Record<string, string>
}

/** Arguments of a test program that embeds the agent. */
interface EmbedderInput {
  readonly dataDir: string
  readonly url: string
  readonly root: string
  readonly token: string
}

/** Source of a product's program that registers its agent and prints the state. @param options options for `open` */
export const embedder = (options = ''): string => `
import { SmartAgent } from '${manifest.name}'
async function main({ dataDir, url, root, token }) {
  const agent = await SmartAgent.open({
    dataDir,
    product: { pid: 'CONF-SERVER', serial: String(process.pid), version: '4.0' },
    trust: root,
    transport: { kind: 'direct', url },
    ${options}
  })
  try {
    agent.setUsage('HOST', 1)
    await agent.register(token)
    console.log(agent.status().state)
  } finally {
    await agent.close()
  }
}
`

/** Statement that runs the program of `embedder`. */
export const RUN_EMBEDDER = 'main(JSON.parse(process.env.EMBEDDER_INPUT))\n'

const QUIET_INSTALL = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

/** Empty project of a product that installed the packed package. */
export class PackedProduct {
  readonly directory = mkdtempSync(join(tmpdir(), 'sla-package-'))
  readonly project = join(this.directory, 'product')
  /** Entries of the package, as npm reports them. */
  packed: { files: { path: string; mode: number }[]; filename: string; unpackedSize: number } = {
    files: [],
    filename: '',
    unpackedSize: 0,
  }
  #node = process.execPath
  #authority: Authority | null = null
  #url = ''
  #devices = 0
  readonly #started: ChildProcess[] = []

  /**
   * Packs the package and installs it with development tools of the product.
   *
   * @param nodeVersion major version of Node that runs the product; by default the current one, or 22 on an older Node
   */
  async install(tools: readonly string[], nodeVersion?: number): Promise<void> {
    mkdirSync(this.project)
    const { stdout } = await execute(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', this.directory],
      { maxBuffer: 64 << 20 },
    )
    ;[this.packed] = JSON.parse(stdout) as [PackedProduct['packed']]
    const [current = 0] = process.versions.node.split('.').map(Number)
    const major = nodeVersion ?? Math.max(current, 22)
    if (major !== current) this.#node = await this.#installNode(major)
    this.write('package.json', '{"name":"product","private":true,"type":"module"}')
    await this.npmInstall(join(this.directory, this.packed.filename))
    if (tools.length > 0) await this.npmInstall(...tools)
  }

  /** Installs packages into the project, without running their scripts. */
  async npmInstall(...packages: readonly string[]): Promise<void> {
    await execute('npm', ['install', ...QUIET_INSTALL, ...packages], { cwd: this.project })
  }

  /** Installs the package alone into another project, with npm's check of engines, on the product's version of Node. */
  async installStrictly(): Promise<void> {
    const project = join(this.directory, 'strict')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{"private":true}')
    const [first = ''] = (process.env.PATH ?? '')
      .split(delimiter)
      .filter((path) => existsSync(join(path, 'npm')))
    const npm = realpathSync(join(first, 'npm'))
    const words = ['install', '--engine-strict', ...QUIET_INSTALL, join(this.directory, this.packed.filename)]
    await execute(this.#node, [npm, ...words], { cwd: project })
  }

  async #installNode(major: number): Promise<string> {
    const prefix = join(this.directory, 'node')
    await execute('npm', [
      'install',
      '--silent',
      '--no-save',
      '--prefer-offline',
      '--prefix',
      prefix,
      `node@${major}`,
    ])
    return join(prefix, 'node_modules/node/bin/node')
  }

  /** Path of a file of the installed package. */
  installed(path: string): string {
    return join(this.project, 'node_modules', manifest.name, path)
  }

  /** Path of a program of the package. */
  program(name: string): string {
    return this.installed(manifest.bin[name] ?? '')
  }

  /** Writes a file of the project. Returns its path. */
  write(path: string, text: string): string {
    const file = join(this.project, path)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, text)
    return file
  }

  /** Runs a Node program in the project. Returns its standard output. */
  async run(words: readonly string[], env: Record<string, string> = {}, node = this.#node): Promise<string> {
    const options = { cwd: this.project, encoding: 'utf8' as const, env: { ...process.env, ...env } }
    return (await execute(node, words, options)).stdout
  }

  /** Starts a Node program in the project. Returns its first line of output. `stopAll` ends the program. */
  async start(words: readonly string[], env: Record<string, string> = {}): Promise<string> {
    const child = spawn(this.#node, words, {
      cwd: this.project,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#started.push(child)
    let output = ''
    child.stdout.setEncoding('utf8')
    for await (const chunk of child.stdout as AsyncIterable<string>) {
      output += chunk
      if (output.includes('\n')) return output.split('\n', 1)[0] ?? ''
    }
    throw new Error(`${words.join(' ')} ended without a line of output.`)
  }

  /** Ends the programs of `start`. */
  async stopAll(): Promise<void> {
    for (const child of this.#started.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    }
  }

  /** Writes a Node program, and runs it. Returns the JSON document of its last line of output. */
  async runProgram<T>(
    code: string,
    env: Record<string, string> = {},
    flags: readonly string[] = [],
  ): Promise<T> {
    this.write('program.mjs', code)
    const lines = (await this.run([...flags, 'program.mjs'], env)).trimEnd().split('\n')
    return JSON.parse(lines.at(-1) ?? '') as T
  }

  /** Runs a tool of the project, such as a bundler. */
  async runTool(name: string, ...words: readonly string[]): Promise<void> {
    const { bin } = JSON.parse(
      readFileSync(join(this.project, 'node_modules', name, 'package.json'), 'utf8'),
    ) as { bin: string | Record<string, string> }
    const script = typeof bin === 'string' ? bin : (bin[name.split('/').at(-1) ?? ''] ?? '')
    const tool = join(this.project, 'node_modules', name, script)
    // A native tool is a program itself.
    const isScript = readFileSync(tool).subarray(0, 2).toString() === '#!'
    await (isScript ? this.run([tool, ...words]) : execute(tool, words, { cwd: this.project }))
  }

  /** Returns the input of `embedder` for a new device, with an authority on the loopback address. */
  async createInput(): Promise<EmbedderInput> {
    this.#authority ??= await this.#openAuthority()
    const { token } = await this.#authority.tokens.create({ days: 1 })
    const dataDir = join(this.directory, `device-${++this.#devices}`)
    return { dataDir, url: this.#url, root: this.#authority.trustAnchor(), token }
  }

  async #openAuthority(): Promise<Authority> {
    const dataDir = join(this.directory, 'authority')
    await Authority.init({ dataDir, account: 'acme.example', acceptAgreement: true })
    const authority = await Authority.open({ dataDir })
    await authority.orders.create({ tag: 'HOST', quantity: 1_000 })
    this.#url = await authority.listen({ host: '127.0.0.1', port: 0 })
    return authority
  }

  /** Runs a program of `embedder`. Returns its standard output. */
  async embed(...words: readonly string[]): Promise<string> {
    return this.run(words, { EMBEDDER_INPUT: JSON.stringify(await this.createInput()) })
  }

  /** Returns the number and the size in bytes of the packages in the project. */
  measure(): { packages: number; bytes: number } {
    const modules = join(this.project, 'node_modules')
    const entries = readdirSync(modules, { recursive: true, encoding: 'utf8' })
    const isPackage = (path: string) =>
      /^(?:.*node_modules\/)?(?:@[^/]+\/)?[^@./][^/]*\/package\.json$/.test(path)
    const stats = entries.map((path) => lstatSync(join(modules, path)))
    return {
      packages: entries.filter(isPackage).length,
      bytes: stats.filter((stat) => stat.isFile()).reduce((sum, { size }) => sum + size, 0),
    }
  }

  async remove(): Promise<void> {
    await this.stopAll()
    await this.#authority?.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}
