// Rows of figures: on the terminal, kept in bench/results.json, and as the page of docs.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import Table from 'cli-table3'

const results = new URL('results.json', import.meta.url).pathname
const page = new URL('../docs/benchmarks.md', import.meta.url).pathname

export const perSecond = (n) => `${Math.round(n).toLocaleString('en')} /s`
export const ms = (n) => `${n.toFixed(n < 10 ? 1 : 0)} ms`
export const seconds = (n) => `${n.toFixed(1)} s`
export const mebibytes = (n) => `${(n / 2 ** 20).toFixed(0)} MiB`

const head = ['what', 'measured', 'floor', 'ratio', 'aim']

/** The rows of one section, as they come. */
export class Section {
  rows = []
  notes = []

  /** @param ratio of the two figures, a number, or null where there is none */
  row = (what, measured, floor, ratio, aim) => {
    this.rows.push([what, measured, floor, ratio === null ? '' : ratio.toFixed(2), aim])
  }

  note = (text) => this.notes.push(text)

  print(name) {
    const table = new Table({
      head: [name, ...head.slice(1)],
      style: { head: [], border: [], compact: true },
    })
    for (const row of this.rows) table.push(row)
    console.log(table.toString())
    for (const note of this.notes) console.log(note)
  }
}

/** Keeps what was measured of a section, and writes the page of all that are kept. */
export function keep(name, title, { rows, notes }) {
  const all = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : {}
  const machine = `${cpus().length} × ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`
  const day = new Date().toISOString().slice(0, 10)
  all[name] = { title, day, machine, rows, notes }
  writeFileSync(results, `${JSON.stringify(all, null, 2)}\n`)
  writeFileSync(page, pageOf(all))
  execFileSync(process.execPath, [
    new URL('../node_modules/prettier/bin/prettier.cjs', import.meta.url).pathname,
    '--write',
    '--log-level',
    'warn',
    results,
    page,
  ])
}

const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`

function pageOf(all) {
  const parts = Object.values(all).map(({ title, day, machine, rows, notes }) =>
    [
      `## ${title}`,
      '',
      line(head),
      line(head.map(() => '---')),
      ...rows.map(line),
      ...(notes.length > 0 ? ['', ...notes.map((note) => `- ${note}`)] : []),
      '',
      `_Measured ${day} on ${machine}._`,
      '',
    ].join('\n'),
  )
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench`; `npm run bench -- SECTION …` measures some sections anew. Each figure stands beside a floor that was measured in the same run: the least that the same work could cost on that machine. A ratio says the same on a fast machine and a slow one; the figures are of the machine that is named. The load comes from the same machine, and takes its part of it.',
    '',
    ...parts,
  ].join('\n')
}
