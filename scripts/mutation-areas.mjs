/** What judges the chart of a box, whichever of its rooms is mutated. */
const ofTheChart = [
  ['test/machines/{made,field-table,facts-of-a-step,expect-event}.test.ts'],
  ['test/machines/transitions.test.ts'],
]

/**
 * What mutation testing goes over, an area at a time: the sources that are mutated, and the tests that must notice, in rounds. A
 * later round, of slower tests, judges only what the rounds before it have let live.
 */
export const areas = {
  chart: {
    mutate: ['machines/{chart,expect-event,smart-agent,step,link}.ts'],
    rounds: [
      ...ofTheChart,
      ['test/agent/{evaluation,registration}.test.ts', 'test/reservation/mistakes.test.ts'],
    ],
  },
  registration: { mutate: ['machines/registration.ts'], rounds: ofTheChart },
  license: { mutate: ['machines/license.ts'], rounds: ofTheChart },
  reservation: {
    mutate: ['machines/reservation.ts'],
    rounds: [['test/machines/reservation.test.ts'], ...ofTheChart],
  },
  schedules: {
    mutate: ['machines/{deadlines,schedule,satellite-sync}.ts'],
    rounds: [
      ['test/machines/{made,deadlines,facts-of-a-step,sync-facts}.test.ts'],
      ['test/machines/satellite-sync.test.ts'],
    ],
  },
  token: {
    mutate: ['src/protocol/token.ts'],
    rounds: [['test/protocol/token.test.ts']],
  },
  codes: {
    mutate: ['src/protocol/{typed-code,offline-codes}.ts'],
    rounds: [['test/protocol/{typed-code,offline-codes}.test.ts'], ['test/reservation/mistakes.test.ts']],
  },
  messages: {
    mutate: ['src/protocol/{digest,enrolment,lines,mandate,messages,signed-text}.ts'],
    rounds: [
      ['test/protocol/{digest,enrolment,lines,messages,signed-text}.test.ts'],
      ['test/protocol/sync-files.test.ts', 'test/trust/tampering.long.test.ts'],
      ['test/satellite/mistakes.long.test.ts'],
    ],
  },
  files: {
    mutate: ['src/protocol/{authorization-file,sync-answer,sync-request}.ts'],
    rounds: [
      ['test/protocol/file-lines.test.ts'],
      ['test/protocol/sync-files.test.ts', 'test/trust/authorization-file.long.test.ts'],
      ['test/reservation/{mistakes,authority}.test.ts', 'test/satellite/mistakes.long.test.ts'],
    ],
  },
  certificates: {
    mutate: [
      'src/trust/{certificate,certificate-request,certificates,chain,der,fingerprint,identity-issuer,leaf-facts}.ts',
      'src/trust/{mandate,p256-key,roles,serial-number,sign-text,trust-bundle}.ts',
    ],
    rounds: [
      ['test/trust/{chain,der,fingerprint,issuing,p256-key}.test.ts'],
      ['test/trust/{authorization-file.long,tampering.long}.test.ts', 'test/authority/rotation.long.test.ts'],
    ],
  },
  secrets: {
    mutate: [
      'src/trust/{agreement,guesses,passwords,private-files,seal,sealed-file,sealed-secret}.ts',
      'src/trust/{sealed-stream,sqlite,webhook-signature}.ts',
    ],
    rounds: [
      ['test/trust/{sealing,secrets.long}.test.ts', 'test/protocol/offline-codes.test.ts'],
      ['test/authority/{restore.long,webhooks.long}.test.ts', 'test/reservation/mistakes.test.ts'],
    ],
  },
  rules: {
    mutate: ['src/authority/rules.ts'],
    rounds: [['test/authority/rules.test.ts']],
  },
  pool: {
    mutate: ['src/authority/inventory/pools.ts'],
    rounds: [
      ['test/authority/{pools,orders}.test.ts', 'test/reservation/authority.test.ts'],
      [
        'test/reservation/{mistakes,sequences.heavy.long}.test.ts',
        'test/satellite/{accounts.long,model.heavy.long}.test.ts',
        'test/agent/*.test.ts',
      ],
    ],
  },
  hosts: {
    mutate: ['src/hosts/ledger.ts'],
    rounds: [
      ['test/hosts/ledger.test.ts'],
      ['test/hosts/{licenses,system,profile}.test.ts'],
      ['test/hosts/model.long.test.ts'],
    ],
  },
  ledger: {
    mutate: ['src/agent/product-ledger.ts', 'src/authority/inventory/reservation-ledger.ts'],
    rounds: [
      ['test/agent/product-ledger.test.ts', 'test/reservation/authority.test.ts'],
      ['test/hosts/{licenses,system,profile}.test.ts', 'test/reservation/mistakes.test.ts'],
      [
        'test/hosts/model.long.test.ts',
        'test/reservation/{sequences,procedures}.test.ts',
        'test/authority/restore.long.test.ts',
      ],
    ],
  },
}
