import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { parseAddress } from '../address.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import type { AgentCli } from './agent-cli.ts'

/** Creates the command `inspect`, which serves the inspector to a browser on this computer. */
export function createInspectCommand({ json, dataDir, call }: AgentCli): Command {
  return createCommand('inspect')
    .description(
      'serve the inspector to a browser on this computer: of this device, of a support bundle, or of a new device alone',
    )
    .argument(
      '[file]',
      'support bundle of another device, written by `smart-agent support`; - for standard input',
    )
    .option('--listen <host:port>', 'loopback address; port 0 selects a free port', '127.0.0.1:0')
    .action(async (file: string | undefined, { listen }: { listen: string }) => {
      const address = parseAddress(listen)
      const [{ serveBundle }, { onShutdownSignal }, read] = await Promise.all([
        import('../../console/bundle-server.ts'),
        import('../shutdown-signal.ts'),
        file === undefined ? chooseDevice(dataDir(), () => call('support')) : readBundle(file),
      ])
      const stopped = onShutdownSignal()
      const served = await serveBundle(read, address)
      if (json()) printJson({ inspector: served.url })
      else printText(`The inspector is on ${served.url}\nPress Ctrl+C to stop.`)
      await stopped
      await served.close()
    })
}

type Reader = () => Promise<unknown>

/** Returns the reader of this device, or that of a new device if there is none. */
async function chooseDevice(dataDir: string, readDevice: Reader): Promise<Reader> {
  const { SmartAgent } = await import('../../index.ts')
  if (SmartAgent.exists(dataDir)) return async () => ({ kind: 'device', bundle: await readDevice() })
  const bundle = await createSandboxBundle()
  return () => Promise.resolve({ kind: 'sandbox', bundle })
}

/** @throws LicensingError FILE_UNREADABLE, BUNDLE_MALFORMED, BUNDLE_TOO_NEW */
async function readBundle(file: string): Promise<Reader> {
  const [{ readFileArgument }, { parseBundle }] = await Promise.all([
    import('../secrets.ts'),
    import('../../console/device/bundle.ts'),
  ])
  const bundle = parseBundle(readFileArgument(file))
  return () => Promise.resolve({ kind: 'bundle', bundle })
}

/** Creates the bundle of a device that was installed just now, in a directory that is deleted at once. */
async function createSandboxBundle(): Promise<unknown> {
  const [{ SmartAgent }, { createSupportBundle }] = await Promise.all([
    import('../../index.ts'),
    import('../../agent/support-bundle.ts'),
  ])
  const directory = mkdtempSync(join(tmpdir(), 'smart-agent-inspect-'))
  try {
    const product = { pid: 'SANDBOX', serial: 'SANDBOX', version: '1.0' }
    const agent = await SmartAgent.open({ dataDir: join(directory, 'agent'), product, heartbeat: false })
    const bundle = await createSupportBundle(agent)
    await agent.close()
    return bundle
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
