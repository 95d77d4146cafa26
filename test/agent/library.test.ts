import { spawn } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import Fastify from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import winston from 'winston'
import { errorTable, libraryRemedies } from '../../src/core/errors.ts'
import { type AgentLogger, type ErrorCode, LicensingError, SmartAgent } from '../../src/index.ts'
import { createPrograms, parseError } from '../support/programs.ts'
import { createTestEnvironment, getErrorCode, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
})
afterEach(async () => {
  await world.close()
})

describe('a closed agent (R-EMB-6)', () => {
  /** Each method of an agent and of its services, by name. */
  const listCalls = (agent: SmartAgent): Record<string, () => unknown> => {
    const { hosts, meetings, system } = agent.module
    const settings = { kind: 'direct', url: 'https://authority.test' } as const
    return {
      status: () => agent.status(),
      explain: () => agent.explain(),
      history: () => agent.history(),
      allows: () => agent.allows('meeting-start'),
      tick: () => {
        agent.tick()
      },
      idle: () => agent.idle(),
      on: () => agent.on('state', () => undefined),
      register: () => agent.register('token'),
      reregister: () => agent.reregister('token'),
      deregister: () => agent.deregister(),
      renewRegistration: () => agent.renewRegistration(),
      renewAuthorization: () => agent.renewAuthorization(),
      setUsage: () => {
        agent.setUsage('HOST', 1)
      },
      flushUsage: () => agent.flushUsage(),
      upgrade: () => agent.upgrade('9.0'),
      serve: () => agent.serve({}),
      moduleCommand: () => agent.moduleCommand('host-list'),
      'transport.set': () => agent.transport.set(settings),
      'transport.test': () => agent.transport.test({ settings }),
      'trust.install': () => agent.trust.install(world.authority.trustAnchor()),
      'trust.installTlsCa': () => agent.trust.installTlsCa(world.authority.trustAnchor()),
      'trust.anchor': () => agent.trust.anchor(),
      'trust.rootVersion': () => agent.trust.rootVersion(),
      'usage.periods': () => agent.usage.periods({ by: 'day', last: 1 }),
      'usage.denials': () => agent.usage.denials(),
      'reservation.request': () => agent.reservation.request(),
      'reservation.cancel': () => agent.reservation.cancel(),
      'reservation.install': () => agent.reservation.install(''),
      'reservation.update': () => agent.reservation.update(''),
      'reservation.returnCode': () => agent.reservation.returnCode(),
      'reservation.return': () => agent.reservation.return(),
      'reservation.discard': () => agent.reservation.discard(''),
      'module.hosts.list': () => hosts.list(),
      'module.hosts.assign': () => hosts.assign('ann'),
      'module.hosts.setAttendeeOnly': () => hosts.setAttendeeOnly('ann', true),
      'module.meetings.list': () => meetings.list(),
      'module.system.show': () => system.show(),
      'module.system.resize': () => system.resize('large'),
    }
  }

  it('refuses each call with AGENT_CLOSED', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const calls = listCalls(agent)
    await agent.close()
    await agent.close()
    const codes = await Promise.all(
      Object.entries(calls).map(async ([name, call]) => [
        name,
        await getErrorCode(Promise.resolve().then(call)),
      ]),
    )
    expect(codes).toEqual(Object.keys(calls).map((name) => [name, 'AGENT_CLOSED']))
  })

  it('returns rejected promises from asynchronous methods', async () => {
    const agent = await world.open()
    const { hosts } = agent.module
    await agent.close()
    const rejections: unknown[] = []
    for (const promise of [agent.deregister(), agent.idle(), agent.reservation.cancel(), hosts.assign('ann')])
      await promise.catch((error: unknown) => rejections.push(error))
    expect(rejections).toMatchObject(Array.from({ length: 4 }, () => ({ code: 'AGENT_CLOSED' })))
  })

  it('closes at the end of `await using`', async () => {
    const agent = await world.open()
    await agent[Symbol.asyncDispose]()
    expect(await getErrorCode(agent.idle())).toBe('AGENT_CLOSED')
    await (await world.open()).close()
  })

  it('keeps the interface of the module usable while the agent is open', async () => {
    const { module } = await world.open()
    expect(module.hosts).toBe(module.hosts)
    await module.hosts.assign('ann')
    expect(module.hosts.list()).toMatchObject([{ user: 'ann' }])
    expect(module.system.show()).toMatchObject({ size: 'small' })
  })
})

describe('a program that does not close its agent (R-EMB-6)', () => {
  /** Runs a program that opens an agent with these options. Returns its exit code and output. */
  const run = (options: string, then: string): Promise<{ code: number | null; output: string }> => {
    const entry = new URL('../../dist/src/index.js', import.meta.url).href
    const script = `
      import { SmartAgent } from ${JSON.stringify(entry)}
      const dataDir = ${JSON.stringify(join(world.directory, 'forgotten'))}
      const agent = await SmartAgent.open({
        dataDir,
        product: { pid: 'CWMS-K9', version: '4.0', serial: 'X' },
        ${options}
      })
      ${then}
      console.log('done')
    `
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { timeout: 60_000 })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
    return new Promise((resolve) =>
      child.once('close', (code) => {
        resolve({ code, output })
      }),
    )
  }

  it('ends if the agent was opened with `keepAlive: false`, also while it serves clients', async () => {
    const client = `
      await agent.serve({ control: true })
      const client = await SmartAgent.connect(dataDir, { keepAlive: false })
      await client.setUsage('HOST', 1)
    `
    expect(await run('keepAlive: false', '')).toEqual({ code: 0, output: 'done\n' })
    expect(await run('keepAlive: false', client)).toEqual({ code: 0, output: 'done\n' })
  })

  it('may be a worker thread, which serves the control socket too', async () => {
    const entry = new URL('../../dist/src/index.js', import.meta.url).href
    const source = `
      import { statSync } from 'node:fs'
      import { parentPort } from 'node:worker_threads'
      const { SmartAgent } = await import(${JSON.stringify(entry)})
      const dataDir = ${JSON.stringify(join(world.directory, 'thread'))}
      const agent = await SmartAgent.open({ dataDir, product: { pid: 'CWMS-K9', version: '4.0', serial: 'X' } })
      await agent.serve({ control: true })
      parentPort.postMessage((statSync(dataDir + '/agent.sock').mode & 0o777).toString(8))
      await agent.close()
    `
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`))
    const messages: unknown[] = []
    worker.on('message', (message) => messages.push(message))
    await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject))
    expect(messages).toEqual(['600'])
  })

  it('ends after `close` without any option', async () => {
    const everything = `
      const at = { host: '127.0.0.1', port: 0 }
      await agent.serve({ control: true, console: at, metrics: at, inspect: at })
      await SmartAgent.connect(dataDir).then((client) => client.close())
      await agent.close()
    `
    expect(await run('', everything)).toEqual({ code: 0, output: 'done\n' })
  })
})

describe('the logger of an agent', () => {
  const fail = () => {
    throw new Error('not ready')
  }
  /** Returns the entry of a failed listener in the log lines. */
  const logFailure = async (logger: AgentLogger, lines: () => string): Promise<unknown> => {
    const agent = await world.open('device', { logger })
    agent.on('state', fail)
    agent.setUsage('HOST', 1)
    const line = lines()
      .split('\n')
      .find((text) => text.includes('a listener failed'))
    return JSON.parse(line ?? 'null')
  }
  const collect = () => {
    let text = ''
    const stream = new Writable({
      write: (chunk, _, done) => {
        text += String(chunk)
        done()
      },
    })
    return { stream, lines: () => text }
  }
  const fields = { event: 'state', reason: 'Error: not ready' }

  it('may be the logger of Fastify, which is pino: fields and message are kept', async () => {
    const { stream, lines } = collect()
    const { log } = Fastify({ logger: { stream } })
    expect(await logFailure(log, lines)).toMatchObject({ level: 50, msg: 'a listener failed', ...fields })
  })

  it('may be winston: fields and message are kept', async () => {
    const { stream, lines } = collect()
    const logger = winston.createLogger({ transports: [new winston.transports.Stream({ stream })] })
    expect(await logFailure(logger, lines)).toMatchObject({
      level: 'error',
      message: 'a listener failed',
      ...fields,
    })
  })

  it('gets the error of an asynchronous listener', async () => {
    const logged: unknown[] = []
    const ignore = () => undefined
    const failed = new Promise<void>((resolve) => {
      const logger: AgentLogger = {
        error: (message, more) => {
          logged.push([message, more])
          resolve()
        },
        warn: ignore,
        info: ignore,
        debug: ignore,
      }
      void world.open('device', { logger }).then((agent) => {
        agent.on('state', () => Promise.reject(new Error('not ready')))
        agent.setUsage('HOST', 1)
      })
    })
    await failed
    expect(logged).toEqual([['a listener failed', fields]])
  })

  it('is replaced by one warning of the process, without the message of the error', async () => {
    const warnings: (Error & { code?: string; detail?: string })[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    const agent = await world.open()
    const secret = await world.token()
    agent.on('state', () => {
      throw new TypeError(`cannot use ${secret}`)
    })
    agent.setUsage('HOST', 1)
    agent.setUsage('HOST', 2)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', onWarning)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({ name: 'LicensingAgentWarning', code: 'LISTENER_FAILED' })
    expect(warnings[0]?.message).toContain('TypeError')
    expect(warnings[0]?.detail).toContain('library.test.ts')
    expect(`${warnings[0]?.stack ?? ''}${warnings[0]?.detail ?? ''}`).not.toContain(secret)
    expect(agent.status().entitlements).toMatchObject([{ count: 2 }])
  })
})

describe('the remedy of an error', () => {
  it('speaks of the library when the library throws the error, and of commands when a program prints it', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const refused = await agent.register(await world.token()).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'ALREADY_REGISTERED',
      remedy: libraryRemedies.ALREADY_REGISTERED,
    })
    expect(libraryRemedies.ALREADY_REGISTERED).toContain('{ force: true }')
    await agent.serve({ control: true })
    const client = await SmartAgent.connect(join(world.directory, 'device'))
    expect(await client.register(await world.token()).catch((error: unknown) => error)).toEqual(refused)
    await client.close()
    const programs = createPrograms()
    const dataDir = join(world.directory, 'device')
    const register = async (...words: string[]) =>
      programs.run('smart-agent', ['--data-dir', dataDir, 'register', await world.token(), ...words])
    expect(parseError(await register('--json'))).toMatchObject({
      code: 'ALREADY_REGISTERED',
      remedy: errorTable.ALREADY_REGISTERED.remedy,
    })
    expect((await register()).stderr).toContain('with --force')
    await programs.close()
  })

  it('names no command and no option of a program in a remedy of the library', () => {
    for (const remedy of Object.values(libraryRemedies))
      expect(remedy).not.toMatch(/--\w|smart-agent |`\w+ \w/)
  })

  it('stays the same when an error passes through its JSON form', () => {
    for (const code of Object.keys(errorTable) as ErrorCode[]) {
      const error = new LicensingError(code, 'It failed.')
      const copy = LicensingError.fromDocument(error.toJSON())
      expect([copy.remedy, copy.toJSON()]).toEqual([error.remedy, error.toJSON()])
      expect(error.toJSON().remedy).toBe(errorTable[code].remedy)
    }
  })
})

it('opening a directory twice in a process says so, also through a symbolic link', async () => {
  const agent = await world.open()
  symlinkSync(world.directory, join(world.directory, 'link'))
  const dataDir = join(world.directory, 'link', 'device')
  const openLink = () => SmartAgent.open({ dataDir, heartbeat: false })
  await expect(openLink()).rejects.toMatchObject({
    code: 'DATA_DIR_LOCKED',
    message: `This process already has an open agent on ${dataDir}.`,
    remedy: 'Use that agent, or close it first.',
  })
  await agent.close()
  await (await openLink()).close()
})
