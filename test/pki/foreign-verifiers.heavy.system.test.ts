import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect } from 'vitest'
import { SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { DAY } from '../../src/core/time.ts'
import { parseCertificateUris } from '../../src/pki/certificate-names.ts'
import { generateKey, issueCertificate } from '../../src/pki/certificate-generation.ts'
import { readNameConstraints } from '../../src/pki/name-constraints.ts'
import type { CertificateRole } from '../../src/pki/roles.ts'
import { exchangeByFile } from '../support/satellite.ts'
import { openStored } from '../support/stored.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(4)

/**
 * Programs of other verifiers: OpenSSL, GnuTLS, Go, Java and Python (Debian packages: openssl, gnutls-bin, golang-go,
 * default-jre-headless, python3-cryptography).
 */
const foreign = new URL('../foreign/', import.meta.url).pathname
const MANAGER = 'licensing.vendor.example'
const SATELLITE = 'licenses.branch.example'
const ACCOUNT = 'acme.example'

/** Paths of a certificate and its chain. */
interface Chain {
  readonly name: string
  readonly leaf: string
  readonly issuers: readonly string[]
  readonly root: string
  /** Host name of a TLS certificate; null for others. */
  readonly host: string | null
  readonly role: CertificateRole
}
/** Server with one of its names. */
interface Address {
  readonly name: string
  readonly port: number
  readonly host: string
  readonly root: string
}

let directory: string
let manager: Authority
let satellite: Authority
let again: Authority
let agents: SmartAgent[]
/** Paths of the first root and of the root that replaced it. */
let root: string
let newRoot: string
const chains: Chain[] = []
const addresses: Address[] = []
let forged: Chain[]
let attacker: Server
let attackerOfUnknownHost: Server

const file = (name: string, text: string): string => {
  const path = join(directory, name.replaceAll(/[^\w.-]/g, '-'))
  writeFileSync(path, text)
  return path
}

const run = (program: string, words: readonly string[], input = '') =>
  new Promise<{ code: number; output: string }>((resolve, reject) => {
    const child: ChildProcess = execFile(
      program,
      words,
      { env: { ...process.env, LC_ALL: 'C' } },
      (error, stdout, stderr) => {
        // A missing program is an error of the test, not a refusal.
        if (error && typeof error.code !== 'number')
          reject(new Error(`${program} cannot be run`, { cause: error }))
        else resolve({ code: error ? Number(error.code) : 0, output: `${stdout}${stderr}` })
      },
    )
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })

const pemOf = (path: string) => `${readFileSync(path, 'utf8').trim()}\n`

/** Verifier by another program. The results by name begin with `ok` or `error`. */
interface Verifier {
  verify(chains: readonly Chain[]): Promise<Record<string, string>>
  connect(addresses: readonly Address[]): Promise<Record<string, string>>
}

async function eachOf<T extends { readonly name: string }>(
  list: readonly T[],
  words: (one: T) => { program: string; words: readonly string[]; input?: string; ok: RegExp },
): Promise<Record<string, string>> {
  const results: Record<string, string> = {}
  for (const item of list) {
    const { program, words: given, input, ok } = words(item)
    const { code, output } = await run(program, given, input)
    results[item.name] = code === 0 && ok.test(output) ? 'ok' : `error ${output}`
  }
  return results
}

const openssl: Verifier = {
  verify: (list) =>
    eachOf(list, ({ leaf, issuers, root: anchor, host }) => ({
      program: 'openssl',
      words: [
        ...['verify', '-x509_strict', '-CAfile', anchor],
        ...issuers.flatMap((one) => ['-untrusted', one]),
        ...(host === null ? [] : ['-purpose', 'sslserver', ...hostWords(host)]),
        leaf,
      ],
      ok: /: OK$/m,
    })),
  connect: (list) =>
    eachOf(list, ({ port, host, root: anchor }) => ({
      program: 'openssl',
      words: [
        ...['s_client', '-connect', `127.0.0.1:${port}`, '-verify_return_error', '-CAfile', anchor],
        ...hostWords(host),
        ...(isAddress(host) ? [] : ['-servername', host]),
      ],
      input: 'Q\n',
      ok: /Verify return code: 0 \(ok\)/,
    })),
}
const isAddress = (host: string) => /^[\d.]+$/.test(host)
const hostWords = (host: string) => [isAddress(host) ? '-verify_ip' : '-verify_hostname', host]

const gnutls: Verifier = {
  verify: (list) =>
    eachOf(list, ({ name, leaf, issuers, root: anchor, host }) => ({
      program: 'certtool',
      words: [
        ...['--verify', '--load-ca-certificate', anchor],
        ...['--infile', file(`${name}.chain`, [leaf, ...issuers].map(pemOf).join(''))],
        ...(host === null ? [] : ['--verify-hostname', host]),
      ],
      ok: /Verified\. The certificate is trusted/,
    })),
  connect: (list) =>
    eachOf(list, ({ port, host, root: anchor }) => ({
      program: 'gnutls-cli',
      words: [
        ...['--x509cafile', anchor, '--port', String(port), '--verify-hostname', host],
        ...(isAddress(host) ? ['--disable-sni'] : ['--sni-hostname', host]),
        '127.0.0.1',
      ],
      ok: /Status: The certificate is trusted/,
    })),
}

/** Creates a verifier by a helper program in another language. A run handles a whole list, because starting is slow. */
const helper = (program: () => readonly string[]): Verifier => {
  const each = async (verb: string, lines: readonly string[][]) => {
    const manifest = file('manifest', lines.map((line) => `${line.join('\t')}\n`).join(''))
    const [name = '', ...words] = program()
    const { code, output } = await run(name, [...words, verb, manifest])
    expect([code, output]).toEqual([0, expect.anything()])
    return Object.fromEntries(
      output
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t', 2) as [string, string]),
    )
  }
  return {
    verify: (list) =>
      each(
        'verify',
        list.map(({ name, leaf, issuers, root: anchor, host }) => [
          name,
          leaf,
          issuers.join() || '-',
          anchor,
          host ?? '-',
        ]),
      ),
    connect: (list) =>
      each(
        'connect',
        list.map(({ name, port, host, root: anchor }) => [name, `127.0.0.1:${port}`, host, anchor]),
      ),
  }
}

const verifiers = {
  OpenSSL: openssl,
  GnuTLS: gnutls,
  Go: helper(() => [join(directory, 'go-foreign')]),
  Java: helper(() => ['java', join(foreign, 'Foreign.java')]),
  Python: helper(() => ['/usr/bin/python3', join(foreign, 'foreign.py')]),
}
const NAMES = Object.keys(verifiers) as (keyof typeof verifiers)[]

const linked = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n?/g
const certificatesIn = (text: string): string[] => text.match(linked) ?? []

/** Adds the certificates in the database of an authority as chains of files. */
async function addChains(of: string, dataDir: string, anchor: string): Promise<void> {
  const stored = await openStored(dataDir)
  const setting = async (name: string) => {
    const [row] = await stored.run('select value from settings where name = ?', name)
    return JSON.parse(String(row?.value ?? 'null')) as Record<string, unknown> | null
  }
  const identity = await setting('authority')
  const cas = [String(identity?.issuingCa), ...(identity?.crossSignedCas as string[])]
  const bySameRoot = cas.filter((pem) =>
    new X509Certificate(pem).checkIssued(new X509Certificate(pemOf(anchor))),
  )
  expect(bySameRoot).toHaveLength(1)
  const issuers = bySameRoot.map((pem) => file(`${of} ca.pem`, pem))
  const add = (
    name: string,
    role: CertificateRole,
    pem: string,
    by = issuers,
    host: string | null = null,
  ) => {
    const leaf = file(`${of} ${name}.pem`, pem)
    chains.push({ name: `${of}: ${name}`, leaf, issuers: by, root: anchor, host, role })
  }
  for (const pem of bySameRoot) add('issuing CA', 'sub-ca', pem, [])
  for (const role of ['answer-signer', 'reservation-signer', 'audit-signer', 'sync', 'tls'] as const) {
    const leaf = (await setting(role))?.certificate
    // A satellite signs no delegations: its setting of the same name has another meaning.
    if (typeof leaf !== 'string') expect([of, role]).toEqual([expect.stringContaining('satellite'), 'sync'])
    else add(role, role, leaf, issuers, role === 'tls' ? 'localhost' : null)
  }
  const instances = await stored.run(`select certificates from instances where status = 'active'`)
  expect(instances).not.toHaveLength(0)
  for (const { certificates } of instances)
    add('instance', 'instance', (JSON.parse(String(certificates)) as string[])[0] ?? '')
  await stored.close()
}

/** Issues certificates for the manager's names by a CA that is not the manager's. */
async function forge(of: string, ca: { certificate: string; privateKey: string }, satelliteId: string) {
  const made: { chain: Chain; key: string }[] = []
  const facts = {
    account: ACCOUNT,
    authorityId: satelliteId,
    notBefore: Date.now() - DAY,
    notAfter: Date.now() + DAY,
  }
  const issuer = file(`${of} ca.pem`, ca.certificate)
  for (const [kind, name, hosts] of [
    ['name', 'licenses', [MANAGER, 'localhost']],
    ['common name', MANAGER, []],
    ['address', 'licenses', ['198.51.100.7']],
    ['name below', 'licenses', [`deep.${MANAGER}`]],
  ] as const) {
    const key = await generateKey()
    const pem = await issueCertificate(ca, createPublicKey(createPrivateKey(key)), {
      ...facts,
      role: 'tls',
      name,
      hosts,
    })
    const leaf = file(`${of} ${kind}.pem`, pem)
    // Most verifiers ignore a common name without host names; some do not.
    const [host = null] = hosts
    made.push({ key, chain: { name: `${of}: ${kind}`, leaf, issuers: [issuer], root, host, role: 'tls' } })
  }
  return made
}

const serveForged = (forgery: { chain: Chain; key: string } | undefined) =>
  new Promise<Server>((resolve) => {
    const cert = [forgery?.chain.leaf ?? '', ...(forgery?.chain.issuers ?? [])].map(pemOf).join('')
    const server = createServer({ cert, key: forgery?.key }, (_request, response) => response.end())
    server.on('tlsClientError', () => undefined)
    server.listen(0, '127.0.0.1', () => {
      resolve(server)
    })
  })
const portOf = (server: Server) => (server.address() as AddressInfo).port

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sla-foreign-'))
  const goEnv = { ...process.env, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local', GOPROXY: 'off' }
  const building = new Promise<void>((resolve, reject) => {
    const go = spawn('go', ['build', '-o', join(directory, 'go-foreign'), '.'], {
      cwd: join(foreign, 'go'),
      env: goEnv,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    go.once('error', reject)
    go.once('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`go build ended with ${code}`))
    })
  })

  const managerDir = join(directory, 'manager')
  await Authority.init({ dataDir: managerDir, account: ACCOUNT, acceptAgreement: true })
  manager = await Authority.open({ dataDir: managerDir })
  const managerUrl = await manager.listen({ host: '127.0.0.1', port: 0, names: [MANAGER] })
  await manager.satellites.add('branch', {
    virtualAccount: 'Branch',
    tlsNames: [SATELLITE, '192.0.2.7', '2001:db8::7'],
  })
  const satelliteDir = join(directory, 'satellite')
  await Authority.init({
    dataDir: satelliteDir,
    account: ACCOUNT,
    acceptAgreement: true,
    satellite: { name: 'branch', trust: manager.trustAnchor() },
  })
  satellite = await Authority.open({ dataDir: satelliteDir })
  await exchangeByFile(manager, satellite)
  const names = [SATELLITE, '192.0.2.7', '2001:db8::7', 'outside.example']
  const satelliteUrl = await satellite.listen({ host: '127.0.0.1', port: 0, names })
  root = file('root.pem', manager.trustAnchor())

  agents = []
  for (const [name, authority, url] of [
    ['device', manager, managerUrl],
    ['below', satellite, satelliteUrl],
  ] as const) {
    await authority.security.trust.rotate(['answer-signer', 'reservation-signer', 'sync', 'audit-signer'])
    const agent = await SmartAgent.open({
      dataDir: join(directory, name),
      product: { pid: 'CWMS-K9', version: '4.0', serial: name.toUpperCase() },
      trust: manager.trustAnchor(),
      transport: { kind: 'gateway', url },
      heartbeat: false,
    })
    agents.push(agent)
    await agent.register((await authority.tokens.create({ days: 30 })).token)
  }
  chains.push({ name: 'root', leaf: root, issuers: [], root, host: null, role: 'root' })
  await addChains('manager', managerDir, root)
  await addChains('satellite', satelliteDir, root)

  const ports = [managerUrl, satelliteUrl].map((url) => Number(new URL(url).port))
  const [managerPort = 0, satellitePort = 0] = ports
  for (const host of [MANAGER, 'localhost', '127.0.0.1'])
    addresses.push({ name: `manager as ${host}`, port: managerPort, host, root })
  for (const host of [SATELLITE, 'localhost', '127.0.0.1'])
    addresses.push({ name: `satellite as ${host}`, port: satellitePort, host, root })

  // Forged with the key of a satellite: with its real CA certificate, and with one without name constraints.
  const satelliteCa = pemOf(chains.find(({ name }) => name === 'satellite: issuing CA')?.leaf ?? '')
  const privateKey = pemOf(join(satelliteDir, 'keys', 'sub-ca.key'))
  const bySatellite = await forge(
    'forged',
    { certificate: satelliteCa, privateKey },
    satellite.security.identity.id,
  )
  forged = bySatellite.map(({ chain }) => chain)
  attacker = await serveForged(bySatellite[0])
  const rootKey = pemOf(join(managerDir, 'keys', 'root.key'))
  const unconstrained = await issueCertificate(
    { certificate: pemOf(root), privateKey: rootKey },
    createPublicKey(createPrivateKey(privateKey)),
    {
      ...{ role: 'sub-ca', name: 'Satellite', account: ACCOUNT, authorityId: satellite.security.identity.id },
      ...{ notBefore: Date.now() - DAY, notAfter: Date.now() + DAY },
    },
  )
  const unbound = await forge(
    'unbound',
    { certificate: unconstrained, privateKey },
    satellite.security.identity.id,
  )
  forged.push(...unbound.map(({ chain }) => chain))
  attackerOfUnknownHost = await serveForged(unbound[0])

  // During a root rotation, each issuing CA has a certificate by both roots.
  await manager.security.trust.rotateRoot({ overlapDays: 60 })
  await exchangeByFile(manager, satellite)
  const [next = '', old = ''] = certificatesIn(manager.trustAnchor())
  expect(old.trim()).toBe(pemOf(root).trim())
  newRoot = file('new root.pem', next)
  chains.push({ name: 'new root', leaf: newRoot, issuers: [], root: newRoot, host: null, role: 'root' })
  for (const [of, dataDir] of [
    ['manager', managerDir],
    ['satellite', satelliteDir],
  ] as const) {
    await addChains(`${of} by the old root`, dataDir, root)
    await addChains(`${of} by the new root`, dataDir, newRoot)
  }
  // From then on, servers send both certificates, and clients trust both roots.
  const roots = file('roots.pem', manager.trustAnchor())
  again = await Authority.open({ dataDir: managerDir })
  const url = await again.listen({ host: '127.0.0.1', port: 0, names: [MANAGER] })
  addresses.push({
    name: 'manager while its root is replaced',
    port: Number(new URL(url).port),
    host: MANAGER,
    root: roots,
  })
  await building
})
afterAll(async () => {
  for (const agent of agents) await agent.close()
  await again.close()
  await manager.close()
  await satellite.close()
  attacker.close()
  attackerOfUnknownHost.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('every certificate of an authority (R-OPS-5)', () => {
  it('is among the tested chains', () => {
    const each = ['answer-signer', 'reservation-signer', 'audit-signer', 'instance', 'issuing CA', 'tls']
    for (const of of ['manager', 'satellite', 'manager by the new root', 'satellite by the new root'])
      for (const name of each) expect(chains.map((one) => one.name)).toContain(`${of}: ${name}`)
    expect(chains.map(({ name }) => name)).toContain('manager: sync')
  })

  it.each(NAMES)('is read and validated by %s', async (name) => {
    const results = await verifiers[name].verify(chains)
    expect(Object.keys(results)).toHaveLength(chains.length)
    for (const { name: chain, role } of chains) {
      expect([chain, results[chain]]).toEqual([chain, expect.stringMatching(/^ok/)])
      // These verifiers also print the URIs of the certificate.
      const bare = role === 'tls' && chain.startsWith('satellite')
      if (bare) expect([chain, results[chain]?.includes('urn:')]).toEqual([chain, false])
      else if (name === 'Go' || name === 'Java' || name === 'Python') {
        const uris = results[chain]?.split(' ').slice(1) ?? []
        expect([chain, parseCertificateUris(uris)]).toEqual([
          chain,
          expect.objectContaining({
            role,
            account: ACCOUNT,
            authorityId: chain.startsWith('satellite')
              ? satellite.security.identity.id
              : manager.security.identity.id,
          }),
        ])
      }
    }
  })

  it('has an extended key usage only if it is a TLS certificate', () => {
    for (const { name, leaf, role } of chains) {
      const text = execFileSync('openssl', ['x509', '-in', leaf, '-noout', '-text'], { encoding: 'utf8' })
      const usage = /Extended Key Usage:.*\n\s*(.*)/.exec(text)?.[1] ?? 'none'
      expect([name, usage]).toEqual([name, role === 'tls' ? 'TLS Web Server Authentication' : 'none'])
    }
  })
})

describe('a connection to a server', () => {
  it.each(NAMES)('of a manager and of a satellite succeeds with %s', async (name) => {
    expect(await verifiers[name].connect(addresses)).toEqual(
      Object.fromEntries(addresses.map((one) => [one.name, expect.stringMatching(/^ok/)])),
    )
  })

  it('of a satellite has only the configured names that the manager permits', () => {
    const leaf = chains.find(({ name }) => name === 'satellite: tls')?.leaf ?? ''
    const certificate = new X509Certificate(pemOf(leaf))
    expect(certificate.checkHost(SATELLITE)).toBe(SATELLITE)
    expect(certificate.checkIP('192.0.2.7')).toBe('192.0.2.7')
    expect(certificate.checkIP('2001:db8::7')).toBe('2001:db8::7')
    expect(certificate.checkHost('outside.example')).toBeUndefined()
    const ca = chains.find(({ name }) => name === 'satellite: issuing CA')?.leaf ?? ''
    expect(readNameConstraints(new X509Certificate(pemOf(ca)))).toEqual({
      permitted: ['192.0.2.7', '2001:db8::7', SATELLITE],
      excluded: expect.arrayContaining([MANAGER]) as string[],
    })
  })
})

describe('an attacker with the keys of a satellite', () => {
  // The Python library of Debian 12 does not verify chains.
  it.each(NAMES.filter((name) => name !== 'Python'))(
    'has no certificate for a name of the manager that %s accepts',
    async (name) => {
      const results = await verifiers[name].verify(forged)
      for (const [chain, words] of Object.entries(results)) {
        const ok = chain.startsWith('unbound')
        // Go ignores common names.
        if (name === 'Go' && chain.endsWith('common name')) continue
        expect([chain, words]).toEqual([chain, expect.stringMatching(ok ? /^ok/ : /^error/)])
      }
    },
  )

  it.each(NAMES)('cannot impersonate the manager to %s', async (name) => {
    const at = (server: Server, what: string): Address => ({
      name: what,
      port: portOf(server),
      host: MANAGER,
      root,
    })
    expect(
      await verifiers[name].connect([at(attacker, 'forged'), at(attackerOfUnknownHost, 'unbound')]),
    ).toEqual({
      forged: expect.stringMatching(/^error/) as string,
      // Without name constraints, the attack succeeds.
      unbound: expect.stringMatching(/^ok/) as string,
    })
  })

  it('cannot impersonate the manager to Node', async () => {
    const refusal = (server: Server) =>
      new Promise<string>((resolve) => {
        const socket = connectTls({ port: portOf(server), servername: MANAGER, ca: pemOf(root) })
        socket.once('secureConnect', () => {
          socket.destroy()
          resolve('connected')
        })
        socket.once('error', (error) => {
          resolve('code' in error ? String(error.code) : error.message)
        })
      })
    // Older versions of Node report UNSPECIFIED.
    expect(await refusal(attacker)).toMatch(/^(?:PERMITTED_SUBTREE_VIOLATION|UNSPECIFIED)$/)
    expect(await refusal(attackerOfUnknownHost)).toBe('connected')
  })
})
