import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** A test file belongs to the tier that its name ends with; CONTRIBUTING.md says which one a new test belongs to. */
const LONG = 'test/**/*.long.test.ts'
const SYSTEM = 'test/**/*.system.test.ts'
const HEAVY = 'test/**/*.heavy.*.test.ts'

/** Suites that depend on what the database does: several writers at once, its types, its statements. */
const ON_POSTGRES = [
  'test/authority/{audit,pools,read-only}.test.ts',
  'test/satellite/concurrent.long.test.ts',
]

/** The other suites of an authority, whose outcome no database should change. */
const ALSO_ON_POSTGRES = [
  'test/agent/{cloned-device,histories,registration}.test.ts',
  'test/authority/{alerts,notifications,restore,rotation,webhooks}.heavy.long.test.ts',
  'test/authority/{orders,reports}.test.ts',
  'test/conferencing/licenses.test.ts',
  'test/reservation/{authority,operator-errors}.test.ts',
  'test/rest/{clients,oauth.heavy.long}.test.ts',
  'test/satellite/{accounts,delegation,operator-errors,model}.heavy.long.test.ts',
  'test/satellite/exchange.test.ts',
]

/** Suites of the agent, which are run with its heartbeat everywhere and without it once. */
const WITHOUT_HEARTBEAT = ['test/agent/{cloned-device,histories,usage-ledger,registration}.test.ts']

/** Files that wait for a minute or two: begun first, so that nobody waits for them at the end. */
const LONGEST =
  /\/(matrix|postgres|procedures|daemon|crash-recovery|degraded-network|planted-bugs|simulation|fast-year|histories)[.\w]*\.test\.ts$/

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => LONGEST.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

/** Files that replace parts of Node for their whole process, as MSW does with its HTTP and the simulator with its disks: each has a process of its own. */
const ISOLATED = ['test/mocks/*.test.ts', 'test/simulation/*.test.ts', 'test/transports/isolation.test.ts']

/** Only a test that hangs takes this long: a busy machine is slow, and that fails nothing. */
const HANGS_MS = 300_000
const shared = {
  // Tests in one process hash thousands of passwords and open hundreds of encrypted files: cheaply.
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
    // Most of the time of most tests is programs that start and wait.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...shared,
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: [LONG, SYSTEM, ...ISOLATED],
          // Its files share their workers: loading the code again for each file takes longer than most of them.
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
      // The release tier: the heavy files whole, and the rest of the suites on PostgreSQL.
      { test: { ...shared, name: 'heavy', include: [HEAVY], env: { TEST_SCALE: 'whole' } } },
      {
        test: { ...postgres, name: 'also-postgres', include: ALSO_ON_POSTGRES, env: { TEST_SCALE: 'whole' } },
      },
    ],
  },
})
