/** A bug as somebody might make it: one place of the built program, and what stands there instead. */
export interface PlantedBug {
  readonly name: string
  /** Below `dist`. */
  readonly file: string
  readonly text: string
  readonly instead: string
  /** The invariants that may find it. */
  readonly found: readonly string[]
  /** Histories in which it can be seen, where a fortnight in which everything fails is not the right one. */
  readonly options?: readonly string[]
}

/** Bugs that the simulator must find: each is one line that a tired person could write, and most tests would pass with it. */
export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'a secret is renamed into its place without having been synced',
    file: 'src/storage/private-files.js',
    text: 'writeFileSync(fd, text);\n                fsyncSync(fd);',
    instead: 'writeFileSync(fd, text);',
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
    name: 'a request is sent before it is on disk',
    file: 'src/agent/request-runner.js',
    text: "this.#store.write('outstanding', outstanding);",
    instead: 'void outstanding;',
    found: ['no-false-clone', 'recovers-within-bound', 'answered-once', 'nothing-lost'],
  },
  {
    name: 'a deadline is kept a moment too long',
    file: 'machines/deadlines.js',
    text: 'export const due = (instant, at) => instant !== null && at >= instant',
    instead: 'export const due = (instant, at) => instant !== null && at > instant',
    found: ['deadline-kept', 'terminates'],
    options: ['--days', '200', '--faults', 'light', '--devices', '1'],
  },
  {
    name: 'an authorization that failed is not tried again',
    file: 'machines/agent-setup.js',
    text: 'nextAttemptAt: nextRetryAt(event.at, failures, event.jitter, {',
    instead: 'nextAttemptAt: failures > 2 ? null : nextRetryAt(event.at, failures, event.jitter, {',
    found: ['recovers-within-bound'],
  },
  {
    name: 'the evaluation is charged again for what was charged before',
    file: 'src/agent/machine-runner.js',
    text: 'this.#meter.commit(seconds);',
    instead: '',
    found: ['evaluation-charged-fairly'],
  },
  {
    name: 'an evaluation begins anew with every registration that ends',
    file: 'machines/agent-setup.js',
    text: 'evaluation: { ...context.evaluation, running: context.evaluation.remainingSeconds > 0 },',
    instead: 'evaluation: { remainingSeconds: context.periods.evaluationSeconds, running: true },',
    found: ['evaluation-spent-once'],
  },
  {
    name: 'what came a second time is decided a second time',
    file: 'src/authority/exchange/request-handler.js',
    text: 'if (repeats(instance, request, digest))',
    instead: 'if (Math.random() < 0 && repeats(instance, request, digest))',
    found: ['no-false-clone', 'answered-once', 'recovers-within-bound'],
  },
  {
    name: 'an instance that is removed keeps what it used',
    file: 'src/authority/inventory/instances.js',
    text: 'await setDemand(tx, { id: instance.id, virtualAccountId: instance.virtual_account_id }, [], at);',
    instead: '',
    found: ['pool-sum', 'nothing-lost'],
  },
  {
    name: 'what is in use by others may be reserved',
    file: 'src/authority/reservations/reservation-checks.js',
    text: 'owned - inUse - held(this.#at)',
    instead: 'owned - held(this.#at)',
    found: ['reserved-is-owned'],
    options: ['--days', '60', '--faults', 'light', '--devices', '3'],
  },
  {
    name: 'an answer is not asked which request it is for',
    file: 'src/agent/answer-verification.js',
    text: `if (answer.messageId !== expected.messageId)
        throw new LicensingError('ANSWER_WRONG_REQUEST', 'The answer belongs to another request.');
    if (answer.nonce !== expected.nonce)`,
    instead: 'if (false)',
    options: ['--days', '60', '--faults', 'light', '--devices', '3'],
    found: ['own-answer', 'no-false-clone'],
  },
  {
    name: 'a registration token is logged with its secret',
    file: 'src/agent/registration-requests.js',
    text: 'parseToken(token);',
    instead: 'parseToken(token); this.#core.logger.info(`registering with ${token}`);',
    found: ['secrets-kept'],
  },
  {
    name: 'the key of a registration under way is swept away when the agent starts',
    file: 'src/agent/unreferenced-secrets.js',
    text: 'registering?.key,',
    instead: 'undefined,',
    found: ['errors-closed', 'recovers-within-bound', 'no-false-clone'],
  },
  {
    name: 'what the product says it uses is noted after the event',
    file: 'src/agent/usage-ledger.js',
    text: "store.write('declared', this.#declared);\n                return [{ tag, count: this.inUse(tag) }];",
    instead: 'return [{ tag, count: this.inUse(tag) }];',
    found: ['usage-remembered'],
  },
]
