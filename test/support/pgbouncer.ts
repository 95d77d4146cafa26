import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { asPostgresUser } from './postgres.ts'

/** A PgBouncer in front of a PostgreSQL server. */
export interface PgBouncer {
  /** Returns the URL of a database of the server through PgBouncer. */
  url(database: string): string
  stop(): Promise<void>
}

/** Starts a PgBouncer with transaction pooling, and no ignored start-up parameters. */
export async function startPgBouncer(server: string): Promise<PgBouncer> {
  const directory = mkdtempSync(join(tmpdir(), 'sla-pgbouncer-'))
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  if (process.getuid?.() === 0) chownSync(directory, id('-u'), id('-g'))
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  const port = typeof address === 'object' && address ? address.port : 0
  listener.close()
  await once(listener, 'close')
  const { hostname, port: serverPort } = new URL(server)
  const file = join(directory, 'pgbouncer.ini')
  writeFileSync(
    file,
    [
      '[databases]',
      `* = host=${hostname} port=${serverPort} user=postgres`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = any',
      'pool_mode = transaction',
      // By default, PgBouncer waits 15 seconds until it connects to a failed server again.
      'server_login_retry = 1',
    ].join('\n'),
    { mode: 0o644 },
  )
  const [program = '', ...words] = asPostgresUser(['pgbouncer', '-q', file])
  // With its own process group, PgBouncer ends together with `runuser`.
  const child = spawn(program, words, {
    stdio: 'ignore',
    detached: true,
    env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin` },
  })
  await eventually(async () => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
  })
  return {
    url: (database) => Object.assign(new URL(database), { hostname: '127.0.0.1', port: String(port) }).href,
    stop: async () => {
      const ended = once(child, 'close')
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
