import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { createNetworkLink } from '../support/network-link.ts'
import { startPgBouncer } from '../support/pgbouncer.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { pickEveryNth, selectScale } from '../support/scale.ts'

/** Key of the advisory lock that every write transaction takes first. */
const WRITER_LOCK = 0x5a1_a001

/** Time after the end of a harm in which a server must work again, and time in which it must end at a signal. */
const RECOVERY_MS = 10_000
const STOP_MS = 30_000

/** The place where the authority keeps its data, and the harm that is done to it. */
interface Scene {
  /** URL of the PostgreSQL database, or null for SQLite. */
  readonly database: string | null
  /** Network namespace of the authority and its devices. */
  readonly network?: string
  /** True if the servers are well again while the harm lasts. */
  readonly isOvercome?: boolean
  /** Begins the harm. @returns a function that ends it */
  readonly harm: () => Promise<() => Promise<void> | void>
}

let programs: Programs
let cleanups: (() => Promise<void> | void)[]
beforeEach(() => {
  programs = createPrograms()
  cleanups = []
})
afterEach(async () => {
  const { directory, close } = programs
  for (const child of mounted.splice(0)) execFileSync('umount', ['--lazy', child])
  await close()
  for (const cleanup of cleanups.reverse()) await cleanup()
  rmSync(directory, { recursive: true, force: true })
})
const mounted: string[] = []

async function createServer(options: Parameters<typeof startPostgres>[0] = {}): Promise<Postgres> {
  const server = await startPostgres({ durable: true, ...options })
  cleanups.push(() => {
    if (!server.isRunning()) server.start()
    server.stop()
  })
  return server
}

/** Opens a connection of an administrator to a database. */
async function connectTo(server: Postgres, database: string): Promise<pg.Client> {
  const { pathname } = new URL(database)
  const client = new pg.Client(Object.assign(new URL(server.localUrl), { pathname }).href)
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const scenes: Record<string, () => Promise<Scene>> = {
  'a disk of the authority that is full': () => {
    const path = programs.dataDir('authority')
    mkdirSync(path, { mode: 0o700 })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', path])
    mounted.push(path)
    return Promise.resolve({
      database: null,
      harm: () => {
        const { bavail, bsize } = statfsSync(path)
        writeFileSync(join(path, 'ballast'), Buffer.alloc(bavail * bsize))
        return Promise.resolve(() => {
          rmSync(join(path, 'ballast'))
        })
      },
    })
  },
  'a failover to a standby that is promoted': async () => {
    const server = await createServer()
    return { database: await server.database(), harm: () => Promise.resolve(server.failOver()) }
  },
  'a network that drops the packets of established connections': async () => {
    const link = createNetworkLink()
    cleanups.push(link.close)
    const server = await createServer({ network: { name: link.server, host: link.host } })
    return {
      database: await server.database(),
      network: link.device,
      isOvercome: true,
      harm: () => {
        link.silenceConnections()
        // The connections stay silent. The server must be well without their return.
        return Promise.resolve(() => undefined)
      },
    }
  },
  'a network that drops all packets': async () => {
    const link = createNetworkLink()
    cleanups.push(link.close)
    const server = await createServer({ network: { name: link.server, host: link.host } })
    return {
      database: await server.database(),
      network: link.device,
      harm: () => {
        link.lose(100)
        return Promise.resolve(() => {
          link.lose(0)
        })
      },
    }
  },
  'a writer that hangs': async () => {
    const server = await createServer()
    const database = await server.database()
    return {
      database,
      harm: async () => {
        const writer = await connectTo(server, database)
        await writer.query('begin')
        await writer.query('select pg_advisory_xact_lock($1)', [WRITER_LOCK])
        return () => writer.end()
      },
    }
  },
  'a synchronous standby that is away': async () => {
    const server = await createServer()
    const database = await server.database()
    return {
      database,
      harm: async () => {
        const admin = await connectTo(server, database)
        const setStandby = async (name: string) => {
          await admin.query(`alter system set synchronous_standby_names = '${name}'`)
          await admin.query('select pg_reload_conf()')
        }
        await setStandby('standby1')
        return async () => {
          await setStandby('')
          await admin.end()
        }
      },
    }
  },
  'a PostgreSQL disk that is full': async () => {
    const server = await createServer({ diskMebibytes: 120 })
    const database = await server.database()
    return {
      database,
      harm: async () => {
        server.fillDisk()
        // A new segment of the write-ahead log needs space, so the server crashes and cannot recover.
        const admin = await connectTo(server, database)
        for (let i = 0; i < 20; i++)
          await admin
            .query("select pg_logical_emit_message(true, '', repeat('x', 1000000))")
            .catch(() => undefined)
        return () => {
          server.freeDisk()
          if (!server.isRunning()) server.start()
        }
      },
    }
  },
  'serialization failures': async () => {
    const server = await createServer()
    const database = await server.database()
    return {
      database,
      harm: async () => {
        const admin = await connectTo(server, database)
        await admin.query(
          `create function conflict() returns trigger language plpgsql as $$
          begin raise exception 'conflict' using errcode = 'serialization_failure'; end $$`,
        )
        for (const table of ['settings', 'instances'])
          await admin.query(
            `create trigger conflict before insert or update on ${table} for each statement execute function conflict()`,
          )
        return async () => {
          await admin.query('drop function conflict cascade')
          await admin.end()
        }
      },
    }
  },
  'a database that is away behind PgBouncer': async () => {
    const server = await createServer()
    const pooler = await startPgBouncer(server.url)
    cleanups.push(() => pooler.stop())
    return {
      database: pooler.url(await server.database()),
      harm: () => {
        server.crash()
        return Promise.resolve(() => {
          server.start()
        })
      },
    }
  },
}

/** Starts an authority. Resolves when it listens. */
async function startAuthority(network: string | undefined) {
  const words = [
    '--data-dir',
    programs.dataDir('authority'),
    'serve',
    '--listen',
    '127.0.0.1:0',
    '--metrics',
    '0',
    '--json',
  ]
  const server = await programs.serve('smart-authority', words, { network })
  const { listening, metrics } = JSON.parse(server.line) as { listening: string; metrics: string }
  return { ...server, listening, metrics }
}

/** Returns the status and the body of `/ready`. Fails if there is no answer within three seconds. */
async function askReady(metrics: string, network: string | undefined): Promise<string> {
  const curl = ['-s', '-m', '3', '-w', ' %{http_code}', `${metrics}/ready`]
  const { stdout } = await (network === undefined
    ? promisify(execFile)('curl', curl)
    : promisify(execFile)('ip', ['netns', 'exec', network, 'curl', ...curl]))
  return stdout
}

describe('a server', () => {
  it.each(pickEveryNth(selectScale(9, 1), Object.entries(scenes)))(
    'works again within ten seconds after %s, and ends within half a minute during it',
    async (_, createScene) => {
      const { database, network, isOvercome = false, harm } = await createScene()
      const { agent, good, authority } = programs
      const where = database === null ? [] : ['--database', database]
      const init = [...where, 'init', '--account', 'acme.example', '--accept-agreement', '--json']
      await good(authority(init, { network }))
      const [server, ended] = [await startAuthority(network), await startAuthority(network)]
      const run = (words: string[]) => agent([...words, '--json'], { network })
      const { token } = await good<{ token: string }>(
        authority(['token', 'create', '--virtual-account', 'Default', '--days', '30', '--json'], { network }),
      )
      const { stdout: root } = await authority(['trust', 'export'], { network })
      await programs.knowAuthority(server.listening, root)
      await good(run(['register', token]))
      expect(await askReady(server.metrics, network)).toBe('{"status":"ready"} 200')

      const expectWell = async (since: number) => {
        await eventually(async () => {
          expect(await askReady(server.metrics, network)).toBe('{"status":"ready"} 200')
        })
        await good(run(['renew', 'authorization']))
        expect(performance.now() - since).toBeLessThan(RECOVERY_MS)
      }

      const harmedAt = performance.now()
      const endHarm = await harm()
      if (isOvercome) await expectWell(harmedAt)
      // The server that must end has a request in progress.
      await good(run(['transport', 'direct', ended.listening]))
      const running = run(['renew', 'authorization'])
      if (!isOvercome)
        await eventually(async () => {
          for (const { metrics } of [server, ended])
            expect(await askReady(metrics, network)).toBe('{"status":"not-ready","reasons":["database"]} 503')
        })
      const signaledAt = performance.now()
      expect(await ended.stop('SIGTERM')).toBe(0)
      expect(performance.now() - signaledAt).toBeLessThan(STOP_MS)
      await running
      await good(run(['transport', 'direct', server.listening]))
      await endHarm()
      await expectWell(performance.now())
      expect(await server.stop('SIGTERM')).toBe(0)
    },
  )
})
