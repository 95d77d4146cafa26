// Reports large code: lines by folder, files over 400 lines, functions over 60 lines, constructors with more than four
// parameters, and classes with more than 15 public members. Exits with 1 above a hard limit (CONTRIBUTING.md, "Sizes").
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const FILE_LINES = { soft: 400, hard: 600 }
const SOFT_FUNCTION_LINES = 60
const MAX_CONSTRUCTOR_PARAMETERS = 4
const MAX_PUBLIC_MEMBERS = 15
/** Facade classes, exempt because their documented API fixes the members. */
const FACADES = ['SmartAgent', 'AgentClient']
/** Data tables, exempt because each row takes a line. */
const TABLES = [/^src\/core\/errors\//, /^src\/web\/\w+\/texts\.ts$/]

const findSources = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return findSources(path)
    return /\.tsx?$/.test(entry.name) ? [path] : []
  })

const folders = new Map()
const warnings = []
const violations = []
const lineOf = (source, position) => source.getLineAndCharacterOfPosition(position).line + 1
const isHidden = (member) =>
  (member.name && ts.isPrivateIdentifier(member.name)) ||
  member.modifiers?.some(({ kind }) =>
    [ts.SyntaxKind.PrivateKeyword, ts.SyntaxKind.ProtectedKeyword].includes(kind),
  )

function visit(node, source, path) {
  const at = () => `${path}:${lineOf(source, node.getStart(source))}`
  if (ts.isFunctionLike(node) && node.body) {
    const lines = lineOf(source, node.end) - lineOf(source, node.getStart(source)) + 1
    const name = node.name?.getText(source) ?? node.parent?.name?.getText?.(source) ?? 'a function'
    if (lines > SOFT_FUNCTION_LINES) warnings.push([lines, `lines: ${name}, ${at()}`])
    if (ts.isConstructorDeclaration(node) && node.parameters.length > MAX_CONSTRUCTOR_PARAMETERS)
      violations.push(`${node.parameters.length} parameters: the constructor at ${at()}`)
  }
  if (ts.isClassDeclaration(node) && !FACADES.includes(node.name?.text)) {
    const names = new Set(
      node.members
        .filter((member) => member.name && !isHidden(member) && !ts.isConstructorDeclaration(member))
        .map((member) => member.name.getText(source)),
    )
    if (names.size > MAX_PUBLIC_MEMBERS)
      violations.push(`${names.size} public members: ${node.name?.text}, ${at()}`)
  }
  ts.forEachChild(node, (child) => {
    visit(child, source, path)
  })
}

for (const path of ['machines', 'mocks', 'src'].flatMap(findSources)) {
  const text = readFileSync(path, 'utf8')
  const lines = text.split('\n').length - 1
  const folder = dirname(path).split('/').slice(0, 2).join('/')
  folders.set(folder, (folders.get(folder) ?? 0) + lines)
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const isTable = TABLES.some((table) => table.test(path))
  if (lines > FILE_LINES.hard && !isTable) violations.push(`${lines} lines: ${path}`)
  else if (lines > FILE_LINES.soft && !isTable) warnings.push([lines, `lines: ${path}`])
  // React components are exempt from the function limit, because their length follows from the page.
  if (path.endsWith('.ts')) visit(source, source, path)
}

console.log('Lines by folder:')
for (const [folder, lines] of [...folders].sort()) console.log(`${String(lines).padStart(7)} ${folder}`)
console.log(`${String([...folders.values()].reduce((a, b) => a + b)).padStart(7)} total`)
console.log('Above a soft limit:')
for (const [size, what] of warnings.sort((a, b) => b[0] - a[0]))
  console.log(`${String(size).padStart(7)} ${what}`)
if (violations.length > 0) console.log('Above a hard limit:')
for (const what of violations) console.log(`  ${what}`)
process.exitCode = violations.length > 0 ? 1 : 0
