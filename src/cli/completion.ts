import type { Command } from 'commander'

/** A completion script for bash, from the commands as they are: words of the command so far, and its options. */
export function bashCompletion(program: Command): string {
  const rows: string[] = []
  const walk = (command: Command, path: string) => {
    const words = [
      ...command.commands.map((one) => one.name()),
      ...command.options.flatMap(({ long }) => (long ? [long] : [])),
      '--help',
    ]
    rows.push(`    '${path}') words='${words.join(' ')}' ;;`)
    for (const one of command.commands) walk(one, `${path} ${one.name()}`.trim())
  }
  walk(program, '')
  const name = program.name()
  const complete = `_${name.replaceAll('-', '_')}`
  return [
    `${complete}() {`,
    "  local words='' path='' word",
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    case "$word" in -*) ;; *) path="${path:+$path }$word" ;; esac',
    '  done',
    '  case "$path" in',
    ...rows,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
    '}',
    `complete -o default -F ${complete} ${name}`,
    '',
  ].join('\n')
}
