/** A plausible programming error, as a replacement of one text in the built program. */
export interface PlantedBug {
  readonly name: string
  /** Path below `dist`. */
  readonly file: string
  /** Text that occurs exactly once in the file. */
  readonly text: string
  readonly instead: string
  /** Invariants that may detect the bug. */
  readonly found: readonly string[]
  /** Options of the simulator: `--days 14` by default. */
  readonly options?: readonly string[]
}

/** Bugs that the simulator must find. Each is a small mistake that most other tests would not detect. */
export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'a secret file is renamed before it is synced',
    file: 'src/storage/atomic-file.js',
    text: 'fsyncSync(this.#fd);',
    instead: '',
    found: ['errors-closed', 'recovers-within-bound', 'state-readable'],
  },
  {
    name: 'the agent commits without syncing',
    file: 'src/agent/store.js',
    text: "db.pragma('synchronous = FULL')",
    instead: "db.pragma('synchronous = OFF')",
    found: [
      'notified-is-durable',
      'usage-remembered',
      'evaluation-spent-once',
      'no-false-clone',
      'nothing-lost',
      'transitions-valid',
    ],
  },
  {
    name: 'the authority commits without syncing',
    file: 'src/authority/store/sqlite.js',
    text: "database.pragma('synchronous = FULL')",
    instead: "database.pragma('synchronous = NORMAL')",
    found: ['no-false-clone', 'answered-once', 'recovers-within-bound', 'nothing-lost'],
  },
  {
    name: 'a request is sent before it is stored',
    file: 'src/agent/request-runner.js',
    text: "this.#store.write('outstanding', request);",
    instead: 'void request;',
    found: ['no-false-clone', 'recovers-within-bound', 'answered-once', 'nothing-lost'],
  },
  {
    name: 'an event is not given to the machine',
    file: 'machines/run-macrostep.js',
    text: 'return [agentMachine.transition(snapshot, event, scope), actions]',
    instead:
      "return [event.type === 'usage.changed' ? snapshot : agentMachine.transition(snapshot, event, scope), actions]",
    found: ['chart-elsewhere'],
  },
  {
    name: 'a deadline is enforced one moment too late',
    file: 'machines/deadlines.js',
    text: 'export const isDue = (instant, at) => instant !== null && at >= instant',
    instead: 'export const isDue = (instant, at) => instant !== null && at > instant',
    found: ['deadline-kept', 'terminates'],
    options: ['--days', '200', '--faults', 'light', '--devices', '1'],
  },
  {
    name: 'a failed authorization is not retried',
    file: 'machines/agent-actions.js',
    text: 'nextAttemptAt: nextRetryAt(event.at, failures, event.jitter, {',
    instead: 'nextAttemptAt: failures > 2 ? null : nextRetryAt(event.at, failures, event.jitter, {',
    found: ['recovers-within-bound'],
  },
  {
    name: 'evaluation time is charged twice',
    file: 'src/agent/machine-runner.js',
    text: 'this.#meter.commit(seconds);',
    instead: '',
    found: ['evaluation-charged-fairly'],
  },
  {
    name: 'the evaluation restarts whenever a registration ends',
    file: 'machines/agent-actions.js',
    text: 'evaluation: { ...context.evaluation, running: context.evaluation.remainingSeconds > 0 },',
    instead: 'evaluation: { remainingSeconds: context.periods.evaluationSeconds, running: true },',
    found: ['evaluation-spent-once'],
  },
  {
    name: 'a repeated request is decided again',
    file: 'src/authority/exchange/request-handler.js',
    text: 'if (isReplay(instance, request, digest))',
    instead: 'if (Math.random() < 0 && isReplay(instance, request, digest))',
    found: ['no-false-clone', 'answered-once', 'recovers-within-bound'],
  },
  {
    name: 'a removed instance keeps its usage',
    file: 'src/authority/inventory/instances.js',
    text: 'await setInstanceUsage(tx, { id: instance.id, virtualAccountId: instance.virtual_account_id }, [], at);',
    instead: '',
    found: ['pool-sum', 'nothing-lost'],
  },
  {
    name: 'licenses in use by other instances can be reserved',
    file: 'src/authority/reservations/reservation-checks.js',
    text: 'owned - inUse - held(context.at)',
    instead: 'owned - held(context.at)',
    found: ['reserved-is-owned'],
    options: ['--days', '60', '--faults', 'light', '--devices', '3'],
  },
  {
    name: 'an answer is not checked against its request',
    file: 'src/agent/answer-verification.js',
    text: `if (answer.messageId !== expected.messageId)
        throw new LicensingError('ANSWER_WRONG_REQUEST', 'The answer belongs to another request.');
    if (answer.nonce !== expected.nonce)`,
    instead: 'if (false)',
    options: ['--days', '60', '--faults', 'light', '--devices', '3'],
    found: ['own-answer', 'no-false-clone'],
  },
  {
    name: 'a registration token is logged with its secret part',
    file: 'src/agent/registration-requests.js',
    text: 'parseToken(token);',
    instead: 'parseToken(token); this.#core.logger.info(`registering with ${token}`);',
    found: ['secrets-kept'],
  },
  {
    name: 'the key of a pending registration is deleted when the agent starts',
    file: 'src/agent/unreferenced-secrets.js',
    text: 'registering?.key,',
    instead: 'undefined,',
    found: ['errors-closed', 'recovers-within-bound', 'no-false-clone'],
  },
  {
    name: 'declared usage is not stored with the event',
    file: 'src/agent/usage-ledger.js',
    text: "store.write('declared', this.#declared);\n                return [{ tag, count: this.countInUse(tag) }];",
    instead: 'return [{ tag, count: this.countInUse(tag) }];',
    found: ['usage-remembered'],
  },
]
