/** Rounds of tests for all modules of the agent's state machine. */
const machineRounds = [
  ['test/machines/{implementations,field-table,transition-context,assert-event-type}.test.ts'],
  ['test/machines/transitions.test.ts'],
  // Labels are checked by the stored drawing, and awaited deadlines by what the agent says of itself.
  ['test/diagrams/machine-drawing.test.ts', 'test/{machines/what-if,agent/registration}.test.ts'],
]

/**
 * Areas of mutation testing, with their mutated sources and rounds of tests. A later round has slower tests, and runs only on
 * the mutants that survived the earlier rounds.
 */
export const areas = {
  chart: {
    mutate: [
      'machines/{agent-actions,agent-guards,agent-deadlines,assert-event-type,connection,transition}.ts',
    ],
    rounds: [
      ...machineRounds,
      ['test/agent/{evaluation,registration}.test.ts', 'test/reservation/operator-errors.test.ts'],
    ],
  },
  registration: { mutate: ['machines/registration.ts'], rounds: machineRounds },
  license: { mutate: ['machines/license.ts'], rounds: machineRounds },
  reservation: {
    mutate: ['machines/{reservation,reservation-region}.ts'],
    rounds: [['test/machines/reservation.test.ts'], ...machineRounds],
  },
  schedules: {
    mutate: ['machines/{deadlines,schedule,satellite-sync-machine}.ts'],
    rounds: [
      ['test/machines/{implementations,deadlines,transition-context,sync-context}.test.ts'],
      ['test/machines/satellite-sync.test.ts'],
    ],
  },
  token: {
    mutate: ['src/protocol/token.ts'],
    rounds: [['test/protocol/token.test.ts']],
  },
  codes: {
    mutate: ['src/protocol/{human-code,offline-codes}.ts'],
    rounds: [
      ['test/protocol/{human-code,offline-codes}.test.ts'],
      ['test/reservation/operator-errors.test.ts'],
    ],
  },
  messages: {
    mutate: ['src/protocol/{delegation,digest,enrollment,messages,signed-text,text-format}.ts'],
    rounds: [
      ['test/protocol/{digest,enrollment,text-format,messages,signed-text}.test.ts'],
      ['test/protocol/sync-files.test.ts', 'test/pki/tampering.heavy.long.test.ts'],
      ['test/satellite/operator-errors.heavy.long.test.ts'],
    ],
  },
  files: {
    mutate: ['src/protocol/{authorization-file,sync-answer,sync-request}.ts'],
    rounds: [
      ['test/protocol/file-lines.test.ts'],
      ['test/protocol/sync-files.test.ts', 'test/pki/authorization-file.long.test.ts'],
      [
        'test/reservation/{operator-errors,authority}.test.ts',
        'test/satellite/operator-errors.heavy.long.test.ts',
      ],
    ],
  },
  certificates: {
    mutate: [
      'src/pki/{certificate-cache,certificate-generation,certificate-request,chain-validation,der,fingerprint}.ts',
      'src/pki/{instance-certificate-issuer,leaf-certificate}.ts',
      'src/pki/{delegation,p256-key,roles,root-rotation,serial-number,sign-text}.ts',
    ],
    rounds: [
      ['test/pki/{chain,der,fingerprint,issuing,p256-key}.test.ts'],
      [
        'test/pki/{authorization-file.long,tampering.heavy.long}.test.ts',
        'test/authority/rotation.heavy.long.test.ts',
      ],
    ],
  },
  secrets: {
    mutate: [
      'src/pki/{key-agreement,signed-message,webhook-signature}.ts',
      'src/http/{login-rate-limiter,passwords}.ts',
      'src/storage/{age-files,encrypted-secret,private-files,sqlite}.ts',
    ],
    rounds: [
      ['test/pki/{signing-and-encryption,secrets.long}.test.ts', 'test/protocol/offline-codes.test.ts'],
      ['test/authority/{restore,webhooks}.heavy.long.test.ts', 'test/reservation/operator-errors.test.ts'],
    ],
  },
  rules: {
    mutate: ['src/authority/policy.ts'],
    rounds: [['test/authority/policy.test.ts']],
  },
  pool: {
    mutate: ['src/authority/inventory/pools.ts'],
    rounds: [
      ['test/authority/{pools,orders}.test.ts', 'test/reservation/authority.test.ts'],
      [
        'test/reservation/{operator-errors,sequences.heavy.long}.test.ts',
        'test/satellite/{accounts,model}.heavy.long.test.ts',
        'test/agent/*.test.ts',
      ],
    ],
  },
  hosts: {
    mutate: ['src/conferencing/host-ledger.ts'],
    rounds: [
      ['test/conferencing/ledger.test.ts'],
      ['test/conferencing/{licenses,system,profile}.test.ts'],
      ['test/conferencing/model.long.test.ts'],
    ],
  },
  ledger: {
    mutate: ['src/agent/usage-ledger.ts', 'src/authority/inventory/reservation-ledger.ts'],
    rounds: [
      ['test/agent/usage-ledger.test.ts', 'test/reservation/authority.test.ts'],
      ['test/conferencing/{licenses,system,profile}.test.ts', 'test/reservation/operator-errors.test.ts'],
      [
        'test/conferencing/model.long.test.ts',
        'test/reservation/{sequences,procedures}.test.ts',
        'test/authority/restore.heavy.long.test.ts',
      ],
    ],
  },
}
