// Runs mutation tests on the given areas, or on all: npm run mutate -- machines
// Exits with 1 if a survivor is not explained in test/mutation/survivors.json.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { Stryker } from '@stryker-mutator/core'
import { format, resolveConfig } from 'prettier'
import { areas } from './mutation-areas.mjs'

const EXPLAINED = 'test/mutation/survivors.json'
const RESULTS = 'test/mutation/results.json'
const PAGE = 'docs/mutation-testing.md'
const LIVING = ['Survived', 'NoCoverage']

const read = (path) => JSON.parse(readFileSync(path, 'utf8'))
const pretty = async (path, text) =>
  writeFileSync(path, await format(text, { ...(await resolveConfig(path)), filepath: path }))
const explained = read(EXPLAINED)

const back = ({ line, column }) => ({ line: line - 1, column: column - 1 })
/** Converts the 1-based lines and columns of a result to 0-based ones. */
const fromZero = ({ location: { start, end }, ...mutant }) => ({
  ...mutant,
  location: { start: back(start), end: back(end) },
})

/** Returns the source text that a mutant replaces. */
function original({ fileName, location: { start, end } }) {
  const lines = readFileSync(fileName, 'utf8')
    .split('\n')
    .slice(start.line, end.line + 1)
  lines[lines.length - 1] = lines.at(-1).slice(0, end.column)
  lines[0] = lines[0].slice(start.column)
  return lines.join(' ')
}
const flat = (text) => text.replace(/\s+/g, ' ').trim()
const fileOf = ({ fileName }) => relative('.', fileName)
/** Names a mutant by its change, so that the name stays valid when lines move. */
const nameOf = (mutant) =>
  `${fileOf(mutant)}: ${flat(original(mutant))} → ${flat(mutant.replacement) || 'nothing'}`
const locationOf = ({ fileName, location: { start, end }, replacement }) =>
  `${relative('.', fileName)}:${start.line + 1}:${start.column}-${end.line + 1}:${end.column} ${replacement}`

async function testMutants(mutate, tests) {
  process.env.MUTATION_TESTS = tests.join(' ')
  const results = await new Stryker({ mutate }).runMutationTest()
  return results.filter(({ status }) => status !== 'Ignored').map(fromZero)
}

async function run(area) {
  const { mutate, rounds } = areas[area]
  const [first, ...later] = rounds
  const verdicts = new Map((await testMutants(mutate, first)).map((mutant) => [locationOf(mutant), mutant]))
  for (const tests of later) {
    // Explained survivors need no slower tests.
    const remaining = [...verdicts].filter(
      ([, mutant]) => LIVING.includes(mutant.status) && !explained[nameOf(mutant)],
    )
    if (remaining.length === 0) break
    const ranges = [...new Set(remaining.map(([location]) => location.slice(0, location.indexOf(' '))))]
    for (const mutant of await testMutants(ranges, tests))
      if (LIVING.includes(verdicts.get(locationOf(mutant))?.status)) verdicts.set(locationOf(mutant), mutant)
  }
  const count = (...statuses) =>
    [...verdicts.values()].filter(({ status }) => statuses.includes(status)).length
  const survivors = [...verdicts.values()].filter(({ status }) => LIVING.includes(status))
  return {
    measured: new Date().toISOString().slice(0, 10),
    mutants: count('Killed', 'Timeout', 'RuntimeError', ...LIVING),
    killed: count('Killed', 'RuntimeError'),
    timedOut: count('Timeout'),
    survivors: survivors.map((mutant) => ({ line: mutant.location.start.line + 1, name: nameOf(mutant) })),
  }
}

const names = process.argv.slice(2)
const unknown = names.filter((name) => !Object.hasOwn(areas, name))
if (unknown.length > 0) {
  process.stderr.write(`Unknown area: ${unknown.join(', ')}. Choose from ${Object.keys(areas).join(', ')}.\n`)
  process.exit(1)
}
mkdirSync('test/mutation', { recursive: true })
// Fuzz tests run on every mutant but find little that other tests miss, so limit their inputs.
process.env.FUZZ_RUNS ??= '300'
for (const area of names.length > 0 ? names : Object.keys(areas)) {
  const result = await run(area)
  await pretty(RESULTS, JSON.stringify({ ...read(RESULTS), [area]: result }))
}

const results = Object.entries(read(RESULTS))
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('`', '´')
const reason = (name) => explained[name] ?? '**not explained**'
await pretty(
  PAGE,
  `# Mutation testing

Written by \`npm run mutate\`. \`npm run mutate -- AREA …\` measures single areas again. Every statement, condition and expression of
the most critical modules is changed, one at a time, and at least one test must fail. String literals are not mutated, because most
of them are messages, and a wrong state name or error code does not compile. A full run takes more than an hour on two cores, so it
runs before a release and not for every change. \`scripts/mutation-areas.mjs\` lists the sources and tests. Slower tests run only on the
mutants that survived the faster ones.

| area | mutants | killed | timed out | survived, explained | survived, not explained | detected |
| --- | --- | --- | --- | --- | --- | --- |
${results
  .map(([area, { mutants, killed, timedOut, survivors }]) => {
    const open = survivors.filter(({ name }) => !explained[name]).length
    const detected = ((100 * (killed + timedOut)) / mutants).toFixed(1)
    return `| ${area} | ${mutants} | ${killed} | ${timedOut} | ${survivors.length - open} | ${open} | ${detected} % |`
  })
  .join('\n')}

_Measured ${results.map(([area, { measured }]) => `${area} ${measured}`).join(', ')}._

## Surviving mutants

A mutant may survive because its change has no observable effect.
${results
  .filter(([, { survivors }]) => survivors.length > 0)
  .map(
    ([area, { survivors }]) => `
### ${area}

| location | change | reason |
| --- | --- | --- |
${survivors
  .map(({ name, line }) => {
    const [file, change] = [name.slice(0, name.indexOf(': ')), name.slice(name.indexOf(': ') + 2)]
    return `| ${file}, line ${line} | \`${cell(change)}\` | ${cell(reason(name))} |`
  })
  .join('\n')}
`,
  )
  .join('')}`,
)
const open = results.flatMap(([, { survivors }]) => survivors.filter(({ name }) => !explained[name]))
for (const { name } of open) process.stdout.write(`not explained: ${name}\n`)
process.exitCode = open.length > 0 ? 1 : 0
