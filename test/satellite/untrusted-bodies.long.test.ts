import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Authority } from '../../src/authority/index.ts'
import { SyncBodies } from '../../src/authority/serving/sync-body.ts'
import { SYNC_CONTENT_TYPE, type SyncProof } from '../../src/protocol/sync-proof.ts'
import { signSyncProof } from '../../src/pki/sync-proof.ts'
import { createSatelliteEnvironment, type SatelliteEnvironment } from '../support/satellite.ts'
import { openStored } from '../support/stored.ts'

const KIB = 1024
const MIB = 1024 * KIB
const PATH = '/satellite/v1/synchronize'

let world: SatelliteEnvironment
let satellite: Authority
let port: number
const sockets: TLSSocket[] = []
beforeEach(async () => {
  world = await createSatelliteEnvironment()
  satellite = await world.addSatellite('branch', { online: true })
  await satellite.sync.run()
  longBody = `Satellite key: ${spki(satelliteKey())}\nSmart account: ${world.account}\n${'x\n'.repeat(MIB / 2)}`
  port = Number(new URL(await world.manager.listen({ host: '127.0.0.1', port: 0 })).port)
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await world.close()
})

/** Opens a TLS connection for raw HTTP. */
async function openConnection() {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  sockets.push(socket)
  let received = ''
  socket.setEncoding('utf8').on('data', (text: string) => (received += text))
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) =>
    socket.once('close', () => {
      resolve()
    }),
  )
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  return {
    write: (text: string) => socket.write(text),
    /** Returns status and error code, once the server has closed the connection. */
    answer: async () => {
      await closed
      return {
        status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(received)?.[1]),
        code: /"code":"([A-Z_]+)"/.exec(received)?.[1],
      }
    },
  }
}

const head = (headers: Record<string, string>, path = PATH) =>
  [
    `POST ${path} HTTP/1.1`,
    'Host: manager.test',
    ...Object.entries({ 'Content-Type': SYNC_CONTENT_TYPE, ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
    '\r\n',
  ].join('\r\n')

const spki = (key: KeyObject) =>
  createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64url')
const digestOf = (body: string) => createHash('sha256').update(body).digest('base64url')

/** Returns the key with which the satellite signs requests to its manager. */
const satelliteKey = () =>
  createPrivateKey(readFileSync(join(world.directory, 'branch', 'keys', 'sync.key'), 'utf8'))

function proofOf(body: string, key: KeyObject, change: Partial<SyncProof> = {}): Promise<string> {
  return signSyncProof(
    {
      use: 'sync-proof',
      manager: world.manager.security.identity.id,
      account: world.account,
      key: spki(key),
      length: Buffer.byteLength(body),
      digest: digestOf(body),
      ...change,
    },
    key,
  )
}

/** A text that names the key of the satellite but is not a synchronization request. */
let longBody: string

describe('a long synchronization from an unauthenticated client', () => {
  it('is refused by its announced length before the body arrives', async () => {
    const untrusted = await openConnection()
    untrusted.write(head({ 'Content-Length': String(64 * MIB) }))
    expect(await untrusted.answer()).toEqual({ status: 413, code: 'REQUEST_MALFORMED' })
  })

  it('is refused after 256 KiB when its length is not announced', async () => {
    const untrusted = await openConnection()
    untrusted.write(head({ 'Transfer-Encoding': 'chunked' }))
    const piece = 'x'.repeat(64 * KIB)
    for (let i = 0; i < 5; i++) untrusted.write(`${piece.length.toString(16)}\r\n${piece}\r\n`)
    expect(await untrusted.answer()).toEqual({ status: 413, code: 'REQUEST_MALFORMED' })
  })

  it.each([
    [
      'an unknown key',
      () => proofOf(longBody, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    ],
    [
      'the key of a satellite and a signature by another key',
      async () => {
        const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
        return signSyncProof(
          {
            use: 'sync-proof',
            manager: world.manager.security.identity.id,
            account: world.account,
            key: spki(satelliteKey()),
            length: longBody.length,
            digest: digestOf(longBody),
          },
          other,
        )
      },
    ],
    ['a proof for another manager', () => proofOf(longBody, satelliteKey(), { manager: randomUUID() })],
    ['a proof for another account', () => proofOf(longBody, satelliteKey(), { account: 'other.example' })],
    ['a proof of another length', () => proofOf(longBody, satelliteKey(), { length: longBody.length - 1 })],
    ['a proof of a length above the maximum', () => proofOf(longBody, satelliteKey(), { length: 65 * MIB })],
    [
      'a signature with a bit changed',
      async () => {
        const proof = await proofOf(longBody, satelliteKey())
        const at = proof.lastIndexOf('.') + 5
        return `${proof.slice(0, at)}${proof[at] === 'A' ? 'B' : 'A'}${proof.slice(at + 1)}`
      },
    ],
    ['no proof', () => Promise.resolve('nothing')],
  ])('is refused with %s', async (_, proof) => {
    const untrusted = await openConnection()
    untrusted.write(head({ 'Content-Length': String(longBody.length), 'Satellite-Proof': await proof() }))
    expect(await untrusted.answer()).toEqual({ status: 413, code: 'REQUEST_MALFORMED' })
  })
})

describe('a long synchronization from an authenticated satellite', () => {
  const send = async (proved: string, sent: string, announces = true) => {
    const known = await openConnection()
    const proof = { 'Satellite-Proof': await proofOf(proved, satelliteKey()), Connection: 'close' }
    if (announces) known.write(head({ ...proof, 'Content-Length': String(sent.length) }) + sent)
    else
      known.write(
        `${head({ ...proof, 'Transfer-Encoding': 'chunked' })}${sent.length.toString(16)}\r\n${sent}\r\n0\r\n\r\n`,
      )
    return known.answer()
  }

  it('is read completely, and then its own signature is verified', async () => {
    for (const announces of [true, false])
      expect(await send(longBody, longBody, announces)).toEqual({
        status: 400,
        code: 'SIGNED_FILE_MALFORMED',
      })
  })

  it('is refused when the body differs from the proof', async () => {
    const other = `${longBody.slice(0, -1)}y`
    expect(await send(longBody, other)).toEqual({ status: 400, code: 'REQUEST_MALFORMED' })
    expect(await send(longBody, other, false)).toEqual({ status: 400, code: 'REQUEST_MALFORMED' })
    expect(await send(longBody, `${longBody}y`, false)).toEqual({ status: 413, code: 'REQUEST_MALFORMED' })
  })

  it('aborts an earlier one that is still being read', async () => {
    const bodies = new SyncBodies(() => Promise.resolve(true))
    const proof = await proofOf(longBody, satelliteKey())
    const begin = async () => {
      const payload = new PassThrough()
      const read = { outcome: Promise.resolve('') }
      await new Promise<void>((resolve) => {
        read.outcome = bodies
          .read({ payload, announced: longBody.length, proof }, resolve)
          .catch((error: unknown) => String(error))
      })
      return { payload, ...read }
    }
    const first = await begin()
    first.payload.write(longBody.slice(0, 300 * KIB))
    const second = await begin()
    second.payload.end(longBody)
    expect(await first.outcome).toContain('incomplete')
    expect(await second.outcome).toBe(longBody)
  })

  it('is accepted with a report of more than 256 KiB', async () => {
    const stored = await openStored(join(world.directory, 'branch'))
    const [account] = await stored.run('select account_id as id from virtual_accounts limit 1')
    for (let i = 0; i < 3_500; i++)
      await stored.run(
        'insert into virtual_accounts (id, account_id, name, is_default, created_at, is_home) values (?, ?, ?, 0, 0, 0)',
        randomUUID(),
        account?.id,
        `${i} ${'é'.repeat(80)}`,
      )
    await stored.close()
    expect((await satellite.sync.export()).file.length).toBeGreaterThan(256 * KIB)
    expect((await satellite.sync.run()).outcome).toBe('accepted')
  })
})

it('a synchronization with content type JSON is refused with 415', async () => {
  const untrusted = await openConnection()
  const body = JSON.stringify({ request: 'x' })
  untrusted.write(
    head({ 'Content-Type': 'application/json', 'Content-Length': String(body.length), Connection: 'close' }) +
      body,
  )
  expect(await untrusted.answer()).toEqual({ status: 415, code: 'REQUEST_MALFORMED' })
})

it.each([
  ['objects', '[', '{},', '0]'],
  ['arrays', '[', '[],', '0]'],
  ['numbers', '[', '1,', '0]'],
  ['members', '{', '"a":1,', '"b":1}'],
])('JSON with too many %s is refused before parsing', async (_, begin, item, end) => {
  const untrusted = await openConnection()
  const body = `${begin}${item.repeat(Math.floor((250 * KIB) / item.length))}${end}`
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': String(body.length),
    Connection: 'close',
  }
  untrusted.write(head(headers, '/smart-agent/v1/hello') + body)
  expect(await untrusted.answer()).toEqual({ status: 413, code: 'REQUEST_MALFORMED' })
})
