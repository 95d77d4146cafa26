import { spawn } from 'node:child_process'

/** Exit code and terminal output of a program. */
interface TerminalRun {
  readonly code: number | null
  readonly output: string
}

/**
 * Runs a program on a pseudo-terminal and answers its prompts.
 *
 * @param answers inputs for the prompts, in order; a prompt ends with a colon and a space
 */
export function runOnTerminal(words: readonly string[], answers: readonly string[]): Promise<TerminalRun> {
  const command = words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ')
  return new Promise((resolve, reject) => {
    const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const left = [...answers]
    let output = ''
    let seen = 0
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (!output.slice(seen).includes(': ')) return
      seen = output.length
      const answer = left.shift()
      if (answer !== undefined) child.stdin.write(`${answer}\n`)
    })
    child.stdin.on('error', () => undefined)
    child.once('error', reject)
    child.once('close', (code) => {
      resolve({ code, output })
    })
  })
}
