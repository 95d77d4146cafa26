import type { Command } from 'commander'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { writeBytesAtomically } from '../atomic-write.ts'
import type { AgentCli } from './agent-cli.ts'

/** Creates the command `support`, which writes a support bundle. */
export function createSupportCommand({ json, call }: AgentCli): Command {
  return createCommand('support')
    .description('print a support bundle, without secrets; open it elsewhere with `smart-agent inspect FILE`')
    .option('--out <file>', 'write the bundle to a file')
    .action(async ({ out }: { out?: string }) => {
      if (out === undefined || out === '-') {
        printJson(await call('support'))
        return
      }
      await writeBytesAtomically(out, async () => Buffer.from(`${JSON.stringify(await call('support'))}\n`))
      if (json()) printJson({ file: out })
      else printText(`The support bundle is in ${out}.`)
    })
}
