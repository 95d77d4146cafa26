import type { Command } from 'commander'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `trust`. */
export function createTrustCommand({ json, call }: AgentCli): Command {
  const trust = createCommand('trust').description('manage the trusted root certificates of the authority')
  trust
    .command('show')
    .description('print the trusted root certificates')
    .action(async () => {
      const { trust: pem, bundle } = await call<{ trust: string | null; bundle: number }>('trust-show')
      if (json()) printJson({ trust: pem, bundle })
      else printText(pem ?? 'No root certificate is installed.')
    })
  trust
    .command('install')
    .description('install the root certificate of the authority, or the root rotations that replace it')
    .argument('<file>', 'PEM file, or file of `smart-authority trust bundle export`')
    .action(async (file: string) => {
      const { readFileArgument } = await import('../secrets.ts')
      const { trust: pem, bundle } = await call<{ trust: string | null; bundle: number }>('trust-install', {
        pem: readFileArgument(file),
      })
      if (json()) printJson({ trust: pem, bundle })
      else if (bundle === 0) printText('The root certificate is installed.')
      else printText(`Root rotation ${bundle} is installed.`)
    })

  return trust
}
