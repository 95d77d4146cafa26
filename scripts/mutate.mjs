// Mutation testing of the areas that are named, or of all: npm run mutate -- machines
// A survivor that nobody has explained in test/mutation/survivors.json ends it with 1.
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
/** Verdicts count lines and columns from one; ranges to mutate count lines from one and columns from zero. */
const fromZero = ({ location: { start, end }, ...mutant }) => ({
  ...mutant,
  location: { start: back(start), end: back(end) },
})

/** The text that a mutant replaces. */
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
/** Names a mutant by what it does, which stays true when lines move. */
const nameOf = (mutant) =>
  `${fileOf(mutant)}: ${flat(original(mutant))} → ${flat(mutant.replacement) || 'nothing'}`
const placeOf = ({ fileName, location: { start, end }, replacement }) =>
  `${relative('.', fileName)}:${start.line + 1}:${start.column}-${end.line + 1}:${end.column} ${replacement}`

async function judge(mutate, tests) {
  process.env.MUTATION_TESTS = tests.join(' ')
  const judged = await new Stryker({ mutate }).runMutationTest()
  return judged.filter(({ status }) => status !== 'Ignored').map(fromZero)
}

async function run(area) {
  const { mutate, rounds } = areas[area]
  const [first, ...later] = rounds
  const verdicts = new Map((await judge(mutate, first)).map((mutant) => [placeOf(mutant), mutant]))
  for (const tests of later) {
    // Slower tests are not asked of what is explained already.
    const left = [...verdicts].filter(
      ([, mutant]) => LIVING.includes(mutant.status) && !explained[nameOf(mutant)],
    )
    if (left.length === 0) break
    const ranges = [...new Set(left.map(([place]) => place.slice(0, place.indexOf(' '))))]
    for (const mutant of await judge(ranges, tests))
      if (LIVING.includes(verdicts.get(placeOf(mutant))?.status)) verdicts.set(placeOf(mutant), mutant)
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

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !Object.hasOwn(areas, name))
if (unknown.length > 0) {
  process.stderr.write(
    `No area is called ${unknown.join(', ')}; there are ${Object.keys(areas).join(', ')}.\n`,
  )
  process.exit(1)
}
mkdirSync('test/mutation', { recursive: true })
// Random text finds little that the tests beside it do not, and it is tried on every mutant.
process.env.FUZZ_RUNS ??= '300'
for (const area of asked.length > 0 ? asked : Object.keys(areas)) {
  const result = await run(area)
  await pretty(RESULTS, JSON.stringify({ ...read(RESULTS), [area]: result }))
}

const results = Object.entries(read(RESULTS))
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('`', '´')
const why = (name) => explained[name] ?? '**not explained**'
await pretty(
  PAGE,
  `# Mutation testing

Written by \`npm run mutate\`; \`npm run mutate -- AREA …\` goes over some areas anew. Every statement, condition and expression of the rooms
that decide most is changed, one at a time, and some test must fail. What a wrong character in a text would do is left out: most of
these are words for people, and a state or a code by a wrong name does not compile. It takes too long for every change (an hour and
more on two cores), and so it is run before a release. Which sources and which tests: \`scripts/mutation-areas.mjs\`; slower tests judge only what the
quicker ones have let live.

| area | mutants | killed | ran without end | alive, and explained | not explained | noticed |
| --- | --- | --- | --- | --- | --- | --- |
${results
  .map(([area, { mutants, killed, timedOut, survivors }]) => {
    const open = survivors.filter(({ name }) => !explained[name]).length
    const noticed = ((100 * (killed + timedOut)) / mutants).toFixed(1)
    return `| ${area} | ${mutants} | ${killed} | ${timedOut} | ${survivors.length - open} | ${open} | ${noticed} % |`
  })
  .join('\n')}

_Measured ${results.map(([area, { measured }]) => `${area} ${measured}`).join(', ')}._

## Mutants that live

A mutant may live because it changes nothing that anybody could see.
${results
  .filter(([, { survivors }]) => survivors.length > 0)
  .map(
    ([area, { survivors }]) => `
### ${area}

| where | what is changed | why it lives |
| --- | --- | --- |
${survivors
  .map(({ name, line }) => {
    const [file, change] = [name.slice(0, name.indexOf(': ')), name.slice(name.indexOf(': ') + 2)]
    return `| ${file}, line ${line} | \`${cell(change)}\` | ${cell(why(name))} |`
  })
  .join('\n')}
`,
  )
  .join('')}`,
)
const open = results.flatMap(([, { survivors }]) => survivors.filter(({ name }) => !explained[name]))
for (const { name } of open) process.stdout.write(`not explained: ${name}\n`)
process.exitCode = open.length > 0 ? 1 : 0
