import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What an authority does is the same whatever keeps its data: these are run on SQLite and on PostgreSQL. */
const onBothDatabases = [
  'test/agent/{copies,histories,registration}.test.ts',
  'test/authority/{alerts,audit,notifications,orders,pools,readers,reports,restore,rotation,webhooks}.test.ts',
  'test/hosts/licenses.test.ts',
  'test/reservation/{authority,mistakes}.test.ts',
  'test/rest/{clients,oauth,programs}.test.ts',
  'test/satellite/{accounts,concurrent,exchange,mandate,mistakes,model}.test.ts',
]

/** What keeps every core busy for minutes: beside it, others would only wait, and it for them. */
const alone = ['test/simulation/thousand-histories.test.ts']

/** What takes a minute or two of waiting: begun first, so that nobody waits for it at the end. */
const long = /\/(matrix|postgres|daemon|bad-line|planted-bugs|simulation|fast-year)\.test\.ts$/

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => long.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

/** Only what hangs takes so long: a busy machine is slow, and that fails nothing. */
const patience = 300_000
const shared = {
  testTimeout: patience,
  hookTimeout: patience,
  expect: { poll: { timeout: 60_000 } },
  pool: 'forks' as const,
}

export default defineConfig({
  test: {
    reporters: ['default'],
    // Most of the time of most tests is programs that start and wait.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { ...shared, name: 'sqlite', include: ['test/**/*.test.ts'], exclude: alone } },
      { test: { ...shared, name: 'alone', include: alone, sequence: { groupOrder: 1 } } },
      {
        test: {
          ...shared,
          name: 'postgres',
          include: onBothDatabases,
          globalSetup: 'test/support/postgres-setup.ts',
        },
      },
    ],
  },
})
