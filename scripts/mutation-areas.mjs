/**
 * What mutation testing goes over, an area at a time: the sources that are mutated, and the tests that must notice. The slow ones
 * judge only what the quick ones have let live.
 */
export const areas = {
  machines: {
    mutate: ['machines/*.ts', '!machines/index.ts', '!machines/*-types.ts', '!machines/draw.ts'],
    quick: ['test/machines/{field-table,deadlines,satellite-sync}.test.ts'],
    slow: ['test/machines/*.test.ts', 'test/agent/{evaluation,registration,facts}.test.ts'],
  },
  token: {
    mutate: ['src/protocol/token.ts'],
    quick: ['test/protocol/token.test.ts'],
    slow: [],
  },
  codes: {
    mutate: ['src/protocol/{typed-code,offline-codes}.ts'],
    quick: ['test/protocol/{typed-code,offline-codes}.test.ts'],
    slow: ['test/reservation/mistakes.test.ts'],
  },
  protocol: {
    mutate: ['src/protocol/*.ts', '!src/protocol/{token,typed-code,offline-codes}.ts'],
    quick: ['test/protocol/*.test.ts'],
    slow: [
      'test/trust/*.test.ts',
      'test/reservation/{mistakes,authority}.test.ts',
      'test/satellite/mistakes.test.ts',
    ],
  },
  trust: {
    mutate: ['src/trust/*.ts'],
    quick: ['test/trust/{sealing,issuing,authorization-file}.test.ts', 'test/protocol/*.test.ts'],
    slow: [
      'test/trust/tampering.test.ts',
      'test/authority/{rotation,restore,tls,webhooks}.test.ts',
      'test/satellite/mandate.test.ts',
    ],
  },
  pool: {
    mutate: ['src/authority/inventory/pools.ts', 'src/authority/rules.ts'],
    quick: ['test/authority/orders.test.ts', 'test/reservation/authority.test.ts'],
    slow: [
      'test/reservation/{mistakes,sequences}.test.ts',
      'test/satellite/{accounts,model}.test.ts',
      'test/agent/*.test.ts',
    ],
  },
  hosts: {
    mutate: ['src/hosts/ledger.ts'],
    quick: ['test/hosts/{licenses,system,profile}.test.ts'],
    slow: ['test/hosts/model.test.ts'],
  },
  ledger: {
    mutate: ['src/agent/product-ledger.ts', 'src/authority/inventory/reservation-ledger.ts'],
    quick: ['test/hosts/{licenses,system,profile}.test.ts', 'test/reservation/{authority,mistakes}.test.ts'],
    slow: ['test/hosts/model.test.ts', 'test/reservation/{sequences,procedures}.test.ts'],
  },
}
