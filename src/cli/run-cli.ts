import { type Command, CommanderError } from 'commander'
import { LicensingError } from '../core/errors.ts'
import { printFailure } from './output.ts'

/** Options of the program itself that a person may well write behind the command, with what each takes. */
const GLOBAL_VALUES = ['--data-dir', '--account']
const GLOBAL_FLAGS = ['--json']

/** Moves the program's own options to the front, wherever they were written. */
function hoistGlobalOptions(program: Command, words: readonly string[]): string[] {
  const known = new Set(program.options.map(({ long }) => long))
  const front: string[] = []
  const rest: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    const [name = ''] = word.split('=', 1)
    if (word === '--') {
      rest.push(...words.slice(i))
      break
    }
    if (!known.has(name)) rest.push(word)
    else if (GLOBAL_FLAGS.includes(name)) front.push(word)
    else if (GLOBAL_VALUES.includes(name)) {
      front.push(word)
      const value = words[i + 1]
      if (!word.includes('=') && value !== undefined) {
        front.push(value)
        i++
      }
    } else rest.push(word)
  }
  return [...front, ...rest]
}

/** Parses the command line, runs the command, and leaves with its exit code: 0 done, 1 refused or failed, 2 usage. */
export async function runCli(program: Command): Promise<void> {
  const code = await execute(program)
  process.exitCode = code
  // A one-shot may leave a request under way behind: it is on disk, and goes on next time.
  process.stdout.write('', () => process.exit(code))
}

async function execute(program: Command): Promise<number> {
  const words = hoistGlobalOptions(program, process.argv.slice(2))
  const json = words.includes('--json')
  try {
    await program.parseAsync(words, { from: 'user' })
    // Not 0 where a command has only handed on what another process has said.
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (!(error instanceof CommanderError)) return printFailure(error, json)
    if (error.exitCode === 0) return 0
    // Without a command, or with half of one, the help is the answer.
    const message =
      error.code === 'commander.help'
        ? 'No command was given, or only half of one.'
        : toSentence(error.message.replace(/^error: /, ''))
    return printFailure(new LicensingError('USAGE', message), json)
  }
}

/** The parser's words as a sentence: `Unknown command 'x'.` */
function toSentence(text: string): string {
  const trimmed = text.trim()
  const begun = trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
  return /[.?!]$/.test(begun) ? begun : `${begun}.`
}
