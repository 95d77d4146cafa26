import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { parseState, serializeState } from '../../src/agent/persisted-state.ts'
import { verifyAnswer } from '../../src/agent/answer-verification.ts'
import { initialTransition, transition } from '../../machines/index.ts'
import { readCheckpoint } from '../../src/authority/audit/checkpoint.ts'
import { verifyExport } from '../../src/authority/audit/export-file.ts'
import { readSignedRequest, parseHello } from '../../src/authority/exchange/requests.ts'
import { verifySyncRequest } from '../../src/authority/satellites/sync-request-checks.ts'
import { parseChaos } from '../../src/faults/index.ts'
import { parseAddress } from '../../src/cli/address.ts'
import { conferencingProfile } from '../../src/conferencing/profile.ts'
import { defineProfile, type ProfileInput } from '../../src/core/profile.ts'
import { parseDataCenter, parseMeetingId, parseUser } from '../../src/conferencing/identifiers.ts'
import {
  type Authorization,
  AUTHORIZATION_TITLE,
  parseIssuedAt,
  parseAuthorization,
  formatAuthorization,
} from '../../src/protocol/authorization-file.ts'
import { generateEnrollmentCode, parseEnrollmentCode } from '../../src/protocol/enrollment.ts'
import { type Answer, type RequestType, requestTypeSchema } from '../../src/protocol/messages.ts'
import { decodeProofCode, decodeRequestCode, encodeRequestCode } from '../../src/protocol/offline-codes.ts'
import { parseSignedText } from '../../src/protocol/signed-text.ts'
import { parseSyncAnswer } from '../../src/protocol/sync-answer.ts'
import { parseSyncRequest, type SyncRequest, formatSyncRequest } from '../../src/protocol/sync-request.ts'
import { formatToken, parseToken } from '../../src/protocol/token.ts'
import { parseBody } from '../../src/rest/bodies.ts'
import { parseDay } from '../../src/rest/fields.ts'
import { ChainError, parseCertificates, parseRoots } from '../../src/pki/chain-validation.ts'
import { createCsr, generateKey } from '../../src/pki/certificate-generation.ts'
import { parseCsr } from '../../src/pki/certificate-request.ts'
import { parseLeafCertificate } from '../../src/pki/leaf-certificate.ts'
import { signMessage } from '../../src/pki/signed-message.ts'
import { verifyText } from '../../src/pki/sign-text.ts'
import { verifySyncProof, signSyncProof } from '../../src/pki/sync-proof.ts'
import {
  applyRotations,
  parseTrustAnchors,
  installRotations,
  parseRootRotations,
} from '../../src/pki/root-rotation.ts'
import { checkWebhookSecret, generateWebhookSecret } from '../../src/pki/webhook-signature.ts'
import { checkProxyCredentials, parseAuthorityUrl, parseProxyUrl } from '../../src/transports/transport.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { StolenKeys } from '../support/keys.ts'
import { decodeMessage } from '../support/messages.ts'
import { exchangeByFile, createSatelliteEnvironment } from '../support/satellite.ts'
import { createReservationEnvironment } from '../support/reservation-environment.ts'
import { advance } from '../support/test-environment.ts'
import type { Target } from './attack.ts'

const SIGNED = [
  'SIGNED_FILE_MALFORMED',
  'SIGNED_FILE_TRUNCATED',
  'SIGNED_FILE_ALTERED',
  'SIGNED_FILE_UNTRUSTED',
  'SIGNED_FILE_SIGNER_EXPIRED',
]
const MESSAGE = ['REQUEST_MALFORMED', 'REQUEST_SIGNATURE_INVALID', 'PROTOCOL_UNSUPPORTED']
const DAY = 86_400_000
type Expected = Parameters<typeof verifyAnswer>[2]

/** Parses JSON. Returns the text itself if it is not JSON, which the HTTP server would reject before this point. */
const json = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
/** Calls a parser and returns null if it throws its own error type for invalid certificates. */
const orChainError = (read: () => unknown): unknown => {
  try {
    return read()
  } catch (error) {
    if (error instanceof ChainError) return null
    throw error
  }
}

/** Creates the parsers of the project, each with valid inputs that the programs have made. */
export async function createTargets(): Promise<readonly Target[]> {
  const world = await createReservationEnvironment()
  const branches = await createSatelliteEnvironment()
  try {
    const { authority } = world
    const agent = await world.open()
    const token = await world.token()
    agent.setUsage('HOST', 3)
    const answers: { type: RequestType; request: string; answer: string }[] = []
    world.network.onAnswer = (type, answer) => {
      answers.push({ type, request: world.network.sent.at(-1)?.body ?? '', answer })
      return answer
    }
    await agent.register(token)
    await agent.renewAuthorization()
    await agent.renewRegistration()
    await advance(world, agent, DAY)
    await agent.deregister()
    const root = authority.trustAnchor()
    const issuedAt = world.clock.wall()
    const anchors = parseTrustAnchors(root)
    const roots = anchors.roots.map(({ pem }) => new X509Certificate(pem))

    // A reservation, for a separate device.
    const reservedDevice = await world.open('sealed')
    const requestCode = await reservedDevice.reservation.request()
    const { file, instanceId } = await authority.reservations.reserve({
      request: requestCode,
      licenses: { HOST: 5 },
    })
    await reservedDevice.reservation.install(file)
    const more = await authority.reservations.update(instanceId, { HOST: 6 })
    const { confirmationCode } = (await reservedDevice.reservation.update(more.file)).reservation
    const returnCode = await reservedDevice.reservation.returnCode()
    const authorization = parseAuthorization(
      parseSignedText(file, { what: 'file', title: AUTHORIZATION_TITLE }).lines,
    )

    // A satellite, and the synchronization files between it and its manager.
    const satellite = await branches.addSatellite('branch')
    await branches.manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
    const exchanged = await exchangeByFile(branches.manager, satellite)

    const deviceKey = createPrivateKey(await generateKey())
    const certificateRequest = await createCsr(
      deviceKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'device',
    )
    const register = answers.find(({ type }) => type === 'register')
    const authorize = answers.find(({ type }) => type === 'authorize')
    const signer = new StolenKeys(`${world.directory}/authority`).signer('answer-signer')
    const leaves = (decodeMessage(authorize?.request ?? '').header.x5c as string[] | undefined) ?? []
    const pemOf = (der: string) =>
      `-----BEGIN CERTIFICATE-----\n${(der.match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`

    /** Signs a changed request with the key of the device, so that the signature is valid. */
    const signRequest = (payload: unknown) =>
      signMessage(payload as object, {
        type: 'sla-request+jws',
        privateKey: deviceKey,
        certificates: leaves.map(pemOf),
      })
    /** Signs a changed answer with the key of the authority, so that the signature is valid. */
    const signAnswer = async (payload: unknown) =>
      JSON.stringify(await signMessage(payload as object, { type: 'sla-answer+jws', ...signer }))
    if (!register || !authorize) throw new Error('The device received no answer.')
    const answered = decodeMessage(authorize.answer).payload as unknown as Answer
    const expected: Expected = {
      ...answered,
      type: 'authorize',
      authorityId: answered.authority.id,
      notBefore: null,
      delegation: null,
      earliestNow: 0,
      requestedEntitlements: [{ tag: 'HOST', count: 3 }],
    }
    const trust = { roots, anchors }
    await authority.security.trust.rotateRoot({ overlapDays: 60 })
    const bundles = authority.security.trust.bundles()
    const checkpoint = await authority.security.audit.checkpoint()
    const record: string[] = []
    for await (const line of authority.security.audit.export()) record.push(line)
    const known = authority.trustAnchor()
    const knownRoots = [...roots, ...parseRoots(known)]
    let position = initialTransition(0).snapshot
    for (const event of [
      { type: 'usage.changed', at: 1_000, used: 1_000, tag: 'HOST', count: 2 },
      { type: 'clock.tick', at: DAY, used: 1_000 },
    ] as const)
      position = transition(position, event).snapshot
    const certificate = pemOf(leaves[0] ?? '')
    const profile: ProfileInput = conferencingProfile

    return [
      {
        name: 'registration-token',
        seeds: [token],
        secret: true,
        read: parseToken,
        write: formatToken,
        refusals: ['TOKEN_MISSING', 'TOKEN_MALFORMED', 'TOKEN_IS_*'],
      },
      {
        name: 'request-code',
        seeds: [requestCode],
        read: decodeRequestCode,
        write: encodeRequestCode,
        refusals: ['CODE_*'],
      },
      {
        name: 'confirmation-code',
        seeds: [confirmationCode ?? ''],
        secret: true,
        read: (text) => decodeProofCode('confirmation', text),
        refusals: ['CODE_*'],
      },
      {
        name: 'return-code',
        seeds: [returnCode],
        secret: true,
        read: (text) => decodeProofCode('return', text),
        refusals: ['CODE_*'],
      },
      {
        name: 'enrollment-code',
        seeds: [generateEnrollmentCode()],
        secret: true,
        read: parseEnrollmentCode,
        write: (code: string) => code,
        refusals: ['CODE_*'],
      },
      {
        name: 'sync-proof',
        seeds: [
          await signSyncProof(
            {
              use: 'sync-proof',
              manager: branches.manager.security.identity.id,
              account: branches.account,
              key: createPublicKey(deviceKey).export({ type: 'spki', format: 'der' }).toString('base64url'),
              length: 300_000,
              digest: 'A'.repeat(43),
            },
            deviceKey,
          ),
        ],
        read: verifySyncProof,
        refusals: [],
      },
      {
        name: 'authorization-file',
        seeds: [file, file.replaceAll('\n', '\r\n')],
        read: (text) =>
          verifyText(text, {
            what: 'authorization file',
            title: AUTHORIZATION_TITLE,
            role: 'reservation-signer',
            roots,
            at: parseIssuedAt,
          }).lines,
        refusals: SIGNED,
      },
      {
        name: 'authorization-text',
        seeds: [formatAuthorization(authorization).join('\n')],
        read: (text) => parseAuthorization(text.split('\n')),
        write: (value: Authorization) => formatAuthorization(value).join('\n'),
        refusals: SIGNED,
      },
      {
        name: 'synchronization-request',
        seeds: [exchanged.request],
        read: verifySyncRequest,
        refusals: SIGNED,
      },
      {
        name: 'synchronization-request-text',
        seeds: [exchanged.request.split('-----')[0]?.trimEnd() ?? ''],
        read: (text) => parseSyncRequest(text.split('\n')),
        write: (value: SyncRequest) => formatSyncRequest(value).join('\n'),
        refusals: SIGNED,
      },
      {
        name: 'synchronization-answer-text',
        seeds: [exchanged.answer.split('-----')[0]?.trimEnd() ?? ''],
        read: (text) => parseSyncAnswer(text.split('\n')),
        refusals: SIGNED,
      },
      ...requestTypeSchema.options
        .filter((type) => answers.some((answer) => answer.type === type))
        .map((type): Target => ({
          name: `message-${type}`,
          seeds: answers.filter((answer) => answer.type === type).map(({ request }) => request),
          read: (text) => readSignedRequest(type, json(text)),
          refusals: MESSAGE,
        })),
      {
        name: 'message-signed-again',
        seeds: answers.map(({ request }) => JSON.stringify(decodeMessage(request).payload)),
        read: async (text) => readSignedRequest('authorize', await signRequest(json(text))),
        refusals: MESSAGE,
      },
      {
        name: 'greeting',
        seeds: [
          JSON.stringify({
            protocol: 1,
            direction: 'request',
            type: 'hello',
            messageId: answered.messageId,
            nonce: answered.nonce,
            audience: 'another',
            epoch: 1,
            trustBundle: 1,
          }),
        ],
        read: (text) => parseHello(json(text)),
        refusals: MESSAGE,
      },
      {
        name: 'answer',
        seeds: [authorize.answer],
        read: (text) => verifyAnswer(text, trust, expected),
        refusals: ['ANSWER_*', 'PROTOCOL_UNSUPPORTED'],
      },
      {
        name: 'answer-signed-again',
        seeds: [JSON.stringify(answered)],
        read: async (text) => verifyAnswer(await signAnswer(json(text)), trust, expected),
        refusals: ['ANSWER_*', 'PROTOCOL_UNSUPPORTED', 'MANDATE_INVALID'],
      },
      {
        name: 'trust-bundles',
        seeds: [bundles],
        read: (text) => {
          const texts = parseRootRotations(text)
          return (
            texts && [applyRotations(anchors, texts, issuedAt), installRotations(anchors, texts, issuedAt)]
          )
        },
        refusals: ['TRUST_BUNDLE_REFUSED'],
      },
      {
        name: 'root-certificates',
        seeds: [root, root + root],
        read: (text) => orChainError(() => parseRoots(text).length + parseCertificates(text).length),
        refusals: [],
      },
      {
        name: 'certificate',
        seeds: [certificate],
        read: (text) => parseLeafCertificate(text)?.thumbprint ?? null,
        refusals: [],
      },
      {
        name: 'certificate-request',
        seeds: [certificateRequest],
        read: (text) => parseCsr(text)?.spki.length ?? null,
        refusals: [],
      },
      {
        name: 'audit-checkpoint',
        seeds: [checkpoint],
        read: (text) => readCheckpoint(text, knownRoots),
        refusals: SIGNED,
      },
      {
        name: 'audit-record',
        seeds: [record.join('')],
        read: async (text) => (await verifyExport(text.split('\n'), [], knownRoots)).checkpoints,
        refusals: ['AUDIT_BROKEN', ...SIGNED],
      },
      {
        name: 'stored-state',
        seeds: [serializeState(position), serializeState(initialTransition(0).snapshot)],
        read: parseState,
        write: serializeState,
        refusals: ['STORE_UNREADABLE', 'STORE_TOO_NEW'],
      },
      {
        name: 'profile',
        seeds: [JSON.stringify(profile)],
        read: (text) => defineProfile(json(text) as ProfileInput),
        refusals: ['PROFILE_INVALID', 'INVALID_ARGUMENT'],
      },
      {
        name: 'authority-url',
        seeds: ['https://licensing.example:8443/base', 'https://[2001:db8::1]/'],
        read: parseAuthorityUrl,
        write: (url: string) => url,
        refusals: ['TRANSPORT_URL_INVALID'],
      },
      {
        name: 'proxy-url',
        seeds: ['http://proxy.example:3128', 'https://[2001:db8::1]:443', 'proxy.example'],
        read: parseProxyUrl,
        write: (url: string) => url,
        refusals: ['PROXY_URL_INVALID'],
      },
      {
        name: 'proxy-credentials',
        seeds: ['operator\nhunter22hunter22hunter22'],
        secret: true,
        read: (text) => {
          const [name, ...rest] = text.split('\n')
          checkProxyCredentials(name, rest.join('\n'))
        },
        refusals: ['PROXY_CREDENTIALS_INVALID'],
      },
      {
        name: 'webhook-secret',
        seeds: [generateWebhookSecret()],
        secret: true,
        read: checkWebhookSecret,
        write: (secret: string) => secret,
        refusals: ['INVALID_ARGUMENT'],
      },
      {
        name: 'planned-faults',
        seeds: ['delay=200ms,error503=0.1', 'lost-answer=0.5x3@10/authorize', 'replayed+3sx2'],
        read: parseChaos,
        refusals: ['CHAOS_INVALID'],
      },
      {
        name: 'address',
        seeds: ['127.0.0.1:8443', '[::1]:443', ':80'],
        read: parseAddress,
        refusals: ['INVALID_ARGUMENT'],
      },
      {
        name: 'day',
        seeds: ['2026-01-31', '2026-Jan-31', '31-JAN-2026', '2026-01-31T00:00:00Z'],
        read: parseDay,
        refusals: [],
      },
      {
        name: 'rest-body',
        seeds: ['{"a":[1,{"b":"c"}]}', 'grant_type=client_credentials&client_id=x&client_secret=y&a=1&a=2'],
        read: (text) =>
          [
            'application/json',
            'application/x-www-form-urlencoded',
            'text/plain',
            undefined,
            text.slice(0, 20),
          ].map((type) => {
            try {
              return parseBody(type, text)
            } catch (error) {
              if (error instanceof LicensingError && error.code === 'REQUEST_MALFORMED') return null
              throw error
            }
          }),
        refusals: [],
      },
      {
        name: 'names-of-people-and-meetings',
        seeds: ['alice@example.com', 'meeting-1', 'dc-west'],
        read: (text) =>
          [parseUser, parseDataCenter, parseMeetingId].map((parse) => {
            try {
              return parse(text)
            } catch (error) {
              if (error instanceof LicensingError && error.code === 'INVALID_ARGUMENT') return null
              throw error
            }
          }),
        refusals: [],
      },
    ]
  } finally {
    await world.close()
    await branches.close()
  }
}
