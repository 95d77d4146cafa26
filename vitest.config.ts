import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// The end of a file name selects the tier. CONTRIBUTING.md describes the tiers.
const LONG = 'test/**/*.long.test.ts'
const SYSTEM = 'test/**/*.system.test.ts'
const HEAVY = 'test/**/*.heavy.*.test.ts'

/** Suites that depend on the database: concurrent writers, column types, SQL statements. */
const ON_POSTGRES = [
  'test/authority/{audit,lists,pools,read-only}.test.ts',
  'test/satellite/concurrent.long.test.ts',
]

/** Other suites of the authority, which must pass on every database. */
const ALSO_ON_POSTGRES = [
  'test/agent/{cloned-device,histories,registration}.test.ts',
  'test/authority/{alerts,notifications,restore,rotation,webhooks}.heavy.long.test.ts',
  'test/authority/{orders,reports,reverted-database}.test.ts',
  'test/conferencing/licenses.test.ts',
  'test/reservation/{authority,operator-errors}.test.ts',
  'test/rest/{clients,oauth.heavy.long}.test.ts',
  'test/satellite/{accounts,delegation,operator-errors,model}.heavy.long.test.ts',
  'test/satellite/exchange.test.ts',
]

/** Suites of the agent that also run once without the heartbeat. */
const WITHOUT_HEARTBEAT = ['test/agent/{cloned-device,usage-ledger}.test.ts']

/** Further such suites, which take a minute. */
const ALSO_WITHOUT_HEARTBEAT = ['test/agent/{histories,registration}.test.ts']

/** Test files that take a minute or more. They start first, so that the run does not end with a long wait. */
const LONGEST =
  /\/(matrix|postgres|procedures|daemon|crash-recovery|degraded-network|planted-bugs|simulation|fast-year|histories)[.\w]*\.test\.ts$/

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => LONGEST.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

/** Test files that need their own process, because they replace parts of Node: MSW its HTTP, the simulator its file system. */
const ISOLATED = ['test/mocks/*.test.ts', 'test/simulation/*.test.ts', 'test/transports/isolation.test.ts']

/** Timeout in milliseconds, long enough that only a hanging test exceeds it, even on a busy machine. */
const HANGS_MS = 300_000
const shared = {
  // Lowers the cost of password hashing and file encryption, because tests do thousands of both.
  alias: ['password-cost', 'age-work-factor'].map((name) => ({
    find: new RegExp(`^\\./${name}\\.ts$`),
    replacement: `${import.meta.dirname}/test/support/${name}.ts`,
  })),
  testTimeout: HANGS_MS,
  hookTimeout: HANGS_MS,
  expect: { poll: { timeout: 60_000 } },
  pool: 'forks' as const,
}

const postgres = { ...shared, globalSetup: 'test/support/postgres-setup.ts' }

export default defineConfig({
  test: {
    reporters: ['default'],
    // More workers than cores, because most tests wait for programs to start.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...shared,
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: [LONG, SYSTEM, ...ISOLATED],
          // Files share their workers, because loading the code for each file would take longer than most tests.
          isolate: false,
        },
      },
      { test: { ...shared, name: 'isolated', include: ISOLATED, exclude: [LONG, SYSTEM] } },
      { test: { ...shared, name: 'long', include: [LONG] } },
      {
        test: { ...shared, name: 'no-heartbeat', include: WITHOUT_HEARTBEAT, provide: { heartbeat: 'off' } },
      },
      { test: { ...shared, name: 'system', include: [SYSTEM] } },
      { test: { ...postgres, name: 'postgres', include: ON_POSTGRES } },
      // The release tier runs the heavy files completely, and the remaining suites without the heartbeat and on PostgreSQL.
      {
        test: {
          ...shared,
          name: 'also-no-heartbeat',
          include: ALSO_WITHOUT_HEARTBEAT,
          provide: { heartbeat: 'off' },
        },
      },
      { test: { ...shared, name: 'heavy', include: [HEAVY], env: { TEST_SCALE: 'whole' } } },
      {
        test: { ...postgres, name: 'also-postgres', include: ALSO_ON_POSTGRES, env: { TEST_SCALE: 'whole' } },
      },
    ],
  },
})
