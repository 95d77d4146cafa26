import type { Command } from 'commander'
import { LicensingError } from '../../core/errors.ts'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `show`. */
export function createShowCommand({ json, read }: AgentCli): Command {
  return createCommand('show')
    .description("show the license state in the layout of Cisco's `show license`")
    .argument('[topic]', 'all, status, summary, usage, udi or tech', 'all')
    .action(async (topic: string) => {
      const { formatShow, SHOW_TOPICS } = await import('./format-show.ts')
      const known = SHOW_TOPICS.find((name) => name === topic)
      if (!known)
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `The topic ${JSON.stringify(topic)} is unknown. Choose one of ${SHOW_TOPICS.join(', ')}.`,
        )
      const status = await read<Status>('status')
      if (json()) printJson(status)
      else printText(formatShow(known, status))
    })
}
