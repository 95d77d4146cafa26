// Reads the support cases of docs/support-cases.md from the tests that try them.
import { readFileSync } from 'node:fs'

const SOURCE = 'test/mocks/support-cases.test.ts'

/** Returns the Markdown of all support cases: a heading for each group, and the body of each test. */
export function formatSupportCases() {
  const text = readFileSync(SOURCE, 'utf8')
  const parts = [
    ...text.matchAll(
      /^describe\('R-LAB-1: (?<title>[^']+)'|^ {2}it\('(?<name>[^']+)', async \(\) => \{\n(?<body>[\s\S]*?)^ {2}\}\)/gm,
    ),
  ]
  if (parts.length < 20)
    throw new Error(`${SOURCE} has changed its form: only ${parts.length} parts were found.`)
  return parts.flatMap(({ groups: { title, name, body } }) =>
    title === undefined
      ? [`### ${name}`, `\`\`\`ts\n${body.replace(/^ {4}/gm, '').trimEnd()}\n\`\`\``]
      : [`## ${title[0].toUpperCase()}${title.slice(1)}`],
  )
}
