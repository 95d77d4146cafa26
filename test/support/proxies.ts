import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** Returns a port that is free at the time of the call. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  })
}

/** Resolves when the proxy accepts connections on a port. */
async function waitForListening(port: number, child: ChildProcess, log: () => string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`The proxy ended with ${child.exitCode}: ${log()}`)
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => {
        resolve(false)
      })
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Kills a process and waits for its exit. */
async function killProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await closed
}

/** Runs a command. @throws Error if it fails */
function execOrThrow(command: string, ...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed: ${stderr}`)
  return stdout
}

/** Creates a temporary directory for the real proxies of a test file, with their users and a customer CA. */
export function createProxies() {
  const directory = mkdtempSync(join(tmpdir(), 'sla-proxies-'))
  chmodSync(directory, 0o755)
  const children: ChildProcess[] = []
  let count = 0

  const start = async (command: string, words: string[], port: number, log: string) => {
    const child = spawn(command, words, { stdio: 'ignore' })
    children.push(child)
    await waitForListening(port, child, () => (existsSync(log) ? readFileSync(log, 'utf8') : ''))
    return child
  }
  const createDirectory = (): string => {
    const path = join(directory, String(++count))
    mkdirSync(path, { mode: 0o755 })
    return path
  }
  /** Writes a hashed password file. @param how the hash option of `htpasswd` */
  const passwords = (path: string, users: Record<string, string>, how: string): string => {
    const file = join(path, 'passwords')
    writeFileSync(file, '')
    for (const [user, password] of Object.entries(users))
      execOrThrow('htpasswd', how, '-b', file, user, password)
    chmodSync(file, 0o644)
    return file
  }

  return {
    directory,
    /** Starts Debian's Squid. Without `users` it needs no authentication. With `deny` it refuses all tunnels. */
    squid: async (options: { users?: Record<string, string>; deny?: boolean } = {}) => {
      const path = createDirectory()
      const port = await freePort()
      const { users, deny } = options
      const auth = users
        ? [
            `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${passwords(path, users, '-m')}`,
            'auth_param basic utf8 on',
            'auth_param basic realm test',
            'acl known proxy_auth REQUIRED',
            'http_access allow known',
          ]
        : []
      const conf = join(path, 'squid.conf')
      writeFileSync(
        conf,
        [
          `http_port 127.0.0.1:${port}`,
          `pid_filename ${path}/squid.pid`,
          `cache_log ${path}/cache.log`,
          `access_log stdio:${path}/access.log`,
          `coredump_dir ${path}`,
          'cache deny all',
          'shutdown_lifetime 0 seconds',
          'dns_v4_first on',
          ...auth,
          `http_access ${users || deny ? 'deny' : 'allow'} all`,
          '',
        ].join('\n'),
      )
      if (userInfo().uid === 0) execOrThrow('chown', '-R', 'proxy', path)
      const up = () => start('squid', ['-N', '-f', conf], port, join(path, 'cache.log'))
      let child = await up()
      return {
        /** Kills the proxy with all its open tunnels. */
        kill: () => killProcess(child),
        /** Starts the proxy again at the same address. */
        start: async () => {
          rmSync(join(path, 'squid.pid'), { force: true })
          child = await up()
        },
        port,
        via: `http://127.0.0.1:${port}`,
        log: () => readFileSync(join(path, 'access.log'), 'utf8'),
      }
    },
    /** Starts Apache httpd with mod_proxy, as a forward proxy with tunnels to one port or as a reverse proxy. */
    apache: async (
      options:
        | { tunnelTo: number; users?: Record<string, string>; tls?: { certificate: string; key: string } }
        | { relayTo: string; root: string; tls: { certificate: string; key: string } },
    ) => {
      const path = createDirectory()
      const port = await freePort()
      const modules = [
        'mpm_event',
        'authn_core',
        'authn_file',
        'authz_core',
        'authz_user',
        'auth_basic',
        'proxy',
        'proxy_connect',
        'proxy_http',
        'socache_shmcb',
        'ssl',
      ]
      const tls = options.tls
        ? [
            'SSLEngine on',
            `SSLCertificateFile ${options.tls.certificate}`,
            `SSLCertificateKeyFile ${options.tls.key}`,
          ]
        : []
      const role =
        'relayTo' in options
          ? [
              'SSLProxyEngine on',
              `SSLProxyCACertificateFile ${options.root}`,
              'SSLProxyVerify require',
              // The chain has one issuing CA between the TLS certificate and the root.
              'SSLProxyVerifyDepth 2',
              `ProxyPass / ${options.relayTo}/`,
            ]
          : [
              'ProxyRequests On',
              `AllowCONNECT ${options.tunnelTo}`,
              '<Proxy "*">',
              ...(options.users
                ? [
                    'AuthType Basic',
                    'AuthName test',
                    `AuthUserFile ${passwords(path, options.users, '-B')}`,
                    'Require valid-user',
                  ]
                : ['Require all granted']),
              '</Proxy>',
            ]
      const conf = join(path, 'apache.conf')
      writeFileSync(
        conf,
        [
          `ServerRoot ${path}`,
          `DefaultRuntimeDir ${path}`,
          `PidFile ${path}/httpd.pid`,
          `ErrorLog ${path}/error.log`,
          'ServerName localhost',
          `Listen 127.0.0.1:${port}`,
          ...(userInfo().uid === 0 ? ['User www-data', 'Group www-data'] : []),
          ...modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`),
          ...tls,
          ...role,
          '',
        ].join('\n'),
      )
      await start('apache2', ['-f', conf, '-DFOREGROUND'], port, join(path, 'error.log'))
      return {
        port,
        log: () => readFileSync(join(path, 'error.log'), 'utf8'),
        url: `https://localhost:${port}`,
        via: `${options.tls ? 'https' : 'http'}://localhost:${port}`,
      }
    },
    /** Creates a customer CA and a certificate for localhost with OpenSSL, without code of this project. */
    customerCa: () => {
      const path = createDirectory()
      const file = (name: string) => join(path, name)
      const key = (name: string) => [
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        file(name),
      ]
      const days = ['-days', '3650']
      execOrThrow(
        'openssl',
        'req',
        '-x509',
        ...key('ca.key'),
        '-out',
        file('ca.pem'),
        ...days,
        '-subj',
        '/CN=Customer CA/O=Customer',
      )
      execOrThrow('openssl', 'req', ...key('leaf.key'), '-out', file('leaf.csr'), '-subj', '/CN=localhost')
      writeFileSync(file('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
      execOrThrow(
        'openssl',
        'x509',
        '-req',
        '-in',
        file('leaf.csr'),
        '-CA',
        file('ca.pem'),
        '-CAkey',
        file('ca.key'),
        '-out',
        file('leaf.pem'),
        ...days,
        '-extfile',
        file('names'),
        '-CAcreateserial',
      )
      for (const name of ['leaf.key', 'leaf.pem']) chmodSync(file(name), 0o644)
      return {
        ca: readFileSync(file('ca.pem'), 'utf8'),
        certificate: file('leaf.pem'),
        key: file('leaf.key'),
      }
    },
    close: async () => {
      await Promise.all(children.map(killProcess))
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export type Proxies = ReturnType<typeof createProxies>
