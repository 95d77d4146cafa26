import { type Command, CommanderError } from 'commander'
import { LicensingError } from '../core/errors.ts'
import { printFailure } from './output.ts'

/** Program options with a value that users may also write after the command. */
const GLOBAL_VALUES = ['--data-dir', '--account']
const GLOBAL_FLAGS = ['--json']

/** Moves the program's own options to the front, because commander accepts them only before the command. */
function hoistGlobalOptions(program: Command, args: readonly string[]): string[] {
  const known = new Set(program.options.map(({ long }) => long))
  const front: string[] = []
  const rest: string[] = []
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? ''
    const [name = ''] = word.split('=', 1)
    if (word === '--') {
      rest.push(...args.slice(i))
      break
    }
    if (!known.has(name)) rest.push(word)
    else if (GLOBAL_FLAGS.includes(name)) front.push(word)
    else if (GLOBAL_VALUES.includes(name)) {
      front.push(word)
      const value = args[i + 1]
      if (!word.includes('=') && value !== undefined) {
        front.push(value)
        i++
      }
    } else rest.push(word)
  }
  return [...front, ...rest]
}

/** Parses the command line, runs the command, and exits: 0 on success, 1 on failure, 2 on a usage error. */
export async function runCli(program: Command): Promise<void> {
  const code = await execute(program)
  process.exitCode = code
  // A pending request must not delay the exit. The request is stored and continues in the next run.
  process.stdout.write('', () => process.exit(code))
}

async function execute(program: Command): Promise<number> {
  const args = hoistGlobalOptions(program, process.argv.slice(2))
  const json = args.includes('--json')
  try {
    await program.parseAsync(args, { from: 'user' })
    // A command may have set the exit code to that of another process, such as a failed worker.
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (!(error instanceof CommanderError)) return printFailure(error, json)
    if (error.exitCode === 0) return 0
    // Commander reports a missing or incomplete command by showing the help.
    const message =
      error.code === 'commander.help'
        ? 'The command is missing or incomplete.'
        : toSentence(error.message.replace(/^error: /, ''))
    return printFailure(new LicensingError('USAGE', message), json)
  }
}

/** Turns a parser message into a sentence, such as `Unknown command 'x'.` */
function toSentence(text: string): string {
  const trimmed = text.trim()
  const capitalized = trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
  return /[.?!]$/.test(capitalized) ? capitalized : `${capitalized}.`
}
