/** What judges the chart of a box, whichever of its rooms is mutated. */
const ofTheChart = [
  ['test/machines/{field-table,facts-of-a-step}.test.ts'],
  ['test/machines/paths.test.ts'],
  ['test/agent/{evaluation,registration}.test.ts', 'test/reservation/mistakes.test.ts'],
]

/**
 * What mutation testing goes over, an area at a time: the sources that are mutated, and the tests that must notice, in rounds. A
 * later round, of slower tests, judges only what the rounds before it have let live.
 */
export const areas = {
  chart: { mutate: ['machines/{chart,smart-agent,step,link}.ts'], rounds: ofTheChart },
  registration: { mutate: ['machines/registration.ts'], rounds: ofTheChart },
  license: { mutate: ['machines/license.ts'], rounds: ofTheChart },
  reservation: { mutate: ['machines/reservation.ts'], rounds: ofTheChart },
  schedules: {
    mutate: ['machines/{deadlines,schedule,satellite-sync}.ts'],
    rounds: [['test/machines/{deadlines,satellite-sync}.test.ts'], ['test/satellite/exchange.test.ts']],
  },
  token: {
    mutate: ['src/protocol/token.ts'],
    rounds: [['test/protocol/token.test.ts']],
  },
  codes: {
    mutate: ['src/protocol/{typed-code,offline-codes}.ts'],
    rounds: [['test/protocol/{typed-code,offline-codes}.test.ts'], ['test/reservation/mistakes.test.ts']],
  },
  protocol: {
    mutate: ['src/protocol/*.ts', '!src/protocol/{token,typed-code,offline-codes}.ts'],
    rounds: [
      ['test/protocol/*.test.ts'],
      [
        'test/trust/*.test.ts',
        'test/reservation/{mistakes,authority}.test.ts',
        'test/satellite/mistakes.test.ts',
      ],
    ],
  },
  trust: {
    mutate: ['src/trust/*.ts'],
    rounds: [
      ['test/trust/{sealing,issuing,authorization-file}.test.ts', 'test/protocol/*.test.ts'],
      [
        'test/trust/tampering.test.ts',
        'test/authority/{rotation,restore,tls,webhooks}.test.ts',
        'test/satellite/mandate.test.ts',
      ],
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
        'test/reservation/{mistakes,sequences}.test.ts',
        'test/satellite/{accounts,model}.test.ts',
        'test/agent/*.test.ts',
      ],
    ],
  },
  hosts: {
    mutate: ['src/hosts/ledger.ts'],
    rounds: [
      ['test/hosts/ledger.test.ts'],
      ['test/hosts/{licenses,system,profile}.test.ts'],
      ['test/hosts/model.test.ts'],
    ],
  },
  ledger: {
    mutate: ['src/agent/product-ledger.ts', 'src/authority/inventory/reservation-ledger.ts'],
    rounds: [
      ['test/hosts/{licenses,system,profile}.test.ts', 'test/reservation/{authority,mistakes}.test.ts'],
      ['test/hosts/model.test.ts', 'test/reservation/{sequences,procedures}.test.ts'],
    ],
  },
}
