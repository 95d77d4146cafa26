import type { Command, Option } from 'commander'
import { createCommand } from './create-command.ts'
import { printText } from './output.ts'

const takesValue = (option: Option): boolean => option.required || option.optional

/** The word and its choices, as a line of a shell `case`. */
const formatChoices = (words: readonly string[], choices: readonly string[] | undefined): string[] =>
  choices === undefined
    ? []
    : [`    ${words.map((word) => `'${word}'`).join('|')}) words='${choices.join(' ')}' ;;`]

/** Creates the command `completion`. */
export const createCompletionCommand = (program: Command): Command =>
  createCommand('completion')
    .description('a completion script for bash: source it, or put it in /etc/bash_completion.d')
    .action(() => {
      printText(createBashCompletion(program))
    })

/** A completion script for bash, from the commands as they are: their words, their options, and what those take. */
export function createBashCompletion(program: Command): string {
  const words: string[] = []
  const values: string[] = []
  const withValue = new Set<string>()
  const walk = (command: Command, path: string) => {
    const choices = [
      ...command.commands.map((one) => one.name()),
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
    for (const one of command.commands) walk(one, `${path} ${one.name()}`.trim())
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
