// Reports what has grown large: lines by folder, files over 400 lines, functions over 60, constructors over four parameters, and
// classes over 15 public members. Ends with 1 past a limit that is not a habit but a rule (CONTRIBUTING.md, "Sizes").
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const FILE = { habit: 400, rule: 600 }
const FUNCTION_HABIT = 60
const CONSTRUCTOR_RULE = 4
const CLASS_RULE = 15
/** The documented façade, whose members an outside page fixes. */
const FACADES = ['SmartAgent']
/** Tables of data have as many lines as rows. */
const TABLES = [/^src\/core\/errors\//, /^src\/web\/\w+\/texts\.ts$/]

const findSources = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return findSources(path)
    return /\.tsx?$/.test(entry.name) ? [path] : []
  })

const folders = new Map()
const habits = []
const broken = []
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
    if (lines > FUNCTION_HABIT) habits.push([lines, `lines: ${name}, ${at()}`])
    if (ts.isConstructorDeclaration(node) && node.parameters.length > CONSTRUCTOR_RULE)
      broken.push(`${node.parameters.length} parameters: the constructor at ${at()}`)
  }
  if (ts.isClassDeclaration(node) && !FACADES.includes(node.name?.text)) {
    const names = new Set(
      node.members
        .filter((member) => member.name && !isHidden(member) && !ts.isConstructorDeclaration(member))
        .map((member) => member.name.getText(source)),
    )
    if (names.size > CLASS_RULE) broken.push(`${names.size} public members: ${node.name?.text}, ${at()}`)
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
  if (lines > FILE.rule && !isTable) broken.push(`${lines} lines: ${path}`)
  else if (lines > FILE.habit && !isTable) habits.push([lines, `lines: ${path}`])
  // A React component is a description of what is shown, as long as that is.
  if (path.endsWith('.ts')) visit(source, source, path)
}

console.log('Lines by folder:')
for (const [folder, lines] of [...folders].sort()) console.log(`${String(lines).padStart(7)} ${folder}`)
console.log(`${String([...folders.values()].reduce((a, b) => a + b)).padStart(7)} in all`)
console.log('Larger than is the habit:')
for (const [size, what] of habits.sort((a, b) => b[0] - a[0]))
  console.log(`${String(size).padStart(7)} ${what}`)
if (broken.length > 0) console.log('Past a rule:')
for (const what of broken) console.log(`  ${what}`)
process.exitCode = broken.length > 0 ? 1 : 0
