import type { Command, Option } from 'commander'
import { createCommand } from './create-command.ts'
import { printText } from './output.ts'

const takesValue = (option: Option): boolean => option.required || option.optional

/** Formats words and their choices as a line of a shell `case`. */
const formatChoices = (words: readonly string[], choices: readonly string[] | undefined): string[] =>
  choices === undefined
    ? []
    : [`    ${words.map((word) => `'${word}'`).join('|')}) words='${choices.join(' ')}' ;;`]

/** Creates the command `completion`. */
export const createCompletionCommand = (program: Command): Command =>
  createCommand('completion')
    .description('print a bash completion script; source it, or save it in /etc/bash_completion.d')
    .action(() => {
      printText(createBashCompletion(program))
    })

/** Creates a completion script for bash from the program's commands, options and choices. */
export function createBashCompletion(program: Command): string {
  const words: string[] = []
  const values: string[] = []
  const withValue = new Set<string>()
  const walk = (command: Command, path: string) => {
    const choices = [
      ...command.commands.map((subcommand) => subcommand.name()),
      ...command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
      ...command.options.flatMap(({ long }) => (long ? [long] : [])),
      ...(path === ''
        ? []
        : program.options.flatMap(({ long }) => (long && long !== '--version' ? [long] : []))),
      '--help',
    ]
    words.push(...formatChoices([path], choices))
    for (const option of command.options) {
      if (!option.long || !takesValue(option)) continue
      withValue.add(option.long)
      values.push(...formatChoices([`${path} ${option.long}`.trim()], option.argChoices))
    }
    for (const subcommand of command.commands) walk(subcommand, `${path} ${subcommand.name()}`.trim())
  }
  walk(program, '')
  const name = program.name()
  const complete = `_${name.replaceAll('-', '_')}`
  return [
    `${complete}() {`,
    "  local words='' path='' value='' word",
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    if [ -n "$value" ]; then value=\'\'; continue; fi',
    '    case "$word" in',
    `      ${[...withValue].join('|')}) value="$word" ;;`,
    '      -*) ;;',
    '      *) path="${path:+$path }$word" ;;',
    '    esac',
    '  done',
    '  if [ -n "$value" ]; then',
    '    case "${path:+$path }$value" in',
    ...values,
    '    esac',
    '  else',
    '    case "$path" in',
    ...words,
    '    esac',
    '  fi',
    '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
    '}',
    `complete -o default -F ${complete} ${name}`,
    '',
  ].join('\n')
}
