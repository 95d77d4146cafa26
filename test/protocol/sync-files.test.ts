import { createPublicKey, createPrivateKey, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { toDisplayText } from '../../src/core/display-text.ts'
import { defineProfile } from '../../src/core/profile.ts'
import { LicensingError } from '../../src/core/errors.ts'
import {
  parseSyncAnswer,
  SYNC_ANSWER_TITLE,
  type SyncAnswer,
  formatSyncAnswer,
} from '../../src/protocol/sync-answer.ts'
import {
  END_REASONS,
  REDACTABLE_FIELDS,
  parseSyncRequest,
  SYNC_REQUEST_TITLE,
  type SyncRequest,
  formatSyncRequest,
} from '../../src/protocol/sync-request.ts'
import { createRoot, type Issuer } from '../../src/pki/certificate-generation.ts'
import { signTextByKey, verifyTextByKey } from '../../src/pki/sign-text.ts'

const NUM_RUNS = 200
/** Names with any printable characters, such as quotes and brackets, and with words of the file format. */
const name = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    fc.constantFrom(
      'none',
      'a "quoted" one',
      'back\\slash',
      '  two  blanks  ',
      'of "B"',
      '-----BEGIN SIGNATURE-----',
      'ein\u2028Umbruch',
      'lot',
      '名前',
    ),
  )
  .filter((text) => !/\p{Cc}/u.test(text) && text.length <= 100)
const instant = fc.integer({ min: 0, max: 4_000_000_000_000 })
const uuid = fc.uuid({ version: 4 })
const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._/+-]{0,20}$/)
const hash = fc.stringMatching(/^[A-Za-z0-9_-]{43}$/)
const tag = fc.stringMatching(/^[A-Z0-9][A-Z0-9._-]{0,10}$/)
const license = fc.record({
  tag,
  count: fc.nat({ max: 10_000_000 }),
  endsAt: fc.option(instant, { nil: null }),
})
const instance = fc.record({
  kind: fc.constantFrom('registered' as const, 'reserved' as const),
  id: uuid,
  pid: word,
  serial: fc.oneof(
    word,
    hash.map((text) => `sha256:${text}`),
  ),
  version: word,
  virtualAccount: name,
  since: instant,
  hostname: fc.option(name, { nil: null }),
  licenses: fc.array(license, { maxLength: 4 }),
})
const unique = <T extends { id: string }>(list: T[]) => [
  ...new Map(list.map((one) => [one.id, one])).values(),
]
const request: fc.Arbitrary<SyncRequest> = fc
  .record({
    name,
    satelliteId: uuid,
    smartAccount: fc.constant('acme.example'),
    epoch: fc.integer({ min: 1, max: 1e9 }),
    exchange: fc.integer({ min: 1, max: 1e9 }),
    after: fc.nat({ max: 1e9 }),
    afterAnswer: fc.oneof(fc.constant('none'), hash),
    report: fc.constantFrom('full' as const, 'changes' as const),
    writtenAt: instant,
    nonce: fc.stringMatching(/^[A-Za-z0-9_-]{32}$/),
    key: fc.stringMatching(/^[A-Za-z0-9_-]{124}$/),
    enrollment: fc.oneof(fc.constant('none'), hash),
    redactedFields: fc.subarray([...REDACTABLE_FIELDS]),
    issuingCa: fc.base64String({ minLength: 4, maxLength: 600 }),
    serverNames: fc.subarray([
      'licenses.branch.example',
      'xn--bcher-kva.example',
      'host7',
      '192.0.2.7',
      '2001:db8::7',
    ]),
    virtualAccounts: fc.array(fc.record({ name, of: name }), { maxLength: 4 }),
    instances: fc.array(instance, { maxLength: 6 }).map(unique),
    ended: fc
      .array(fc.record({ id: uuid, how: fc.constantFrom(...END_REASONS) }), { maxLength: 4 })
      .map(unique),
    totals: fc.record({
      registered: fc.nat(),
      reserved: fc.nat(),
      use: fc.array(fc.record({ tag, count: fc.nat() }), { maxLength: 3 }),
    }),
  })
  .filter(({ instances, ended }) => ended.every(({ id }) => instances.every((one) => one.id !== id)))

let root: Issuer
beforeAll(async () => {
  root = await createRoot({
    account: 'acme.example',
    authorityId: randomUUID(),
    name: 'Root',
    notBefore: 0,
    notAfter: 4_000_000_000_000,
  })
})
const profile = fc
  .record({
    name: fc.stringMatching(/^[a-z]{1,20}$/),
    version: fc.integer({ min: 1, max: 1_000_000 }),
    tags: fc.uniqueArray(fc.record({ tag, description: fc.string({ maxLength: 20 }) }), {
      minLength: 1,
      maxLength: 5,
      selector: (one) => one.tag,
    }),
  })
  .map((input) => defineProfile(input))
const answer = () =>
  fc.record({
    name,
    satelliteId: uuid,
    smartAccount: fc.constant('acme.example'),
    managerId: uuid,
    epoch: fc.nat(),
    exchange: fc.nat(),
    request: hash,
    outcome: fc.constantFrom('accepted' as const, 'repair' as const, 'refused' as const),
    code: fc.constantFrom('-', 'SATELLITE_REMOVED'),
    message: name,
    remedy: name,
    answeredAt: instant,
    warnAt: instant,
    restrictAt: instant,
    automaticUntil: instant,
    softwareVersion: fc.option(fc.stringMatching(/^[\x20-\x7e]{1,100}$/), { nil: null }),
    profile: fc.option(profile, { nil: null }),
    trustBundle: fc.nat(),
    root: fc.constant(root.certificate.trim()),
    issuingCa: fc.option(fc.constant(root.certificate.trim()), { nil: null }),
    mandate: fc.option(fc.stringMatching(/^[A-Za-z0-9_.-]{1,400}$/), { nil: null }),
    trustBundles: fc.array(fc.string(), { maxLength: 3 }),
    virtualAccounts: fc.array(fc.record({ name, home: fc.boolean() }), { maxLength: 3 }),
    lots: fc.array(
      fc.record({
        id: uuid,
        tag,
        quantity: fc.integer({ min: 1, max: 1e9 }),
        startsAt: instant,
        endsAt: fc.option(instant, { nil: null }),
        virtualAccount: name,
      }),
      { maxLength: 4 },
    ),
    ended: fc.array(fc.record({ id: uuid, how: fc.constantFrom('replaced' as const, 'ended' as const) }), {
      maxLength: 3,
    }),
    known: fc.array(instance, { maxLength: 3 }),
    notices: fc.array(name, { maxLength: 3 }),
  }) satisfies fc.Arbitrary<SyncAnswer>

/** Returns `accepted` or the documented error code; other errors are thrown. */
function refusalOf(work: () => unknown): string {
  try {
    work()
    return 'accepted'
  } catch (error) {
    if (error instanceof LicensingError && error.code.startsWith('SIGNED_FILE_')) return error.code
    throw error
  }
}

describe('R-SAT-3: synchronization files', () => {
  it('restore a request with any names', () => {
    fc.assert(
      fc.property(request, (one) => {
        expect(parseSyncRequest(formatSyncRequest(one))).toEqual(one)
      }),
      { numRuns: NUM_RUNS },
    )
  })

  it('restore an answer, with texts for people that change no terminal', () => {
    fc.assert(
      fc.property(answer(), (one) => {
        const read = parseSyncAnswer(formatSyncAnswer(one))
        expect({ ...read, root: read.root.trim(), issuingCa: read.issuingCa?.trim() ?? null }).toEqual({
          ...one,
          message: toDisplayText(one.message),
          remedy: toDisplayText(one.remedy),
        })
      }),
      { numRuns: NUM_RUNS },
    )
  })

  it('never hide a line that was changed, removed, doubled or moved', () => {
    fc.assert(
      fc.property(
        request,
        fc.nat(),
        fc.nat(),
        fc.constantFrom('removed', 'doubled', 'moved', 'cut'),
        (one, a, b, how) => {
          const lines = formatSyncRequest(one)
          const from = a % lines.length
          const line = lines[from] ?? ''
          const changed = [...lines]
          if (how === 'removed') changed.splice(from, 1)
          if (how === 'doubled') changed.splice(b % lines.length, 0, line)
          if (how === 'moved') changed.splice(b % lines.length, 0, ...changed.splice(from, 1))
          if (how === 'cut') changed[from] = line.slice(0, b % (line.length + 1))
          const result = refusalOf(() => parseSyncRequest(changed))
          if (result === 'accepted' && changed.join('\n').trimEnd() !== lines.join('\n').trimEnd())
            expect(parseSyncRequest(changed)).not.toEqual(one)
        },
      ),
      { numRuns: NUM_RUNS * 3 },
    )
  })

  it('refuse any other text with a documented error', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { maxLength: 30 }), (lines) => {
        expect(refusalOf(() => parseSyncRequest([SYNC_REQUEST_TITLE, '', ...lines]))).toBe(
          'SIGNED_FILE_MALFORMED',
        )
        expect(refusalOf(() => parseSyncAnswer([SYNC_ANSWER_TITLE, '', ...lines]))).toBe(
          'SIGNED_FILE_MALFORMED',
        )
      }),
      { numRuns: NUM_RUNS },
    )
  })

  it('are signed over every character', () => {
    const privateKey = createPrivateKey(root.privateKey)
    const key = createPublicKey(root.privateKey)
    fc.assert(
      fc.property(request, fc.nat(), fc.nat({ max: 125 - 33 }), (one, at, code) => {
        const { text } = signTextByKey(formatSyncRequest(one), privateKey)
        const position = at % text.length
        const character = String.fromCharCode(33 + code)
        const changed = text.slice(0, position) + character + text.slice(position + 1)
        const result = refusalOf(() =>
          verifyTextByKey(changed, { what: 'request', title: SYNC_REQUEST_TITLE, key: () => key }),
        )
        expect(result === 'accepted').toBe(changed === text)
      }),
      { numRuns: NUM_RUNS * 3 },
    )
  })
})
