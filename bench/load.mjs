// Simulates devices that send one request after the other, each on its own connection. Runs in its own process, so that its
// cost does not count as the authority's.
import { createPrivateKey, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto'
import { connect, createSecureContext } from 'node:tls'
import { hashAnswer } from '../dist/src/protocol/digest.js'
import { parseToken, computeTokenMac } from '../dist/src/protocol/token.js'
import { createCsr } from '../dist/src/pki/certificate-generation.js'
import { decodePayloadUnverified, signMessage } from '../dist/src/pki/signed-message.js'

const nonce = () => randomBytes(16).toString('base64url')

// Certificates are not verified, so that the load generator uses less of the processor than the authority.
const secureContext = createSecureContext()

/** Opens a keep-alive connection that supports just enough HTTP for a device. */
export function connection({ port, session }) {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    secureContext,
    session,
    rejectUnauthorized: false,
  })
  socket.setNoDelay(true)
  let text = ''
  let waiting = null
  const fail = (error) => {
    waiting?.reject(error ?? new Error('the connection ended'))
    waiting = null
  }
  socket.setEncoding('utf8')
  socket.on('error', fail)
  socket.on('close', () => fail())
  socket.on('data', (data) => {
    text += data
    const head = text.indexOf('\r\n\r\n')
    if (head < 0) return
    const length = Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0)
    if (text.length < head + 4 + length) return
    const status = Number(text.slice(9, 12))
    const retryAfter = Number(/retry-after: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0)
    const body = text.slice(head + 4, head + 4 + length)
    text = text.slice(head + 4 + length)
    const { resolve } = waiting
    waiting = null
    resolve({ status, body, retryAfter })
  })
  return {
    post: (path, body) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        socket.write(
          `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        )
      }),
    socket,
    close: (why) => {
      if (why) fail(new Error(why))
      socket.destroy()
    },
  }
}

/** Creates an unregistered device with its key and certificate request. */
export async function createDevice(serial) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  return { key: createPrivateKey(pem), csr: await createCsr(pem, serial), serial, sequence: 0 }
}

const envelope = (audience) => ({
  protocol: 1,
  direction: 'request',
  messageId: randomUUID(),
  nonce: nonce(),
  audience,
  epoch: 1,
  trustBundle: 1,
})

export async function registration(device, { token, root }) {
  const { id, account, secret } = parseToken(token)
  const udi = { pid: 'BENCH', serial: device.serial, version: '1.0' }
  const head = envelope(root)
  const claim = { audience: root, nonce: head.nonce, certificateRequest: device.csr, udi, force: false }
  const request = {
    ...head,
    type: 'register',
    body: {
      token: { id, account, mac: computeTokenMac(secret, claim) },
      udi,
      hostname: null,
      agentVersion: '1',
      certificateRequest: device.csr,
      force: false,
      previous: null,
    },
  }
  const sealed = await signMessage(request, { type: 'sla-request+jws', privateKey: device.key })
  return {
    path: '/smart-agent/v1/register',
    body: JSON.stringify(sealed),
    onAnswer: (body) => {
      const answer = decodePayloadUnverified(JSON.parse(body))
      if (answer.decision.outcome !== 'accepted') throw new Error(JSON.stringify(answer.decision))
      device.id = answer.decision.instanceId
      device.certificates = answer.decision.certificates.slice(0, 1)
      device.authority = answer.authority.id
      device.last = hashAnswer(request.messageId, answer.decision)
    },
  }
}

export async function authorization(device, count = 1) {
  const request = {
    ...envelope(device.authority),
    type: 'authorize',
    instanceId: device.id,
    sequence: ++device.sequence,
    lastAnswer: device.sequence === 1 ? null : device.last,
    body: { entitlements: [{ tag: 'HOST', count }], version: '1.0', deadlineAt: null },
  }
  const sealed = await signMessage(request, {
    type: 'sla-request+jws',
    privateKey: device.key,
    certificates: device.certificates,
  })
  return {
    path: '/smart-agent/v1/authorize',
    body: JSON.stringify(sealed),
    onAnswer: (body) => {
      const answer = decodePayloadUnverified(JSON.parse(body))
      if (answer.decision.outcome !== 'accepted') throw new Error(JSON.stringify(answer.decision))
      device.last = hashAnswer(request.messageId, answer.decision)
      return answer
    },
  }
}

/** Creates a request with the same size and signatures for the baseline server. Its answer is not verified. */
export function floorRequest(device) {
  const payload = randomBytes(900).toString('base64url')
  const signature = sign('sha256', Buffer.from(payload), { key: device.key, dsaEncoding: 'ieee-p1363' })
  return {
    path: '/floor',
    body: JSON.stringify({ device: device.serial, payload, signature: signature.toString('base64url') }),
    onAnswer: (body) => JSON.parse(body),
  }
}

/** Sends requests of all devices for some milliseconds. @returns requests per second, and the latencies p50 and p99 in milliseconds */
export async function hammer(devices, ports, next, milliseconds) {
  const times = []
  const end = performance.now() + milliseconds
  const start = performance.now()
  await Promise.all(
    devices.map(async (device, i) => {
      const client = connection({ port: ports[i % ports.length] })
      for (
        let request = await next(device);
        request && performance.now() < end;
        request = await next(device)
      ) {
        const sentAt = performance.now()
        const { status, body } = await client.post(request.path, request.body)
        if (status !== 200) throw new Error(`answered ${status}: ${body}`)
        times.push(performance.now() - sentAt)
        request.onAnswer(body)
      }
      client.close()
    }),
  )
  const seconds = (performance.now() - start) / 1000
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  return { rate: times.length / seconds, p50: at(0.5), p99: at(0.99), requests: times.length }
}
